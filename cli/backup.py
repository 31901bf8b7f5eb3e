"""`backup`: write the database to a file, a folder or S3-compatible storage."""

import os
from pathlib import Path

import click

from cli.backup_store import NAME_FORMAT, delete_old, new_backup, open_place
from cli.output import CommandFailed, json_option, show
from core import clock
from core.errors import BrokerUnavailable
from core.settings import from_environment
from roadmap.operations import backup as backup_
from roadmap.operations.audit_log import Action, Actor, OptionalEntry, audited
from tasks.queue_admin import queue_states


@click.command()
@click.argument("target")
@click.option(
    "--no-logs", is_flag=True, help="Leave out the execution log, usually most of the rows."
)
@click.option("--force", is_flag=True, help="Replace TARGET if it is a file.")
@click.option(
    "--keep",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Keep the newest N backups named by time, and delete older ones.",
)
@json_option
def backup(target: str, no_logs: bool, force: bool, keep: int | None, as_json: bool) -> None:
    """Write the whole database to TARGET in one snapshot, while the service runs.

    TARGET is a file, or an existing folder or s3://BUCKET/PREFIX, in which the backup gets a name
    such as roadmap-2026-12-02T031500Z.backup, by the time in UTC.

    The file contains password hashes and webhook secrets. It contains neither SECRET_KEY nor the
    messages in the queues.
    """
    is_place = target.startswith("s3://") or Path(target).is_dir()
    if keep and not is_place:
        raise click.UsageError(
            f"--keep needs an existing folder or s3://BUCKET/PREFIX, and {target} is neither."
        )
    folder, name = (target, f"{clock.now():{NAME_FORMAT}}") if is_place else os.path.split(target)
    file = os.path.join(folder, name)
    try:
        waiting = {
            state.name: state.ready + state.held + state.scheduled for state in queue_states()
        }
    except BrokerUnavailable:
        waiting = None
    facts = {"logs": not no_logs} | ({"keep": keep} if keep else {})
    entry = OptionalEntry(audited(Actor.of_command_line(), Action.backup_make, file, facts))
    with new_backup(folder, name, replace=force) as opening:
        made = backup_.write(from_environment(os.environ), opening, entry, with_logs=not no_logs)
    try:
        with open_place(folder) as place:
            deleted = delete_old(place, name, keep) if keep else []
    except (CommandFailed, OSError) as error:
        raise CommandFailed(f"{file} was written, but older backups remain. {error}") from None
    show(
        {
            "file": file,
            "bytes": made.size,
            "rows": made.rows,
            "left_out": made.left_out,
            "made_at": made.made_at,
            "waiting": waiting,
            "deleted": deleted,
            "audited": entry.is_written,
        },
        as_json,
        lambda: click.echo(_sentences(file, made, waiting, deleted, is_audited=entry.is_written)),
    )


def _sentences(
    file: str,
    made: backup_.Summary,
    waiting: dict[str, int] | None,
    deleted: list[str],
    *,
    is_audited: bool,
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
    lines += [f"Deleted the older {each}." for each in deleted]
    return "\n".join(lines)
