"""Report of `make bench`: the section of docs/PERFORMANCE.md and the charts.

Only writing the files has side effects.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chart import Panel, drawing
from benchmarks.figures import Sample, Spread, number, spread, values_of
from benchmarks.targets import (
    ACCEPT,
    BESIDE,
    CONNECTIONS,
    LOGS,
    MEMORY,
    PAGES,
    QUEUE,
    READ,
    SIZE,
    START,
    TARGETS,
    TITLES,
    Target,
)

HEADING = "Against what it replaces"
IMAGES = "img"  # of the folder of the document
WIDTH = 100  # columns of the page
HOW = """\
- One process (`benchmarks/load`) sends requests over 64 open connections.
- No consumers run while accepting is measured. Each answer must leave a row, an event, a message
  and a log record.
- Peers are in `benchmarks/peers`. "One file" (`lean_accept.py`) has limits and Idempotency-Key, but
  no log record, metrics, trace or goal matching; the others have none of these.
- Bare Starlette, raw Redis and logging to memory do none of the work.
- Memory is PSS after a first roadmap, in millions of bytes."""
REPEAT = """\
`make bench WRITE=1` measures in full and writes this section, the charts, the JSON and the tables
of other pages. `QUICK=1` is the quick form; `ONLY="accept queue"` selects subjects. `make
bench-smoke`, the shortest form, fails when a ratio is more than a quarter worse than usual
(`benchmarks/targets.py`) at each of three looks. A missed target fails nothing."""
CHARTS = "Charts of all contenders; bars are medians, lines go from the least to the most:"
NOTES = {  # how each subject with a chart is measured
    ACCEPT: "latency in an open loop.",
    READ: "the same 60 roadmaps of 20 accounts, over 32 connections.",
    PAGES: "20 roadmaps of the catalogue with all lessons, of one owner in embedded mode and of "
    "20 accounts in server mode, each asked for once before.",
    CONNECTIONS: "the most, with 50 streams and all processes busy.",
    MEMORY: "one instance (`SERVICE_TYPE=all`) unless labelled otherwise; the peer has two workers "
    "with two processes each (prefork) or four threads each (threads).",
    START: "from the start of a process to its first task or 202.",
    QUEUE: "one consumer with four threads empties a full queue of empty tasks.",
    LOGS: "the same records into the same table with its indexes; COPY neither skips existing "
    "records nor counts lost ones.",
    SIZE: "packages over 5 MB have bars of their own.",
}


@dataclass(frozen=True, slots=True)
class Results:
    """Results of one run. `effort` are the numbers of benchmarks/effort.py."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    effort: Mapping[str, Any]
    samples: Sequence[Sample]


def results_of(document: Mapping[str, Any]) -> Results:
    """Return the results that --json has written."""
    return Results(**{**document, "samples": [Sample(**sample) for sample in document["samples"]]})


def worse(samples: Sequence[Sample]) -> list[Target]:
    """Targets whose ratio is worse than the usual one by more than a quarter."""
    return [
        target for target in TARGETS if (found := target.found(samples)) and target.is_worse(found)
    ]


def markdown(results: Results) -> str:
    """Return the section of the document, with its heading."""
    charts = "\n".join(
        filled(f"- [{TITLES[each]}]({IMAGES}/{file_name(each)}): {NOTES[each]}", indent="  ")
        for each in dict.fromkeys(sample.subject for sample in results.samples)
        if list(panels(results.samples, each))
    )
    parts = [f"## {HEADING}", *_about(results), table_of_targets(results.samples)]
    parts += ["{} of {} targets are missed.".format(*missed(results.samples)), REPEAT]
    return "\n\n".join([*parts, CHARTS, charts] if charts else parts) + "\n"


def missed(samples: Sequence[Sample]) -> tuple[int, int]:
    """Return how many of the measured targets are missed, and how many were measured."""
    found = [target.is_met(each) for target in TARGETS if (each := target.found(samples))]
    return found.count(False), len(found)


