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
    """Bring the database up to date, each migration in a transaction of its own. The API does the
    same when it starts.
    """
    settings = from_environment(os.environ)
    if check:
        with migrations.connected(settings) as database:
            pending, unknown = migrations.pending(database), migrations.unknown(database)
        named = {"pending": pending, "of a newer version": unknown}
        data = {"pending": pending, "unknown": unknown}
    else:
        named = data = {"applied": migrations.migrate(settings)}
    lines = [f"{what}: {name}" for what, names in named.items() for name in names]
    show(data, as_json, lambda: click.echo("\n".join(lines) or "Nothing is pending."))
    raise click.exceptions.Exit(1 if check and lines else 0)
