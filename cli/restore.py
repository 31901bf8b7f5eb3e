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
    """Read FILE into the empty database, in one transaction. Stop the services first.

    A backup of an older version is migrated. Backups of embedded mode and of PostgreSQL fit both.
    Unfinished roadmaps continue when the services start.
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
        f"Restored {sum(done.rows.values()):,} rows of {len(done.rows)} tables "
        f"from the backup of {done.made_at}."
    ]
    if done.left_out:
        lines.append(f"Not in the backup: {', '.join(done.left_out)}.")
    if done.migrated:
        lines.append(f"Migrations applied: {', '.join(done.migrated)}.")
    lines.append("Start the services; they continue unfinished roadmaps.")
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
