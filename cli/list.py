"""`list`: one's roadmaps."""

import click

from cli.api_client import ROADMAPS, ApiClient, service_options
from cli.output import json_option, show, table

STATUSES = (
    "queued",
    "planning",
    "awaiting_review",
    "building",
    "ready",
    "partial",
    "failed",
    "cancelled",
)


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that are this.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@service_options
@json_option
def list_command(status: str | None, limit: int, client: ApiClient, as_json: bool) -> None:
    """Show your roadmaps, the newest first."""
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
            table(("id", "status", "written", "title"), rows, breakable="title")
            if rows
            else click.echo("There is no roadmap yet.")
        ),
    )
