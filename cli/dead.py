"""`dead`: the messages that were put aside, and what becomes of them."""

from collections.abc import Callable
from functools import partial

import click
from rich.console import Console
from rich.table import Table

from cli.telling import told
from tasks import inspection

console = Console()

queue_option = click.option("--queue", type=click.Choice(list(inspection.QUEUES)), default="content", show_default=True)
all_option = click.option("--all", "every", is_flag=True, help="Every dead letter of the queue.")


@click.group()
def dead() -> None:
    """List, replay or delete the messages that were put aside (dead letters)."""


@dead.command("list")
@queue_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
def list_(queue: str, limit: int) -> None:
    """Show the newest dead letters of a queue with their reasons."""
    letters = told(lambda: inspection.dead_letters(queue, limit))
    if not letters:
        console.print(f"No message of the {queue} queue is put aside.")
        return
    table = Table("id", "put aside", "task", "arguments", "reason")
    for letter in letters:
        table.add_row(letter.id, f"{letter.at:%Y-%m-%d %H:%M:%S}", letter.task, letter.arguments, letter.reason)
    console.print(table, markup=False)


@dead.command()
@click.argument("ids", nargs=-1)
@queue_option
@all_option
def replay(ids: tuple[str, ...], queue: str, every: bool) -> None:
    """Let dead letters be delivered again."""
    count = _each(ids, every, lambda id_: inspection.replay(queue, id_), lambda: inspection.replay_all(queue))
    console.print(f"{count} of the {queue} queue are delivered again.")


@dead.command()
@click.argument("ids", nargs=-1)
@queue_option
@all_option
def delete(ids: tuple[str, ...], queue: str, every: bool) -> None:
    """Delete dead letters for good."""
    count = _each(ids, every, lambda id_: inspection.discard(queue, id_), lambda: inspection.discard_all(queue))
    console.print(f"{count} of the {queue} queue are deleted.")


def _each(ids: tuple[str, ...], every: bool, one: Callable[[str], None], whole: Callable[[], int]) -> int:
    if every == bool(ids):
        raise click.UsageError("Name the ids, which `dead list` shows, or say --all.")
    if every:
        return told(whole)
    for id_ in ids:
        told(partial(one, id_))
    return len(ids)
