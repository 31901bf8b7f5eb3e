"""`backup`: write the database to a file."""

import errno
import os
from pathlib import Path

import click

from cli.output import CommandFailed, json_option, show
from core.errors import Unavailable
from core.settings import from_environment
from roadmap.operations import backup as backup_
from roadmap.operations.audit_log import Action, Actor, EntryIfPossible, audited
from tasks.queue_admin import queue_states


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--no-logs", is_flag=True, help="Leave out the execution log, usually most of the rows."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@json_option
def backup(file: Path, no_logs: bool, force: bool, as_json: bool) -> None:
    """Write the whole database to FILE in one snapshot, while the service runs.

    The file contains password hashes and webhook secrets. It contains neither SECRET_KEY nor the
    messages in the queues.
    """
    try:
        waiting = {
            state.name: state.ready + state.held + state.scheduled for state in queue_states()
        }
    except Unavailable:  # the broker does not answer
        waiting = None
    entry = EntryIfPossible(
        audited(Actor.of_command_line(), Action.backup_make, str(file), {"logs": not no_logs})
    )
    try:
        made = backup_.write(
            from_environment(os.environ), file, entry, with_logs=not no_logs, replace=force
        )
    except FileExistsError:
        raise CommandFailed(
            f"{file} already exists. Choose another file, or replace it with --force."
        ) from None
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise CommandFailed(
            f"{file} cannot be written{': not enough space' if is_full else ''} "
            f"({error.strerror}). {'No partial file remains. ' if is_full else ''}"
            "Choose another path."
        ) from None
    show(
        {
            "file": str(file),
            "bytes": made.size,
            "rows": made.rows,
            "left_out": made.left_out,
            "made_at": made.made_at,
            "waiting": waiting,
            "audited": entry.is_written,
        },
        as_json,
        lambda: click.echo(_sentences(file, made, waiting, is_audited=entry.is_written)),
    )


def _sentences(
    file: Path, made: backup_.Summary, waiting: dict[str, int] | None, *, is_audited: bool
) -> str:
    lines = [
        f"Wrote {sum(made.rows.values()):,} rows of {len(made.rows)} tables "
        f"to {file} ({made.size:,} bytes).",
        "Keep this file secret: it contains password hashes and webhook secrets.",
    ]
    if not is_audited:
        lines.append("No audit log entry: the database at DATABASE_URL is read-only.")
    if made.left_out:
        lines.append(f"Left out: {', '.join(made.left_out)}.")
    if waiting is None:
        lines.append(
            "The broker does not respond, so the number of waiting messages is unknown. "
            "They are not in the file."
        )
    elif any(waiting.values()):
        counts = ", ".join(f"{name}: {count:,}" for name, count in waiting.items())
        lines.append(
            f"Waiting messages are not in the file ({counts}). "
            "After a restore only those of the logs queue are lost."
        )
    return "\n".join(lines)
