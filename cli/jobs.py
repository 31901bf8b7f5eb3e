"""`jobs`: queues, their workers and their dead letters."""

from collections.abc import Sequence

import click

from cli.output import json_option, say, show, table
from core.sanitize import plain
from roadmap.operations.audit_log import Action, Actor
from tasks import queue_admin
from tasks.message_browser import MessagePage, MessageState
from tasks.queue_actions import DeadLettersRequest, act_on, act_on_dead
from tasks.queues import QUEUES

QUEUE_NAMES = click.Choice(list(QUEUES))
WAITING = [state for state in MessageState if state is not MessageState.dead]

queue_option = click.option(
    "--queue", type=QUEUE_NAMES, default="content", show_default=True, help="Which of the two."
)
queue_argument = click.argument("queue", type=QUEUE_NAMES)
all_option = click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every dead letter of the queue, or with --search those that match.",
)
search_option = click.option(
    "--search", help="Only those with these words in id, task, arguments or reason."
)
limit_option = click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at most."
)
ids_argument = click.argument("ids", nargs=-1)


@click.group()
def jobs() -> None:
    """See what queues and workers do; retry or delete dead letters, revoke a task, pause a queue.
    Changes are audited.
    """


@jobs.command("list")
@queue_option
@click.option(
    "--state",
    type=click.Choice(WAITING),
    help="Show the messages that are this, instead of counts.",
)
@search_option
@limit_option
@json_option
def list_(queue: str, state: str | None, search: str | None, limit: int, as_json: bool) -> None:
    """Show how much waits in both queues, or with --state the messages of one."""
    if state is None:
        states = queue_admin.queue_states(with_retrying=True)
        columns = "queue", "ready", "oldest", "held", "scheduled", "retrying", "dead", "workers", ""
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
        f"No message of the {queue} queue{_with(search)} is {state}.",
        as_json,
    )


def _with(search: str | None) -> str:
    return f" with '{plain(search)}' in it" if search else ""


def _show_messages(
    page: MessagePage,
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
    none: str,
    as_json: bool,
) -> None:
    """Show messages with a row for each, or that there is none."""

    def human() -> None:
        if rows:
            table(columns, rows, breakable="reason")
        else:
            click.echo(none)
        if page.more or not page.is_complete:
            click.echo(f"There may be more: {page.looked_at:,} messages were looked at.")

    show(page, as_json, human)


@jobs.command()
@json_option
def workers(as_json: bool) -> None:
    """Show the consumers of both queues, when they were heard of last, and what each is doing."""
    found = queue_admin.workers()
    columns = ("queue", "host", "pid", "version", "threads", "heard of", "running")
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
        lambda: table(columns, rows) if rows else click.echo("No consumer is there."),
    )


@jobs.command()
@queue_argument
@json_option
def pause(queue: str, as_json: bool) -> None:
    """Let no worker begin with another message of QUEUE until `resume`; what runs is finished."""
    act_on(Actor.of_command_line(), Action.queue_pause, queue)
    say(f"The {queue} queue is paused.", as_json, {"queue": queue, "is_paused": True})


@jobs.command()
@queue_argument
@json_option
def resume(queue: str, as_json: bool) -> None:
    """Let the workers of QUEUE go on."""
    act_on(Actor.of_command_line(), Action.queue_resume, queue)
    say(f"The {queue} queue goes on.", as_json, {"queue": queue, "is_paused": False})


@jobs.command()
@click.argument("message_id", metavar="ID")
@queue_option
@json_option
def revoke(message_id: str, queue: str, as_json: bool) -> None:
    """Let the task ID, which waits or runs, not be done: the roadmap or the part that it is for is
    ended.
    """
    act_on(Actor.of_command_line(), Action.message_revoke, queue, message_id)
    say(f"The task {message_id} is revoked.", as_json, {"queue": queue, "revoked": message_id})


@jobs.command()
@queue_option
@search_option
@limit_option
@json_option
def dead(queue: str, search: str | None, limit: int, as_json: bool) -> None:
    """Show the newest dead letters of a queue with their reasons: messages that were put aside,
    which nobody tries any more.
    """
    page = queue_admin.messages(queue, MessageState.dead, search=search or "", limit=limit)
    rows = [(each.id, each.at, each.task, each.arguments, each.reason) for each in page.items]
    none = f"No message of the {queue} queue{_with(search)} is put aside."
    _show_messages(page, ("id", "put aside", "task", "arguments", "reason"), rows, none, as_json)


@jobs.command()
@ids_argument
@queue_option
@all_option
@search_option
@json_option
def replay(
    ids: tuple[str, ...], queue: str, every: bool, search: str | None, as_json: bool
) -> None:
    """Let dead letters be delivered again, with all their tries. `retry` is the same."""
    count = _act_on_letters("retry", queue, ids, every=every, search=search)
    say(
        f"{count} of the {queue} queue are delivered again.",
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
    """Delete dead letters for good."""
    count = _act_on_letters("delete", queue, ids, every=every, search=search)
    say(f"{count} of the {queue} queue are deleted.", as_json, {"queue": queue, "deleted": count})


jobs.add_command(replay, "retry")


def _act_on_letters(
    what: str, queue: str, ids: tuple[str, ...], *, every: bool, search: str | None
) -> int:
    """Act on dead letters by id, or on all, and return how many."""
    if every == bool(ids) or (search and not every):
        raise click.UsageError(
            "Name the ids, which `jobs dead` shows, or say --all; --search goes with --all."
        )
    if search is not None and not search.strip():  # an empty variable of a script does not mean all
        raise click.BadParameter(
            "has no words in it; leave it out to mean all", param_hint="--search"
        )
    actor = Actor.of_command_line()
    if every:
        which = DeadLettersRequest.model_construct(search=search, up_to=None)
        return act_on_dead(actor, Action(f"dead.{what}"), queue, which)
    for id_ in ids:
        act_on(actor, Action(f"message.{what}"), queue, id_)
    return len(ids)
