"""`new`: create a roadmap for a goal."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.api_client import page_of, service_options
from cli.output import CommandFailed, json_option, say, status_sentence, titled_status
from core.sanitize import plain
from roadmap_client import ROADMAPS, RoadmapClient

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
WAITING = ("awaiting_answers", "awaiting_review")
WELL = ("ready", *WAITING)
scope_option = click.option(
    "--scope",
    type=click.Choice(["fitting", "track"]),
    help="Course of a goal that is not covered: what fits, or the whole track. Default: ask.",
)


@click.command("new")
@click.argument("goal")
@click.option(
    "--level",
    type=click.Choice(["beginner", "intermediate", "advanced"]),
    help="Your level.",
)
@click.option(
    "--hours", "hours_per_week", type=click.IntRange(1, 80), help="Learning hours per week."
)
@click.option(
    "--deadline",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Target date.",
)
@click.option("--language", help="Language of the roadmap as a BCP 47 tag: en, zh, pt-BR.")
@click.option("--resource-language", help="Second language for resources.")
@click.option("--background", help="What you already know.")
@click.option("--motivation", help="Why you want to learn this.")
@click.option("--preferences", help="Learning preferences.")
@click.option(
    "--review", is_flag=True, help="Require your approval of the plan before contents are written."
)
@scope_option
@click.option("--watch", is_flag=True, help="Show progress, and exit when the roadmap is finished.")
@service_options
@json_option
def new_command(
    goal: str, watch: bool, client: RoadmapClient, as_json: bool, **fields: Any
) -> None:
    """Create a roadmap for GOAL. The service continues even if this command is interrupted.

    With --watch, the exit code is 0 if the roadmap is ready or waits for you, otherwise 1.
    """
    asked = {name: value for name, value in fields.items() if value not in (None, False)}
    if asked.get("deadline"):
        asked["deadline"] = asked["deadline"].date().isoformat()
    made = client.post(ROADMAPS, {"goal": goal, **asked})
    if not fields["scope"]:
        choose_course(client, made)
    if not watch:
        return say(f"{titled_status('The roadmap', made)}: {page_of(client, made)}", as_json, made)
    roadmap = _watched(client, made)
    title, page = roadmap["title"] or goal, page_of(client, roadmap)
    say(f"{titled_status(title, roadmap)}: {page}", as_json, roadmap)
    if roadmap["status"] not in WELL:
        raise CommandFailed(status_sentence(roadmap))
    return None


def choose_course(client: RoadmapClient, made: dict[str, Any]) -> None:
    """Ask which course to make of a goal that is not covered; without a terminal, say which."""
    match = made.get("match")
    if not match or not match["asks"]:
        return
    click.echo(plain(match["summary"]), err=True)
    choices = {each["scope"]: each for each in match["choices"]}
    for scope, each in choices.items():
        size = f"{len(each['concepts'])} concepts, {each['hours']} h"
        click.echo(f"  {scope}: {plain(each['title'])}, {size}", err=True)
    scope = next(iter(choices))
    if sys.stdin.isatty():
        scope = click.prompt("Which one", type=click.Choice([*choices]), default=scope, err=True)
    click.echo(f"Making: {scope}. Choose in advance with --scope.", err=True)
    if client.wait(made["id"])["status"] == "awaiting_answers":
        client.post(f"{made['links']['self']}/answers", {"scope": scope})


def _watched(client: RoadmapClient, made: dict[str, Any]) -> dict[str, Any]:
    """Return the finished tree, or one that waits for its owner; progress on stderr."""
    with Progress(*COLUMNS, console=Console(stderr=True), transient=False) as progress:
        bar = progress.add_task("Drafting the plan", total=None)
        for event in client.events(made["links"]["events"]):
            data = event["data"]
            if "total" in data and "ready" in data:
                done = data["ready"] + data.get("failed", 0)
                progress.update(
                    bar, description="Writing the contents", completed=done, total=data["total"]
                )
            if event["type"].removeprefix("roadmap.") in WAITING:
                roadmap = client.get(made["links"]["self"])
                if roadmap["status"] in WAITING:
                    return roadmap
        roadmap = client.get(made["links"]["self"])
        written = roadmap["progress"]
        progress.update(
            bar, completed=written["ready"] + written["failed"], total=written["total"] or 1
        )
        return roadmap
