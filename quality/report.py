"""Reports of metrics, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from quality.floor import faults
from quality.measuring import ConceptMetrics

WIDEST = 200  # characters of a table


@dataclass(frozen=True, slots=True)
class Report:
    """Report of one course.

    Unless its links were `visited`, it is not known which are alive.
    """

    course: str
    concepts: Sequence[ConceptMetrics]
    visited: bool

    @property
    def faults(self) -> list[str]:
        return [
            f"{self.course}, {each.key}: {fault}"
            for each in self.concepts
            for fault in faults(each)
        ]

    @property
    def below(self) -> int:
        """Number of concepts with faults."""
        return sum(1 for each in self.concepts if faults(each))


def table(report: Report) -> Table:
    made = Table(
        title=report.course, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    made.add_column("concept", overflow="fold")
    for name in (
        "words",
        "level",
        "code",
        "exercise",
        "official",
        "alive",
        "quiz",
        "answerable",
        "overlap",
    ):
        made.add_column(name, justify="right")
    made.add_column("", justify="center")
    for each in report.concepts:
        support = f"{each.mean_support:.0%}, {min(each.support):.0%}" if each.support else "-"
        made.add_row(
            each.key.rpartition("/")[2],
            "" if each.words is None else f"{each.words:,}",
            "" if each.level is None else f"{each.level:.1f}",
            f"{each.parsed_blocks}/{each.blocks}" if each.blocks else "-",
            "yes" if each.exercise_words and each.solution_words else "no",
            f"{each.official}/{each.resources}",
            "?" if each.alive is None else f"{each.alive}/{each.resources}",
            f"{each.questions}{'!' if each.quiz_faults else ''}",
            support,
            f"{each.overlap:.1%}",
            "[red]✗[/]" if faults(each) else "[green]✓[/]",
        )
    return made


def summary(reports: Sequence[Report]) -> str:
    """Return a line for each course, and one for all."""
    lines = [f"{report.course}: {_totals(report)}" for report in reports]
    concepts = sum(len(report.concepts) for report in reports)
    below = sum(report.below for report in reports)
    last = f"{concepts} concepts, {below} below the floor of docs/QUALITY.md"
    return "\n".join([*lines, last])


def _totals(report: Report) -> str:
    """Return sums and means of all concepts of a course, in one line."""
    concepts = report.concepts
    words = [each.words for each in concepts if each.words is not None]
    support = [share for each in concepts for share in each.support]
    blocks, parsed = sum(each.blocks for each in concepts), sum(x.parsed_blocks for x in concepts)
    links, official = sum(each.resources for each in concepts), sum(x.official for x in concepts)
    facts = [
        f"{len(concepts)} concepts",
        f"{sum(words) // max(1, len(words)):,} words a tutorial",
        f"{parsed}/{blocks} blocks of code parse",
        f"{official}/{links} links official",
        f"{sum(each.questions for each in concepts)} questions",
    ]
    if support:
        facts.append(f"{sum(support) / len(support):.0%} answerable")
    if report.visited:
        alive, dead = sum(x.alive or 0 for x in concepts), sum(len(x.dead) for x in concepts)
        facts.append(f"{alive}/{links} links alive, {dead} dead")
    if unread := sum(each.unread_blocks for each in concepts):
        facts.append(f"{unread} blocks in languages that nothing here reads")
    if mixed := sum(1 for each in concepts if each.not_measured):
        facts.append(f"{mixed} quizzes not compared with a tutorial in another language")
    return ", ".join(facts) + f"; {report.below} below the floor"


def as_json(reports: Sequence[Report]) -> str:
    facts = [
        {
            "course": report.course,
            "visited": report.visited,
            "below": report.below,
            "concepts": [{**asdict(each), "faults": faults(each)} for each in report.concepts],
        }
        for report in reports
    ]
    return json.dumps(facts, ensure_ascii=False, indent=1, default=sorted)


def print_tables(reports: Sequence[Report], console: Console) -> None:
    """Print each report as a table with its faults; a narrow terminal breaks lines, not words."""
    for each in reports:
        shown = table(each)
        wide = console.options.update_width(WIDEST)
        shown.width = console.measure(shown, options=wide).maximum
        console.print(shown, crop=False)
        for fault in each.faults:
            console.print(fault, style="red", markup=False, soft_wrap=True)
        console.print()
