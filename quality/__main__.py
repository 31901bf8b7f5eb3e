"""`make quality`: measure finished roadmaps; ends with 1 below the floor."""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from cli.new import COLUMNS
from cli.output import CommandFailed
from quality import links, report, subjects
from quality.floor import track_faults
from quality.measuring import Comparison, measured
from quality.run_code import run_tracks
from roadmap.plan.outline import Level

OFFLINE = (
    "No link was looked at: this machine reaches none of the hosts. "
    "Whether links are alive is not known."
)
SKIPPED = "No link was looked at, as it was asked for."
NOT_MEASURABLE = 2


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
@click.option("--run", "runs", is_flag=True, help="Run the code of the tracks instead.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def main(
    *,
    goal: str,
    level: str,
    language: str,
    path: Path | None,
    track: str | None,
    visits: bool,
    runs: bool,
    as_json: bool,
) -> None:
    """Measure what is taught: the catalogue, a file, or a roadmap that is made for GOAL."""
    console = Console(stderr=as_json)
    try:
        if runs:
            sys.exit(run_tracks(track, console))
        if path is not None:
            courses = [subjects.of_file(path)]
        elif goal:
            courses = [subjects.of_service(goal, Level(level), language)]
        else:
            courses = list(subjects.of_catalogue(track))
    except (subjects.NotMeasurable, CommandFailed) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(NOT_MEASURABLE)
    seen, note = None, SKIPPED
    if visits:
        concepts = (concept for course in courses for concept in course.concepts)
        urls = {item.url: None for concept in concepts for item in concept.resources or ()}
        with Progress(*COLUMNS, console=console, transient=True) as progress:
            bar = progress.add_task("Looking at links", total=len(urls))
            seen = links.visited(urls, lambda: progress.advance(bar))
        note = OFFLINE if seen is None else f"{len(seen)} links were looked at."
    comparison = Comparison(courses)
    reports = [
        report.Report(course.name, measured(course, comparison, seen), seen is not None)
        for course in courses
    ]
    if as_json:
        click.echo(report.as_json(reports))
    else:
        report.print_tables(reports, console)
        for fault in (
            fault for course in courses for fault in track_faults(course) if not (path or goal)
        ):
            console.print(fault, style="yellow", markup=False, soft_wrap=True)
        console.print(note, markup=False)
        console.print(report.summary(reports), markup=False, soft_wrap=True, highlight=False)
    sys.exit(1 if any(each.below for each in reports) else 0)


if __name__ == "__main__":
    main(prog_name="make quality")
