"""What the queues and their workers are doing, and what a person does about it.

All of it raises NotFound for an unknown queue, and Unavailable when the broker does not answer.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pkgutil import resolve_name
from typing import TypeVar
from uuid import UUID

from core.errors import Conflict, NotFound, Unavailable
from reliable_queue.queue import ReliableQueue
from reliable_queue.storage import DeadLetter
from roadmap.plan.jobs import Job
from tasks.dispatcher import send
from tasks.message_browser import (
    MessageInfo,
    MessagePage,
    MessageState,
    Running,
    WorkerInfo,
    count_retrying,
    dead,
    find,
    narrowing_words,
    page,
    words_of,
    worker,
)
from tasks.message_browser import found_dead as _found_dead
from tasks.queues import STOPS, content_queue, logs_queue

__all__ = [
    "MOST_SKIPPED",
    "QUEUES",
    "DeadLetterInfo",
    "MessageInfo",
    "MessagePage",
    "MessageState",
    "QueueState",
    "Running",
    "WorkerInfo",
    "dead_letters",
    "discard",
    "discard_all",
    "found_dead",
    "messages",
    "pause",
    "queue_state",
    "queue_states",
    "replay",
    "replay_all",
    "resume",
    "revoke",
    "workers",
]  # fmt: skip

logger = logging.getLogger(__name__)

QUEUES: dict[str, ReliableQueue] = {queue.name: queue for queue in (logs_queue, content_queue)}
AT_ONCE = 500  # dead letters
LONGEST_PAGE = 500  # messages
MOST_SKIPPED = 100_000  # messages before a page
UPKEEP = "{task} runs by the clock and keeps everything else going, so it cannot be revoked."
NOT_STOPPED = {
    "store_log_batch": "Log records are not thrown away, so {task} cannot be revoked; a queue that is paused keeps them."
}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of messages: ready to be claimed, held by a worker, on the schedule, put aside; and of consumers that live.

    `oldest_seconds` is for how long the oldest message has been ready, None: there is none, or none that says when it was
    sent. `retrying` counts those that have failed and wait for another try, None: not asked for, or too many, or too large,
    to be counted.
    """

    name: str
    ready: int
    held: int
    scheduled: int
    dead: int
    oldest_seconds: float | None
    is_paused: bool
    workers: int
    retrying: int | None


@dataclass(frozen=True, slots=True)
class DeadLetterInfo:
    """A dead letter as a person reads it: which task of which queue with which arguments, when and why it was put aside."""

    id: str
    queue: str
    task: str
    arguments: str
    reason: str
    at: datetime


def queue_states(*, with_retrying: bool = False) -> list[QueueState]:
    """One for each queue; those that are tried again are counted when they are asked for, since their messages must be read."""
    return [_ask(partial(_state, with_retrying=with_retrying), queue) for queue in QUEUES.values()]


def queue_state(name: str) -> QueueState:
    return _ask(partial(_state, with_retrying=True), _queue(name))


def messages(
    queue_name: str, state: MessageState, *, search: str = "", limit: int = 50, offset: int = 0
) -> MessagePage:
    """A page of those in that state which have the searched words in their id, task, arguments or reason, in the order in
    which they will run, dead ones the newest first. Raises Invalid for a search that is too long.
    """
    words = words_of(search)
    return _ask(
        partial(page, state=state, words=words, limit=min(limit, LONGEST_PAGE), offset=offset),
        _queue(queue_name),
    )


def workers() -> list[WorkerInfo]:
    """The consumers of all queues, and what each is doing."""
    return [
        worker(queue, member)
        for queue in QUEUES.values()
        for member in _ask(lambda it: it.storage.consumers(), queue)
    ]


def pause(queue_name: str) -> None:
    """Let no worker begin with another message of this queue; what runs is finished. It lasts until `resume`."""
    _ask(lambda queue: queue.pause(), _queue(queue_name))


def resume(queue_name: str) -> None:
    _ask(lambda queue: queue.resume(), _queue(queue_name))


def revoke(queue_name: str, message_id: str) -> None:
    """Let a task that waits or runs not be done, by the id of its message.

    The database is the ledger, so what the task is for is ended there first; a worker that is at it notices with its next
    heartbeat, and saves nothing. Raises NotFound when there is none, Conflict when it is of a kind that must run.
    """
    queue = _queue(queue_name)
    found, is_complete = _ask(partial(find, message_id=message_id), queue)
    if not found and not is_complete:
        raise NotFound(
            f"No message {message_id[:100]} is near the head of the {queue_name} queue, which is too long to be read."
        )
    if not found:
        raise NotFound(
            f"No message {message_id[:100]} waits or runs in the {queue_name} queue; it may be done, or dead."
        )
    steps = _stopped(queue, found[0][1])
    try:  # it is revoked already: a message that stays finds nothing to do
        for state, data in found:
            if state != MessageState.held:
                queue.storage.remove(data)
    except queue.storage.faults as error:
        logger.warning(
            "the message %s is revoked and still there, and will do nothing: %s",
            message_id[:100],
            error,
        )
    try:
        send(steps)
    except content_queue.storage.faults as error:
        logger.warning("%d steps are left to rescue: %s", len(steps), error)


