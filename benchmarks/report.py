"""From samples to what people read: the table of targets, figures by subject, charts. Pure, but for writing the files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chart import Panel, drawing
from benchmarks.figures import Sample, Spread, number, spread, values_of
from benchmarks.targets import BESIDE, TARGETS, TITLES, Target

HEADING = "Against what it replaces"
IMAGES = "img"  # of the folder of the document
HOW = """\
The load comes from one process (`benchmarks/load`) over 64 connections that are kept open; how much of a core it needs stands
with the figures, and bare Starlette shows what it, the server and the framework allow. While accepting is measured, nobody's
consumers run; after each turn there must be a row, an event, a message and a record of the log for every answer, and one that
is missing fails the run. The peers have neither limits nor Idempotency-Key. MB are millions of bytes; memory is PSS, after a
first roadmap was made. What is in seconds depends on the machine, and has a control beside it that was measured in the same
run. The targets are those of `benchmarks/targets.py`, the peers are in `benchmarks/peers`. `make bench QUICK=1` is the quick
form; `make bench-smoke`, the shortest, fails when a ratio is worse than the usual one, which is committed there,
by more than a quarter at each of three looks; a missed target is printed and fails nothing. A machine that does other work
spoils ratios too: a process that gets a third of a core loses more than one that waits for the disk."""


@dataclass(frozen=True, slots=True)
class Results:
    """Of one run. `effort` are the numbers of benchmarks/effort.py."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    effort: Mapping[str, Any]
    samples: Sequence[Sample]


def results_of(document: Mapping[str, Any]) -> Results:
    """Of what --json has written."""
    return Results(**{**document, "samples": [Sample(**sample) for sample in document["samples"]]})


def worse(samples: Sequence[Sample]) -> list[Target]:
    """Targets whose ratio is worse than the usual one by more than a quarter."""
    return [
        target for target in TARGETS if (found := target.found(samples)) and target.is_worse(found)
    ]


def markdown(results: Results) -> str:
    """The section of the document, with its heading."""
    subjects = list(dict.fromkeys(sample.subject for sample in results.samples))
    parts = [f"## {HEADING}", _about(results), table_of_targets(results.samples)]
    for subject in subjects:
        parts.append(f"### {TITLES[subject]}")
        if list(panels(results.samples, subject)):
            parts.append(f"![{subject}: medians of all rounds]({IMAGES}/{file_name(subject)})")
        parts.append(
            f"<details><summary>All figures</summary>\n\n{_table_of_figures(results.samples, subject)}\n\n</details>"
        )
    return "\n\n".join(parts) + "\n"


def write_section(path: Path, results: Results) -> None:
    """In place of the section with this heading, or at the end; everything else of the file stays."""
    text = path.read_text() if path.exists() else ""
    before, found, rest = f"\n{text}".partition(f"\n## {HEADING}\n")
    _, following, after = rest.partition("\n## ")
    start = before.lstrip("\n") if found else text
    separator = "\n" if start and not start.endswith("\n\n") else ""
    path.write_text(start + separator + markdown(results) + (f"\n## {after}" if following else ""))


def write_charts(folder: Path, results: Results) -> None:
    """Of the subjects in which somebody is compared with somebody."""
    folder.mkdir(parents=True, exist_ok=True)
    for subject in dict.fromkeys(sample.subject for sample in results.samples):
        if drawn := list(panels(results.samples, subject)):
            (folder / file_name(subject)).write_text(drawing(subject, drawn))


def panels(samples: Sequence[Sample], subject: str) -> Iterator[Panel]:
    """One for each measure that more than one contender has."""
    for measure in dict.fromkeys(sample.measure for sample in samples if sample.subject == subject):
        bars = list(_spreads(samples, subject, measure))
        if len(bars) > 1 and measure not in BESIDE:
            yield Panel(measure, bars)


def file_name(subject: str) -> str:
    return f"bench-{subject}.svg"


def _about(results: Results) -> str:
    form, rounds = results.effort["form"], results.effort["rounds"]
    parts = [
        f"Measured on {results.date} by `make bench` ({form}), {rounds} interleaved rounds: medians, with the least and the most "
        "of a round; ratios are those within a round. Contenders share servers and cores, nothing is pinned.",
        HOW,
        "Machine: " + listed(results.machine) + ".",
        "Versions: " + listed(results.versions) + ".",
        "Servers: " + listed(results.settings) + ".",
    ]
    return "\n\n".join(parts)


def listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in names.items())


def table_of_targets(samples: Sequence[Sample]) -> str:
    lines = ["| | of | measured | against | ratio | target | |", "|---|---|---|---|---|---|---|"]
    return "\n".join(lines + [line for target in TARGETS if (line := _line(target, samples))])


def _line(target: Target, samples: Sequence[Sample]) -> str:
    """Empty when it was not measured."""
    found = target.found(samples)
    if found is None:
        return ""
    ours = _median(target, target.contender, samples)
    against = target.peer or target.control
    theirs = f"{against}: {_median(target, against, samples)}" if against else ""
    within = _spread(found) if target.peer else ""
    wanted = f"{'<=' if target.at_most else '>='} {number(target.wanted)}"
    verdict = "met" if target.is_met(found) else "**missed**"
    return f"| {target.title} | {target.measure} | {ours} | {theirs} | {within} | {wanted} | {verdict} |"


def _median(target: Target, contender: str, samples: Sequence[Sample]) -> str:
    values = values_of(samples, target.subject, target.measure, contender)
    return number(spread(list(values.values())).median) if values else "not measured"


def _table_of_figures(samples: Sequence[Sample], subject: str) -> str:
    lines = ["| | | median | least | most | rounds |", "|---|---|---|---|---|---|"]
    for measure in dict.fromkeys(sample.measure for sample in samples if sample.subject == subject):
        for contender, found in _spreads(samples, subject, measure):
            rounds = len(values_of(samples, subject, measure, contender))
            figures = " | ".join(number(value) for value in (found.median, found.least, found.most))
            lines.append(f"| {measure} | {contender} | {figures} | {rounds} |")
    return "\n".join(lines)


def _spreads(samples: Iterable[Sample], subject: str, measure: str) -> Iterator[tuple[str, Spread]]:
    """Of each contender, in the order in which they came first."""
    kept = [sample for sample in samples if (sample.subject, sample.measure) == (subject, measure)]
    for contender in dict.fromkeys(sample.contender for sample in kept):
        yield contender, spread([sample.value for sample in kept if sample.contender == contender])


def _spread(found: Spread) -> str:
    if found.least == found.most:
        return number(found.median)
    return f"{number(found.median)} ({number(found.least)} to {number(found.most)})"
