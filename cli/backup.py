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
from roadmap.operations.backup import Summary
from tasks.queue_admin import queue_states


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--no-logs", is_flag=True, help="Leave the execution log out, which is most of it.")
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@json_option
def backup(file: Path, no_logs: bool, force: bool, as_json: bool) -> None:
    """Write the whole database to FILE, as it is at this moment, while the service runs.

    The file is for its owner's eyes only: it has hashes of passwords and secrets of webhooks. It
    has neither SECRET_KEY, which is kept elsewhere, nor what waits in the queues: messages for
    roadmaps are made anew after a restore, and log records that are not stored yet are missing from
    it. It fits either kind of database.
    """
    try:
        waiting = {
            state.name: state.ready + state.held + state.scheduled for state in queue_states()
        }
    except Unavailable:  # the broker cannot say
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
            f"{file} is there already; name another file, or say --force to replace it."
        ) from None
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise CommandFailed(
            f"{file} cannot be written{': there is no room for it' if is_full else ''} "
            f"({error.strerror}); name another place."
            f"{' Nothing is left of it.' if is_full else ''}"
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
    file: Path, made: Summary, waiting: dict[str, int] | None, *, is_audited: bool
) -> str:
    lines = [
        f"{sum(made.rows.values()):,} rows of {len(made.rows)} tables "
        f"are in {file} ({made.size:,} bytes).",
        "Keep it as you keep a password: it has hashes of passwords and secrets of webhooks.",
    ]
    if not is_audited:
        lines.append("It is not in the audit log: the database at DATABASE_URL takes no changes.")
    if made.left_out:
        lines.append(f"Left out: {', '.join(made.left_out)}.")
    if waiting is None:
        lines.append(
            "The broker does not answer: how many messages wait there, "
            "which are not in the file, is not known."
        )
    elif any(waiting.values()):
        counts = ", ".join(f"{count:,} of {name}" for name, count in waiting.items())
        lines.append(
            f"Messages that wait in the queues are not in it ({counts}); "
            "only those of logs would be missed."
        )
    return "\n".join(lines)