def dead_letters(queue_name: str, limit: int = 100) -> list[DeadLetterInfo]:
    """The newest first. Raises NotFound for an unknown queue, Unavailable when the broker does not answer."""
    queue = _queue(queue_name)
    return [
        _readable(queue, letter)
        for letter in _ask(lambda it: it.storage.dead_letters(limit), queue)
    ]


def replay(queue_name: str, letter_id: str) -> None:
    """Let a dead letter be delivered again. Raises NotFound when there is none of that id, Unavailable."""
    if not _ask(lambda queue: queue.storage.replay(letter_id), _queue(queue_name)):
        raise NotFound(f"There is no dead letter {letter_id} in the {queue_name} queue.")


def discard(queue_name: str, letter_id: str) -> None:
    """Delete a dead letter. Raises NotFound when there is none of that id, Unavailable."""
    if not _ask(lambda queue: queue.storage.discard(letter_id), _queue(queue_name)):
        raise NotFound(f"There is no dead letter {letter_id} in the {queue_name} queue.")


def replay_all(queue_name: str, search: str | None = None, up_to: datetime | None = None) -> int:
    """Let every dead letter that is there now, and has the searched words, be delivered again; says how many they were. Those
    that were put aside after `up_to` are left alone: nobody has seen them.

    Raises Invalid for a search that is too long, or blank.
    """
    return sum(
        _ask(partial(_replay, ids=ids), _queue(queue_name))
        for ids in _all_ids(queue_name, search, up_to)
    )


def discard_all(queue_name: str, search: str | None = None, up_to: datetime | None = None) -> int:
    """Delete every dead letter that is there now, and has the searched words; says how many they were. Likewise with `up_to`.

    Raises Invalid for a search that is too long, or blank.
    """
    return sum(
        _ask(partial(_discard, ids=ids), _queue(queue_name))
        for ids in _all_ids(queue_name, search, up_to)
    )


def found_dead(queue_name: str, search: str | None = None) -> list[tuple[str, datetime]]:
    """The ids of the dead letters that are there now and have the searched words, with when they were put aside, the oldest
    first. Raises Invalid for a search that is too long, or blank.
    """
    return _ask(partial(_found_dead, words=narrowing_words(search)), _queue(queue_name))


def _all_ids(queue_name: str, search: str | None, up_to: datetime | None) -> Iterator[list[str]]:
    """As many at a time as the broker takes in one step."""
    ids = [id_ for id_, at in found_dead(queue_name, search) if up_to is None or at <= up_to]
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _replay(queue: ReliableQueue, *, ids: list[str]) -> int:
    return queue.storage.replay(*ids)


def _discard(queue: ReliableQueue, *, ids: list[str]) -> int:
    return queue.storage.discard(*ids)


def _queue(name: str) -> ReliableQueue:
    if name not in QUEUES:
        raise NotFound(f"There is no queue {name}; there are {' and '.join(QUEUES)}.")
    return QUEUES[name]


def _ask(question: Callable[[ReliableQueue], Result], queue: ReliableQueue) -> Result:
    try:
        return question(queue)
    except queue.storage.faults as error:
        raise Unavailable("The broker does not answer at the moment.", retry_after=2) from error


def _state(queue: ReliableQueue, *, with_retrying: bool) -> QueueState:
    standing, oldest_seconds = queue.standing()
    return QueueState(
        name=queue.name,
        ready=standing.ready,
        held=standing.held,
        scheduled=standing.scheduled,
        dead=standing.dead,
        oldest_seconds=oldest_seconds,
        is_paused=standing.is_paused,
        workers=standing.consumers,
        retrying=count_retrying(queue, standing.ready + standing.scheduled)
        if with_retrying
        else None,
    )


def _stopped(queue: ReliableQueue, data: bytes) -> list[Job]:
    """End the row that the message is for, and return the jobs that follow. Raise Conflict."""
    task = queue.deserialize_task(data)
    if queue is not content_queue or task.name not in STOPS:
        raise Conflict(NOT_STOPPED.get(task.name, UPKEEP).format(task=task.name))
    try:
        row_id = UUID(*task.args)
    except (TypeError, ValueError, AttributeError) as error:
        raise Conflict(
            f"This {task.name} names no row that could be stopped; it will fail by itself."
        ) from error
    jobs: list[Job] = resolve_name(STOPS[task.name])(row_id)
    return jobs


def _readable(queue: ReliableQueue, letter: DeadLetter) -> DeadLetterInfo:
    info = dead(queue, letter)
    return DeadLetterInfo(
        letter.id,
        queue.name,
        info.task,
        info.arguments,
        letter.reason,
        datetime.fromtimestamp(letter.at, UTC),
    )