def write_section(path: Path, results: Results) -> None:
    """Replace the section with this heading, or append it; the rest of the file stays."""
    text = path.read_text() if path.exists() else ""
    before, found, rest = f"\n{text}".partition(f"\n## {HEADING}\n")
    _, following, after = rest.partition("\n## ")
    start = before.lstrip("\n") if found else text
    separator = "\n" if start and not start.endswith("\n\n") else ""
    path.write_text(start + separator + markdown(results) + (f"\n## {after}" if following else ""))


def write_charts(folder: Path, results: Results) -> None:
    """Write a chart of each subject with more than one contender."""
    folder.mkdir(parents=True, exist_ok=True)
    for subject in dict.fromkeys(sample.subject for sample in results.samples):
        if drawn := list(panels(results.samples, subject)):
            (folder / file_name(subject)).write_text(drawing(subject, drawn))


def panels(samples: Sequence[Sample], subject: str) -> Iterator[Panel]:
    """Yield a panel for each measure of more than one contender."""
    for measure in dict.fromkeys(sample.measure for sample in samples if sample.subject == subject):
        bars = list(_spreads(samples, subject, measure))
        if len(bars) > 1 and measure not in BESIDE:
            yield Panel(measure, bars)


def file_name(subject: str) -> str:
    return f"bench-{subject}.svg"


def _about(results: Results) -> list[str]:
    form, rounds = results.effort["form"], results.effort["rounds"]
    machine = {name: results.machine.get(name, "") for name in ("cores", "processor", "memory")}
    return [
        filled(
            f"Measured on {results.date} by `make bench` ({form}), {rounds} interleaved rounds, on "
            f"{machine['cores']} cores ({machine['processor']}, {machine['memory']}). Figures are "
            "medians; ratios are those within a round, with the least and the most in brackets. "
            "`benchmarks/results.json` has all figures, versions and settings of the servers."
        ),
        HOW,
    ]


def filled(text: str, indent: str = "") -> str:
    """Return the text in lines of the page's width; all but the first are indented."""
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def table_of_targets(samples: Sequence[Sample]) -> str:
    lines = ["| | measured | against | ratio | target |", "|---|---|---|---|---|"]
    return "\n".join(lines + [line for target in TARGETS if (line := _line(target, samples))])


def _line(target: Target, samples: Sequence[Sample]) -> str:
    """Return a row, or nothing when it was not measured."""
    found = target.found(samples)
    if found is None:
        return ""
    ours = spread(list(_values(target, target.contender, samples).values()))
    measured = number(ours.median) + target.unit + ("" if target.peer else _range(ours))
    against = target.peer or target.control
    theirs = f"{against}: {_median(target, against, samples)}" if against else ""
    within = number(found.median) + _range(found) if target.peer else ""
    wanted = f"{'<=' if target.at_most else '>='} {number(target.wanted)}"
    verdict = "met" if target.is_met(found) else "**missed**"
    return f"| {target.title} | {measured} | {theirs} | {within} | {wanted}, {verdict} |"


def _median(target: Target, contender: str, samples: Sequence[Sample]) -> str:
    values = _values(target, contender, samples)
    return number(spread(list(values.values())).median) if values else "not measured"


def _values(target: Target, contender: str, samples: Sequence[Sample]) -> dict[int, float]:
    return values_of(samples, target.subject, target.measure, contender)


def _spreads(samples: Iterable[Sample], subject: str, measure: str) -> Iterator[tuple[str, Spread]]:
    """Yield each contender, in the order of its first sample."""
    kept = [sample for sample in samples if (sample.subject, sample.measure) == (subject, measure)]
    for contender in dict.fromkeys(sample.contender for sample in kept):
        yield contender, spread([sample.value for sample in kept if sample.contender == contender])


def _range(found: Spread) -> str:
    if found.least == found.most:
        return ""
    return f" ({number(found.least)} to {number(found.most)})"
