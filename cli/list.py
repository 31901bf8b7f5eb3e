"""`list`: the roadmaps of the caller."""

import click

from cli.api_client import service_options
from cli.output import STATUSES, json_option, show, table
from roadmap_client import ROADMAPS, RoadmapClient


@click.command("list")
@click.option("--status", type=click.Choice(list(STATUSES)), help="Only roadmaps with this status.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Maximum number of roadmaps.",
)
@service_options
@json_option
def list_command(status: str | None, limit: int, client: RoadmapClient, as_json: bool) -> None:
    """List your roadmaps, newest first."""
    found = list(client.pages(ROADMAPS + (f"?status={status}" if status else ""), limit))
    rows = [
        (
            each["id"],
            each["status"],
            f"{each['progress']['ready']}/{each['progress']['total']}",
            each["title"] or each["goal"],
        )
        for each in found
    ]
    show(
        found,
        as_json,
        lambda: (
            table(("id", "status", "contents", "title"), rows, breakable="title")
            if rows
            else click.echo(f"No roadmaps with status {status}." if status else "No roadmaps yet.")
        ),
    )
