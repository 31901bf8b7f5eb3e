"""What the queues are doing, and what to do with messages that were put aside."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from huey.exceptions import HueyException

from core.errors import NotFound, Unavailable
from delivery.messages import UnreadableMessage
from delivery.queue import ReliableQueue
from delivery.storage import DEAD_LETTERS_KEPT, DeadLetter
from tasks.queues import content_queue, logs_queue

QUEUES: dict[str, ReliableQueue] = {queue.name: queue for queue in (logs_queue, content_queue)}
AT_ONCE = 500  # dead letters
LONGEST_ARGUMENTS = 200  # characters


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of messages: ready to be claimed, held by a worker, on the schedule, put aside."""

    name: str
    ready: int
    held: int
    scheduled: int
    dead: int


@dataclass(frozen=True, slots=True)
class PutAside:
    """A dead letter as a person reads it: which task of which queue with which arguments, when and why it was put aside."""

    id: str
    queue: str
    task: str
    arguments: str
    reason: str
    at: datetime


def queue_states() -> list[QueueState]:
    """One for each queue. Raises Unavailable when the broker does not answer."""
    return [_ask(_state, queue) for queue in QUEUES.values()]


def dead_letters(queue_name: str, limit: int = 100) -> list[PutAside]:
    """The newest first. Raises NotFound for an unknown queue, Unavailable when the broker does not answer."""
    queue = _queue(queue_name)
    return [_readable(queue, letter) for letter in _ask(lambda it: it.storage.dead_letters(limit), queue)]


def replay(queue_name: str, letter_id: str) -> None:
    """Let a dead letter be delivered again. Raises NotFound when there is none of that id, Unavailable."""
    if not _ask(lambda queue: queue.storage.replay(letter_id), _queue(queue_name)):
        raise NotFound(f"There is no dead letter {letter_id} in the {queue_name} queue.")


def discard(queue_name: str, letter_id: str) -> None:
    """Delete a dead letter. Raises NotFound when there is none of that id, Unavailable."""
    if not _ask(lambda queue: queue.storage.discard(letter_id), _queue(queue_name)):
        raise NotFound(f"There is no dead letter {letter_id} in the {queue_name} queue.")


def replay_all(queue_name: str) -> int:
    """Let every dead letter that is there now be delivered again; says how many they were."""
    return sum(_ask(lambda queue, ids=ids: queue.storage.replay(*ids), _queue(queue_name)) for ids in _all_ids(queue_name))


def discard_all(queue_name: str) -> int:
    """Delete every dead letter that is there now; says how many they were."""
    return sum(_ask(lambda queue, ids=ids: queue.storage.discard(*ids), _queue(queue_name)) for ids in _all_ids(queue_name))


def _all_ids(queue_name: str) -> Iterator[list[str]]:
    """Of the dead letters, the oldest first, as many at a time as the broker takes in one step."""
    letters = _ask(lambda queue: queue.storage.dead_letters(DEAD_LETTERS_KEPT), _queue(queue_name))
    ids = [letter.id for letter in reversed(letters)]
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _queue(name: str) -> ReliableQueue:
    if name not in QUEUES:
        raise NotFound(f"There is no queue {name}; there are {' and '.join(QUEUES)}.")
    return QUEUES[name]


def _ask(question: Any, queue: ReliableQueue) -> Any:
    try:
        return question(queue)
    except queue.storage.faults as error:
        raise Unavailable("The broker does not answer at the moment.", retry_after=2) from error


def _state(queue: ReliableQueue) -> QueueState:
    return QueueState(
        name=queue.name,
        ready=queue.pending_count(),
        held=queue.storage.held_count(),
        scheduled=queue.scheduled_count(),
        dead=queue.storage.dead_count(),
    )


def _readable(queue: ReliableQueue, letter: DeadLetter) -> PutAside:
    try:
        task = queue.deserialize_task(letter.data)
        name, arguments = task.name, ", ".join(repr(argument) for argument in task.args)
    except (UnreadableMessage, HueyException):  # why it was put aside, most likely
        name, arguments = "(unreadable)", repr(letter.data[:LONGEST_ARGUMENTS])
    at = datetime.fromtimestamp(letter.at, UTC)
    return PutAside(letter.id, queue.name, name, arguments[:LONGEST_ARGUMENTS], letter.reason, at)
