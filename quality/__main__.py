"""`make quality`: measures finished roadmaps and ends with 1 when a concept is below the floor of docs/QUALITY.md."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import CommandFailed
from core.net.link_probe import Visit
from quality import links, report, subjects
from quality.measuring import Comparison, measured
from quality.report import Report
from quality.subjects import FinishedRoadmap, NotMeasurable
from roadmap.plan.outline import Level

OFFLINE = "No link was looked at: this machine reaches none of the hosts. Whether links are alive is not known."
SKIPPED = "No link was looked at, as it was asked for."
NOT_MEASURABLE = 2
WIDEST = 200  # characters of a table


@click.command()
@click.option(
    "--goal",
    default="",
    help="Measure a roadmap that is made now, by the model when there is a key.",
)
@click.option(
    "--level",
    default=Level.beginner,
    type=click.Choice([str(level) for level in Level]),
    help="Of that roadmap.",
)
@click.option("--language", default="en", help="Of that roadmap.")
@click.option(
    "--file",
    "path",
    default=None,
    type=click.Path(path_type=Path),
    help="Measure an exported roadmap (JSON).",
)
@click.option("--track", default=None, help="Measure one built-in track; otherwise all of them.")
@click.option(
    "--links/--no-links",
    "visits",
    default=True,
    help="Look whether links are alive, where there is a network.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def main(
    *,
    goal: str,
    level: str,
    language: str,
    path: Path | None,
    track: str | None,
    visits: bool,
    as_json: bool,
) -> None:
    """Measure what is taught: the built-in catalogue, a file, or a roadmap that is made for GOAL."""
    console = Console(stderr=as_json)
    try:
        courses = _courses(goal, Level(level), language, path, track)
    except (NotMeasurable, CommandFailed) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(NOT_MEASURABLE)
    seen, said = _visited(courses, console) if visits else (None, SKIPPED)
    comparison = Comparison(courses)
    reports = [
        Report(course.name, measured(course, comparison, seen), seen is not None)
        for course in courses
    ]
    if as_json:
        click.echo(report.as_json(reports))
    else:
        _tell(reports, said, console)
    sys.exit(1 if any(each.below for each in reports) else 0)


def _courses(
    goal: str, level: Level, language: str, path: Path | None, track: str | None
) -> list[FinishedRoadmap]:
    """Raises NotMeasurable, Failed."""
    if path is not None:
        return [subjects.of_file(path)]
    if goal:
        return [subjects.of_service(goal, level, language)]
    return list(subjects.of_catalogue(track))


def _visited(
    courses: Sequence[FinishedRoadmap], console: Console
) -> tuple[dict[str, Visit] | None, str]:
    urls = list(
        dict.fromkeys(
            item.url
            for course in courses
            for concept in course.concepts
            for item in concept.resources or ()
        )
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Looking at links", total=len(urls))
        seen = links.visited(urls, lambda: progress.advance(bar))
    return seen, OFFLINE if seen is None else f"{len(seen)} links were looked at."


def _tell(reports: Sequence[Report], said: str, console: Console) -> None:
    for each in reports:
        table = report.table(each)
        table.width = console.measure(table, options=console.options.update_width(WIDEST)).maximum
        console.print(table, crop=False)  # a narrow terminal breaks lines, not words
        for fault in each.faults:
            console.print(fault, style="red", markup=False, soft_wrap=True)
        console.print()
    console.print(said, markup=False)
    console.print(report.summary(reports), markup=False, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main(prog_name="make quality")
