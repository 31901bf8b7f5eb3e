"""`jobs`: what the queues are doing, and what becomes of messages that were put aside."""

from collections.abc import Callable
from typing import Any

import click

from cli.telling import json_option, say, show, table
from roadmap.audit import Actor, audited
from tasks import inspection

queue_option = click.option(
    "--queue", type=click.Choice(list(inspection.QUEUES)), default="content", show_default=True, help="Which of the two."
)
all_option = click.option("--all", "every", is_flag=True, help="Every dead letter of the queue.")
limit_option = click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
ids_argument = click.argument("ids", nargs=-1)


@click.group()
def jobs() -> None:
    """See what the queues do; look at dead letters, replay or delete them."""


@jobs.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show both queues: how many messages wait, are held by a worker, are for later, and were put aside."""
    states = inspection.queue_states()
    rows = [(each.name, each.ready, each.held, each.scheduled, each.dead) for each in states]
    show(states, as_json, lambda: table(("queue", "ready", "held", "scheduled", "dead"), rows))


@jobs.command()
@queue_option
@limit_option
@json_option
def dead(queue: str, limit: int, as_json: bool) -> None:
    """Show the newest dead letters of a queue with their reasons."""
    letters = inspection.dead_letters(queue, limit)
    rows = [(each.id, each.at, each.task, each.arguments, each.reason) for each in letters]

    def human() -> None:
        if rows:
            table(("id", "put aside", "task", "arguments", "reason"), rows)
        else:
            click.echo(f"No message of the {queue} queue is put aside.")

    show(letters, as_json, human)


@jobs.command()
@ids_argument
@queue_option
@all_option
@json_option
def replay(ids: tuple[str, ...], queue: str, every: bool, as_json: bool) -> None:
    """Let dead letters be delivered again, with all their tries."""
    count = _each("replay", queue, ids, every=every, one=inspection.replay, whole=inspection.replay_all)
    say(f"{count} of the {queue} queue are delivered again.", as_json, {"queue": queue, "replayed": count})


@jobs.command()
@ids_argument
@queue_option
@all_option
@json_option
def delete(ids: tuple[str, ...], queue: str, every: bool, as_json: bool) -> None:
    """Delete dead letters for good."""
    count = _each("delete", queue, ids, every=every, one=inspection.discard, whole=inspection.discard_all)
    say(f"{count} of the {queue} queue are deleted.", as_json, {"queue": queue, "deleted": count})


def _each(
    what: str, queue: str, ids: tuple[str, ...], *, every: bool, one: Callable[[str, str], Any], whole: Callable[[str], int]
) -> int:
    if every == bool(ids):
        raise click.UsageError("Name the ids, which `jobs dead` shows, or say --all.")
    if every:
        with audited(Actor.of_command_line(), f"queue.{what}_all", queue) as act:
            act.found["count"] = count = whole(queue)
        return count
    for id_ in ids:
        with audited(Actor.of_command_line(), f"queue.{what}", queue, {"message": id_}):
            one(queue, id_)
    return len(ids)


@click.group("dead", hidden=True)
def dead_alias() -> None:
    """As it was called before `jobs`: list, replay or delete dead letters."""


dead_alias.add_command(dead, "list")
dead_alias.add_command(replay)
dead_alias.add_command(delete)
