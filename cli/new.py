"""`new`: make a roadmap for a goal."""

from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.api_client import ROADMAPS, ApiClient, service_options
from cli.output import CommandFailed, json_option, say
from core.sanitize import plain

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
WELL = ("ready", "awaiting_review")


@click.command("new")
@click.argument("goal")
@click.option(
    "--level",
    type=click.Choice(["beginner", "intermediate", "advanced"]),
    help="What you know already.",
)
@click.option(
    "--hours", "hours_per_week", type=click.IntRange(1, 80), help="Hours for learning, a week."
)
@click.option(
    "--deadline", type=click.DateTime(["%Y-%m-%d"]), help="Day by which it should be reached."
)
@click.option("--language", help="Of the roadmap, as a BCP 47 tag: en, zh, pt-BR.")
@click.option("--resource-language", help="A second language in which resources may be.")
@click.option("--background", help="What you have done so far.")
@click.option("--motivation", help="Why you want this.")
@click.option("--preferences", help="How you like to learn.")
@click.option(
    "--review", is_flag=True, help="Wait for your approval of the plan before contents are written."
)
@click.option("--watch", is_flag=True, help="Show how it is made, and end when it is.")
@service_options
@json_option
def new_command(goal: str, watch: bool, client: ApiClient, as_json: bool, **fields: Any) -> None:
    """Make a roadmap for GOAL. It is made whatever becomes of this command, and only once.

    With --watch it ends with 0 when the roadmap is ready or its plan waits for your approval, and
    with 1 when something of it could not be made.
    """
    asked = {name: value for name, value in fields.items() if value not in (None, False)}
    if asked.get("deadline"):
        asked["deadline"] = asked["deadline"].date().isoformat()
    made = client.post(ROADMAPS, {"goal": goal, **asked})
    if not watch:
        return say(f"It is being made: {client.page_of(made)}", as_json, made)
    roadmap = _watched(client, made)
    title, page = roadmap["title"] or goal, client.page_of(roadmap)
    say(f"{title} is {roadmap['status']}: {page}", as_json, roadmap)
    if roadmap["status"] not in WELL:
        reason = f": {roadmap['error']}" if roadmap["error"] else "."
        raise CommandFailed(plain(f"The roadmap is {roadmap['status']}{reason}"))
    return None


def _watched(client: ApiClient, made: dict[str, Any]) -> dict[str, Any]:
    """Return the tree once it has ended, or waits for approval.

    The bar is drawn on stderr.
    """
    with Progress(*COLUMNS, console=Console(stderr=True), transient=False) as progress:
        bar = progress.add_task("Designing the plan", total=None)
        for event in client.events(made["links"]["events"]):
            data = event["data"]
            if "total" in data and "ready" in data:
                done = data["ready"] + data.get("failed", 0)
                progress.update(
                    bar, description="Writing the contents", completed=done, total=data["total"]
                )
            if event["type"] == "roadmap.awaiting_review":
                roadmap = client.get(made["links"]["self"])
                if roadmap["status"] == "awaiting_review":
                    return roadmap
        roadmap = client.get(made["links"]["self"])
        written = roadmap["progress"]
        progress.update(
            bar, completed=written["ready"] + written["failed"], total=written["total"] or 1
        )
        return roadmap
