"""`migrate`: bring the schema up to date."""

import os

import click

from cli.output import json_option, show
from core import migrate as migrations
from core.settings import from_environment


@click.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; ends with 1 when a migration is pending."
)
@json_option
def migrate_command(check: bool, as_json: bool) -> None:
    """Bring the database up to date, each migration in a transaction of its own. The API does the same when it starts."""
    settings = from_environment(os.environ)
    if check:
        with migrations.connected(settings) as database:
            pending, unknown = migrations.pending(database), migrations.unknown(database)
        told = {"pending": pending, "unknown": unknown}
        lines = [
            *(f"pending: {name}" for name in pending),
            *(f"of a newer version: {name}" for name in unknown),
        ]
        show(told, as_json, lambda: click.echo("\n".join(lines) or "Nothing is pending."))
        raise click.exceptions.Exit(1 if pending or unknown else 0)
    applied = migrations.migrate(settings)
    show(
        {"applied": applied},
        as_json,
        lambda: click.echo(
            "\n".join(f"applied: {name}" for name in applied) or "Nothing is pending."
        ),
    )
