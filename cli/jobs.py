"""`jobs`: queues, workers and dead letters."""

from collections.abc import Sequence

import click

from cli.output import json_option, say, show, table
from core.i18n import pluralize
from core.sanitize import plain
from roadmap.operations.audit_log import Action, Actor
from tasks import queue_admin
from tasks.message_browser import MessagePage, MessageState
from tasks.queue_admin import DeadLettersRequest, act_on, act_on_dead
from tasks.queues import QUEUES

QUEUE_NAMES = click.Choice(list(QUEUES))
WAITING = [state for state in MessageState if state is not MessageState.dead]

queue_option = click.option(
    "--queue", type=QUEUE_NAMES, default="content", show_default=True, help="Queue."
)
queue_argument = click.argument("queue", type=QUEUE_NAMES)
all_option = click.option(
    "--all",
    "every",
    is_flag=True,
    help="All dead letters of the queue, or all that --search finds.",
)
search_option = click.option(
    "--search", help="Only messages with these words in id, task, arguments or reason."
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="Maximum number of messages.",
)
ids_argument = click.argument("ids", nargs=-1)


@click.group()
def jobs() -> None:
    """Show queues and workers, pause queues, revoke tasks, and retry or delete dead letters.
    Changes are recorded in the audit log.
    """


@jobs.command("list")
@queue_option
@click.option(
    "--state",
    type=click.Choice(WAITING),
    help="List messages in this state instead of counts.",
)
@search_option
@limit_option
@json_option
def list_(queue: str, state: str | None, search: str | None, limit: int, as_json: bool) -> None:
    """Show the counts of both queues. With --state, list messages of one queue."""
    if state is None:
        states = queue_admin.queue_states(with_retrying=True)
        columns = (
            "queue",
            "ready",
            "oldest",
            "held",
            "scheduled",
            "retrying",
            "dead",
            "workers",
            "state",
        )
        counts = [
            (
                each.name,
                each.ready,
                "" if each.oldest_seconds is None else f"{each.oldest_seconds:.0f} s",
                each.held,
                each.scheduled,
                "not counted" if each.retrying is None else each.retrying,
                each.dead,
                each.workers,
                "paused" if each.is_paused else "",
            )
            for each in states
        ]
        return show(states, as_json, lambda: table(columns, counts))
    page = queue_admin.messages(queue, MessageState(state), search=search or "", limit=limit)
    rows = [
        (
            each.id,
            each.task,
            each.arguments,
            each.due_at or each.at or each.sent_at,
            each.tries_left,
        )
        for each in page.items
    ]
    return _show_messages(
        page,
        ("id", "task", "arguments", "due or since", "tries left"),
        rows,
        f"No {state} messages{_with(search)} in the {queue} queue.",
        as_json,
    )


def _with(search: str | None) -> str:
    return f" with '{plain(search)}'" if search else ""


def _show_messages(
    page: MessagePage,
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
    none: str,
    as_json: bool,
) -> None:
    def human() -> None:
        if rows:
            table(columns, rows, breakable="reason")
        else:
            click.echo(none)
        if page.more or not page.is_complete:
            click.echo(f"There may be more: only {page.looked_at:,} messages were searched.")

    show(page, as_json, human)


@jobs.command()
@json_option
def workers(as_json: bool) -> None:
    """Show consumers, heartbeats and running tasks."""
    found = queue_admin.workers()
    columns = ("queue", "host", "pid", "version", "threads", "last heartbeat", "running")
    rows = [
        (
            each.queue,
            each.host,
            each.pid,
            each.version,
            each.threads,
            each.seen_at or "silent",
            "\n".join(f"{run.task}({run.arguments})" for run in each.running),
        )
        for each in found
    ]
    show(
        found,
        as_json,
        lambda: table(columns, rows) if rows else click.echo("No consumers are running."),
    )


@jobs.command()
@queue_argument
@json_option
def pause(queue: str, as_json: bool) -> None:
    """Pause QUEUE until `resume`. Running tasks are finished."""
    act_on(Actor.of_command_line(), Action.queue_pause, queue)
    say(
        f"The {queue} queue is paused. `roadmap jobs resume {queue}` resumes it.",
        as_json,
        {"queue": queue, "is_paused": True},
    )


@jobs.command()
@queue_argument
@json_option
def resume(queue: str, as_json: bool) -> None:
    """Resume QUEUE."""
    act_on(Actor.of_command_line(), Action.queue_resume, queue)
    say(f"The {queue} queue is resumed.", as_json, {"queue": queue, "is_paused": False})


@jobs.command()
@click.argument("message_id", metavar="ID")
@queue_option
@json_option
def revoke(message_id: str, queue: str, as_json: bool) -> None:
    """Revoke the waiting or running task ID. The roadmap or content it builds is cancelled."""
    act_on(Actor.of_command_line(), Action.message_revoke, queue, message_id)
    say(f"Task {message_id} is revoked.", as_json, {"queue": queue, "revoked": message_id})


@jobs.command()
@queue_option
@search_option
@limit_option
@json_option
def dead(queue: str, search: str | None, limit: int, as_json: bool) -> None:
    """Show the newest dead letters with their reasons."""
    page = queue_admin.messages(queue, MessageState.dead, search=search or "", limit=limit)
    rows = [(each.id, each.at, each.task, each.arguments, each.reason) for each in page.items]
    none = f"No dead letters{_with(search)} in the {queue} queue."
    _show_messages(page, ("id", "failed at", "task", "arguments", "reason"), rows, none, as_json)


@jobs.command()
@ids_argument
@queue_option
@all_option
@search_option
@json_option
def replay(
    ids: tuple[str, ...], queue: str, every: bool, search: str | None, as_json: bool
) -> None:
    """Put dead letters back into their queue. They have all retries again."""
    count = _act_on_letters("retry", queue, ids, every=every, search=search)
    say(
        f"Replayed {pluralize(count, 'dead letter')} of the {queue} queue.",
        as_json,
        {"queue": queue, "replayed": count},
    )


@jobs.command()
@ids_argument
@queue_option
@all_option
@search_option
@json_option
def delete(
    ids: tuple[str, ...], queue: str, every: bool, search: str | None, as_json: bool
) -> None:
    """Delete dead letters permanently."""
    count = _act_on_letters("delete", queue, ids, every=every, search=search)
    say(
        f"Deleted {pluralize(count, 'dead letter')} of the {queue} queue.",
        as_json,
        {"queue": queue, "deleted": count},
    )


jobs.add_command(replay, "retry")


def _act_on_letters(
    what: str, queue: str, ids: tuple[str, ...], *, every: bool, search: str | None
) -> int:
    """Act on dead letters, by id or all, and return their number."""
    if every == bool(ids) or (search and not every):
        raise click.UsageError("Give ids (see `roadmap jobs dead`) or --all. --search needs --all.")
    # An empty variable of a script must not select all
    if search is not None and not search.strip():
        raise click.BadParameter("must not be empty. Omit it to select all.", param_hint="--search")
    actor = Actor.of_command_line()
    if every:
        which = DeadLettersRequest.model_construct(search=search, up_to=None)
        return act_on_dead(actor, Action(f"dead.{what}"), queue, which)
    for id_ in ids:
        act_on(actor, Action(f"message.{what}"), queue, id_)
    return len(ids)
