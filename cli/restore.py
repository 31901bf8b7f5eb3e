"""`restore`: read a backup into an empty database."""

import os

import click

from cli.backup_store import local_file
from cli.output import CommandFailed, json_option, show
from core.backup_format import NotABackup
from core.settings import from_environment
from roadmap.operations import backup


@click.command()
@click.argument("file")
@json_option
def restore(file: str, as_json: bool) -> None:
    """Read FILE into the empty database, in one transaction. Stop the services first.

    FILE may be s3://BUCKET/PREFIX/NAME, or s3://BUCKET/PREFIX/ for the latest there.

    A backup of an older version is migrated. Backups of embedded mode and of PostgreSQL fit both.
    Unfinished roadmaps continue when the services start.
    """
    try:
        with local_file(file) as (file, path):  # noqa: PLR1704 -- its full address
            done = backup.restore(from_environment(os.environ), path)
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
            "file": file,
            "rows": done.rows,
            "left_out": done.left_out,
            "made_at": done.made_at,
            "migrated": done.migrated,
        },
        as_json,
        lambda: click.echo("\n".join(lines)),
    )
