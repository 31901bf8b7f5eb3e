"""`migrate`: apply pending migrations."""

import os

import click

from cli.output import json_option, show
from core import migrate as migrations
from core.settings import from_environment


@click.command()
@click.option("--check", is_flag=True, help="List differences only; exit code 1 if there are any.")
@json_option
def migrate_command(check: bool, as_json: bool) -> None:
    """Apply pending migrations, each in its own transaction. The API does the same when it
    starts.
    """
    settings = from_environment(os.environ)
    if check:
        with migrations.connected(settings) as database:
            pending, unknown = migrations.pending(database), migrations.unknown(database)
        named = {"pending": pending, "from a newer version": unknown}
        data = {"pending": pending, "unknown": unknown}
    else:
        named = data = {"applied": migrations.migrate(settings)}
    lines = [f"{what}: {name}" for what, names in named.items() for name in names]
    show(data, as_json, lambda: click.echo("\n".join(lines) or "No migrations pending."))
    raise click.exceptions.Exit(1 if check and lines else 0)
