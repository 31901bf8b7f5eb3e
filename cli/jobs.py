"""`jobs`: what the queues and their workers are doing, and what a person does about it."""

from collections.abc import Callable
from typing import Any

import click

from cli.output import json_option, say, show, table
from core.sanitize import plain
from roadmap.operations.audit_log import Action, Actor, audited
from tasks import queue_admin
from tasks.message_browser import MessagePage, MessageState

QUEUES = click.Choice(list(queue_admin.QUEUES))
WAITING = [state for state in MessageState if state is not MessageState.dead]

queue_option = click.option(
    "--queue", type=QUEUES, default="content", show_default=True, help="Which of the two."
)
queue_argument = click.argument("queue", type=QUEUES)
all_option = click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every dead letter of the queue, or with --search those that match.",
)
ONLY = "Only those with these words in id, task, arguments or reason."
search_option = click.option("--search", default="", help=ONLY)
narrowing_option = click.option("--search", help=ONLY)
limit_option = click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at most."
)
ids_argument = click.argument("ids", nargs=-1)


@click.group()
def jobs() -> None:
    """See what queues and workers do; retry or delete dead letters, revoke a task, pause a queue. Changes are audited."""


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
def list_(queue: str, state: str | None, search: str, limit: int, as_json: bool) -> None:
    """Show how much waits in both queues, or with --state the messages of one."""
    if state is None:
        return _overview(as_json)
    page = queue_admin.messages(queue, MessageState(state), search=search, limit=limit)
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

    def human() -> None:
        if rows:
            table(("id", "task", "arguments", "due or since", "tries left"), rows)
        else:
            click.echo(f"No message of the {queue} queue{_with(search)} is {state}.")
        _tell_whether_all(page)

    return show(page, as_json, human)


def _with(search: str) -> str:
    return f" with '{plain(search)}' in it" if search else ""


def _tell_whether_all(page: MessagePage) -> None:
    if page.more or not page.is_complete:
        click.echo(f"There may be more: {page.looked_at:,} messages were looked at.")


def _overview(as_json: bool) -> None:
    states = queue_admin.queue_states(with_retrying=True)
    columns = ("queue", "ready", "oldest", "held", "scheduled", "retrying", "dead", "workers", "")
    rows = [
        (
            each.name,
            each.ready,
            "" if each.oldest_seconds is None else f"{each.oldest_seconds:.0f} s",
            *(
                each.held,
                each.scheduled,
                "not counted" if each.retrying is None else each.retrying,
                each.dead,
                each.workers,
            ),
            "paused" if each.is_paused else "",
        )
        for each in states
    ]
    show(states, as_json, lambda: table(columns, rows))


@jobs.command()
@json_option
def workers(as_json: bool) -> None:
    """Show the consumers of both queues, when they were heard of last, and what each is doing."""
    found = queue_admin.workers()
    columns = ("queue", "host", "pid", "version", "threads", "heard of", "running")
    rows = [
        (
            *(
                each.queue,
                each.host,
                each.pid,
                each.version,
                each.threads,
                each.seen_at or "silent",
            ),
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
    with audited(Actor.of_command_line(), Action.queue_pause, queue):
        queue_admin.pause(queue)
    say(f"The {queue} queue is paused.", as_json, {"queue": queue, "is_paused": True})


@jobs.command()
@queue_argument
@json_option
def resume(queue: str, as_json: bool) -> None:
    """Let the workers of QUEUE go on."""
    with audited(Actor.of_command_line(), Action.queue_resume, queue):
        queue_admin.resume(queue)
    say(f"The {queue} queue goes on.", as_json, {"queue": queue, "is_paused": False})


@jobs.command()
@click.argument("message_id", metavar="ID")
@queue_option
@json_option
def revoke(message_id: str, queue: str, as_json: bool) -> None:
    """Let the task ID, which waits or runs, not be done: the roadmap or the part that it is for is ended."""
    with audited(Actor.of_command_line(), Action.message_revoke, f"{queue}/{message_id}"):
        queue_admin.revoke(queue, message_id)
    say(f"The task {message_id} is revoked.", as_json, {"queue": queue, "revoked": message_id})


@jobs.command()
@queue_option
@search_option
@limit_option
@json_option
def dead(queue: str, search: str, limit: int, as_json: bool) -> None:
    """Show the newest dead letters of a queue with their reasons: messages that were put aside, which nobody tries any more."""
    page = queue_admin.messages(queue, MessageState.dead, search=search, limit=limit)
    rows = [(each.id, each.at, each.task, each.arguments, each.reason) for each in page.items]

    def human() -> None:
        if rows:
            table(("id", "put aside", "task", "arguments", "reason"), rows, breakable="reason")
        else:
            click.echo(f"No message of the {queue} queue{_with(search)} is put aside.")
        _tell_whether_all(page)

    show(page, as_json, human)


@jobs.command()
@ids_argument
@queue_option
@all_option
@narrowing_option
@json_option
def replay(
    ids: tuple[str, ...], queue: str, every: bool, search: str | None, as_json: bool
) -> None:
    """Let dead letters be delivered again, with all their tries. `retry` is the same."""
    count = _each(
        "retry",
        queue,
        ids,
        every=every,
        search=search,
        one=queue_admin.replay,
        whole=queue_admin.replay_all,
    )
    say(
        f"{count} of the {queue} queue are delivered again.",
        as_json,
        {"queue": queue, "replayed": count},
    )


@jobs.command()
@ids_argument
@queue_option
@all_option
@narrowing_option
@json_option
def delete(
    ids: tuple[str, ...], queue: str, every: bool, search: str | None, as_json: bool
) -> None:
    """Delete dead letters for good."""
    count = _each(
        "delete",
        queue,
        ids,
        every=every,
        search=search,
        one=queue_admin.discard,
        whole=queue_admin.discard_all,
    )
    say(f"{count} of the {queue} queue are deleted.", as_json, {"queue": queue, "deleted": count})


jobs.add_command(replay, "retry")


def _each(
    what: str,
    queue: str,
    ids: tuple[str, ...],
    *,
    every: bool,
    search: str | None,
    one: Callable[[str, str], Any],
    whole: Callable[[str, str | None], int],
) -> int:
    if every == bool(ids) or (search and not every):
        raise click.UsageError(
            "Name the ids, which `jobs dead` shows, or say --all; --search goes with --all."
        )
    if (
        search is not None and not search.strip()
    ):  # a variable of a script that is empty does not mean all
        raise click.BadParameter(
            "has no words in it; leave it out to mean all", param_hint="--search"
        )
    if every:
        narrowed = {"search": search} if search else {}
        with audited(Actor.of_command_line(), Action(f"dead.{what}"), queue, narrowed) as act:
            act.found["count"] = count = whole(queue, search)
        return count
    for id_ in ids:
        with audited(Actor.of_command_line(), Action(f"message.{what}"), f"{queue}/{id_}"):
            one(queue, id_)
    return len(ids)
