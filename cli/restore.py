"""`restore`: read a backup into an empty database."""

import os
from pathlib import Path

import click

from cli.output import CommandFailed, json_option, show
from core.backup_format import NotABackup
from core.settings import from_environment
from roadmap.operations import backup


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Put the rows of FILE into the database, which must be empty, while no service runs on it.

    The file is read to its end before anything is changed, and everything is one transaction. A
    backup of an older version is brought up to this one, and one of embedded mode fits PostgreSQL
    as well as the other way round. What was being made goes on when the services start; unless they
    have the SECRET_KEY of then, everybody logs in again.
    """
    try:
        done = backup.restore(from_environment(os.environ), file)
    except NotABackup as error:
        raise CommandFailed(f"{file} cannot be restored: {error}. Nothing was changed.") from None
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be read ({error.strerror}). Nothing was changed."
        ) from None
    lines = [
        f"{sum(done.rows.values()):,} rows of {len(done.rows)} tables are back, "
        f"as they were at {done.made_at}."
    ]
    if done.left_out:
        lines.append(f"The backup was made without {', '.join(done.left_out)}.")
    if done.migrated:
        lines.append(f"Migrated since: {', '.join(done.migrated)}.")
    lines.append("Start the services: what was being made goes on.")
    show(
        {
            "file": str(file),
            "rows": done.rows,
            "left_out": done.left_out,
            "made_at": done.made_at,
            "migrated": done.migrated,
        },
        as_json,
        lambda: click.echo("\n".join(lines)),
    )
