"""Report of `make bench`: the section of docs/PERFORMANCE.md.

Only writing the file has side effects.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from scripts import marked

BEGIN, END = "<!-- written by make bench WRITE=1 -->", "<!-- until here -->"
PAGE = Path("docs/PERFORMANCE.md")
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
`make bench WRITE=1` measures in full and writes this section, the JSON and the tables of other
pages. `QUICK=1` is the quick form; `ONLY="accept queue"` selects subjects. `make bench-smoke`, the
shortest form, fails when a ratio is more than a quarter worse than usual
(`benchmarks/targets.py`) at each of three looks. A missed target fails nothing."""
CONTENDERS = "Medians of all contenders:"
NOTES = {  # how each subject with several contenders is measured
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
    SIZE: "packages over 5 MB are named.",
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
    """Return the section of the document."""
    rows, subjects = _of_contenders(results.samples)
    parts = [*_about(results), table_of_targets(results.samples)]
    parts += ["{} of {} targets are missed.".format(*missed(results.samples)), REPEAT]
    if rows:
        notes = (filled(f"- {TITLES[each]}: {NOTES[each]}", indent="  ") for each in subjects)
        parts += [CONTENDERS, marked.markdown(("", "medians"), rows), "\n".join(notes)]
    return "\n\n".join(parts)


def missed(samples: Sequence[Sample]) -> tuple[int, int]:
    """Return how many of the measured targets are missed, and how many were measured."""
    found = [target.is_met(each) for target in TARGETS if (each := target.found(samples))]
    return found.count(False), len(found)


def write_section(path: Path, begin: str, text: str) -> None:
    """Replace what is between this marker and the next END; the rest of the file stays."""
    before, marker, rest = path.read_text().partition(begin)
    _, end, after = rest.partition(END)
    if not (marker and end):
        raise ValueError(f"{path} has no {begin} with {END} after it")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{END}{after}")


def _of_contenders(samples: Sequence[Sample]) -> tuple[list[marked.Row], list[str]]:
    """Return a row for each measure of more than two contenders, and the subjects of all rows.

    The targets compare two.
    """
    contenders: dict[tuple[str, str], dict[str, None]] = {}
    for each in samples:
        contenders.setdefault((each.subject, each.measure), {})[each.contender] = None
    rows, subjects = list[marked.Row](), dict[str, None]()
    for (subject, measure), names in contenders.items():
        if len(names) > 2 and measure not in BESIDE:
            found = (f"{name} {_median(samples, subject, measure, name)}" for name in names)
            rows.append((f"{TITLES[subject]}: {measure}", "; ".join(found)))
            subjects[subject] = None
    return rows, list(subjects)


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
    measured = (samples, target.subject, target.measure)
    ours = spread(list(values_of(*measured, target.contender).values()))
    figure = number(ours.median) + target.unit + ("" if target.peer else _range(ours))
    against = target.peer or target.control
    theirs = f"{against}: {_median(*measured, against)}" if against else ""
    within = number(found.median) + _range(found) if target.peer else ""
    wanted = f"{'<=' if target.at_most else '>='} {number(target.wanted)}"
    verdict = "met" if target.is_met(found) else "**missed**"
    return f"| {target.title} | {figure} | {theirs} | {within} | {wanted}, {verdict} |"


def _median(samples: Sequence[Sample], subject: str, measure: str, contender: str) -> str:
    values = values_of(samples, subject, measure, contender)
    return number(spread(list(values.values())).median) if values else "not measured"


def _range(found: Spread) -> str:
    if found.least == found.most:
        return ""
    return f" ({number(found.least)} to {number(found.most)})"
