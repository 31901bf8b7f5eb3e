"""State of the queues and their workers, and what an operator can do about it.

All functions raise NotFound for an unknown queue, and BrokerUnavailable when the broker is away.
`act_on` and `act_on_dead` write an entry in the audit log.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from core.errors import BrokerUnavailable, Conflict, NotFound
from core.json_types import LazyModel
from core.sanitize import CLEAN, Rule, validate_printable
from reliable_queue.queue import ReliableQueue
from roadmap.operations.audit_log import Action, Actor, audited
from tasks.dispatcher import enqueue
from tasks.message_browser import (
    LONGEST_SEARCH,
    MessagePage,
    MessageState,
    WorkerInfo,
    count_retrying,
    find,
    narrowing_words,
    page,
    words_of,
    worker,
)
from tasks.message_browser import found_dead as _found_dead
from tasks.queues import QUEUES, STOPS

logger = logging.getLogger(__name__)

AT_ONCE = 500  # dead letters
LONGEST_PAGE = 500  # messages
MOST_SKIPPED = 100_000  # messages before a page
STOPPED = "Stopped by an operator."
UPKEEP = "{task} is a periodic task that the service depends on. It cannot be revoked."
NOT_STOPPED = {
    "store_log_batch": (
        "{task} writes log records, which must not be lost. It cannot be revoked. Pause "
        "the queue to keep its messages."
    )
}
Result = TypeVar("Result")


class QueueCounts(LazyModel):
    """Messages of a queue by state, its delay and its live consumers."""

    name: str = Field(description="`content`, which builds roadmaps, or `logs`.")
    ready: int = Field(description="Messages that are ready to run.")
    scheduled: int = Field(description="Messages scheduled for later, including retries.")
    retrying: int | None = Field(
        description=("Ready or scheduled messages after a failed attempt; null: too many to count.")
    )
    dead: int = Field(description="Dead letters: messages that failed too often.")
    oldest_seconds: float | None = Field(description="Age of the oldest ready message in seconds.")
    is_paused: bool = Field(description="Whether the queue is paused.")
    workers: int = Field(description="Live consumers of the queue.")


class QueueState(QueueCounts):
    """`retrying` is also None when it was not asked for; `oldest_seconds` without a known age."""

    held: int


def _narrowing(given: str) -> str:
    if given.strip():
        return validate_printable(given)
    raise ValueError("contains no words: omit it to select all")


_ANY = CLEAN.pattern.removeprefix("^").removesuffix("*$")  # one character of such a text
_BLANK, _WORD = (_ANY.replace("[^", rf"[^{others}") for others in (r"\S", r"\s"))
# No lookahead: programs that generate examples from patterns do not support it.
NARROWING = Rule(_narrowing, f"^{_BLANK}*{_WORD}{_ANY}*$")


class DeadLettersRequest(LazyModel, extra="forbid"):
    """Selection of dead letters: all, or those that match."""

    search: Annotated[str, Field(max_length=LONGEST_SEARCH), NARROWING] | None = Field(
        None,
        description=(
            "Only messages with this text in ID, task, arguments or reason, ignoring case."
        ),
    )
    up_to: AwareDatetime | None = Field(
        None,
        description=(
            "Only dead letters up to this time, such as the `at` of the newest one that "
            "you have seen."
        ),
    )


def check_brokers() -> None:
    """Raise BrokerUnavailable when a queue does not answer."""
    for queue in QUEUES.values():
        _ask(ReliableQueue.pending_count, queue)


def queue_states(*, with_retrying: bool = False) -> list[QueueState]:
    """Return one for each queue; counting retries reads messages, so only on request."""
    return [_ask(partial(_state, with_retrying=with_retrying), queue) for queue in QUEUES.values()]


def queue_state(name: str) -> QueueState:
    return _ask(partial(_state, with_retrying=True), _queue(name))


def messages(
    queue_name: str, state: MessageState, *, search: str = "", limit: int = 50, offset: int = 0
) -> MessagePage:
    """Return a page of the messages in a state with these words in id, task, arguments or reason.

    They come in the order in which they will run, dead letters newest first. Raises Invalid for a
    search that is too long.
    """
    words = words_of(search)
    return _ask(
        partial(page, state=state, words=words, limit=min(limit, LONGEST_PAGE), offset=offset),
        _queue(queue_name),
    )


def workers() -> list[WorkerInfo]:
    """Return the consumers of all queues with what each is doing."""
    return [
        worker(queue, member)
        for queue in QUEUES.values()
        for member in _ask(lambda it: it.storage.consumers(), queue)
    ]


def pause(queue_name: str) -> None:
    """Stop claiming messages of this queue until `resume`; tasks that run are finished."""
    _ask(lambda queue: queue.pause(), _queue(queue_name))


def resume(queue_name: str) -> None:
    _ask(lambda queue: queue.resume(), _queue(queue_name))


def revoke(queue_name: str, message_id: str) -> None:
    """Revoke a task that waits or runs, by the id of its message.

    The row of the task is ended first; a worker that runs it notices with its next heartbeat, and
    saves nothing. Raises NotFound without such a message, Conflict for tasks that must run.
    """
    queue = _queue(queue_name)
    found, is_complete = _ask(partial(find, message_id=message_id), queue)
    if not found and not is_complete:
        raise NotFound(
            f"Message {message_id[:100]} is not near the head of the {queue_name} queue, "
            "and the queue is too long to search all of it."
        )
    if not found:
        raise NotFound(
            f"Message {message_id[:100]} is neither waiting nor running in the "
            f"{queue_name} queue. It may be done, or a dead letter."
        )
    task = queue.deserialize_task(found[0][1])
    if (stop := STOPS.get(task.name)) is None:
        raise Conflict(NOT_STOPPED.get(task.name, UPKEEP).format(task=task.name))
    try:
        row_id = UUID(*task.args)
    except (TypeError, ValueError, AttributeError) as error:
        raise Conflict(
            f"This {task.name} names no row to cancel. It will fail by itself."
        ) from error
    jobs = stop(row_id, STOPPED)
    try:  # it is revoked already: a message that stays finds nothing to do
        for state, data in found:
            if state != MessageState.held:
                queue.storage.remove(data)
    except queue.storage.faults as error:
        logger.warning(
            "the revoked message %s could not be removed; it will have no effect: %s",
            message_id[:100],
            error,
        )
    try:
        enqueue(jobs)
    except queue.storage.faults as error:
        logger.warning("%d jobs are left to rescue: %s", len(jobs), error)


def replay(queue_name: str, letter_id: str) -> None:
    """Deliver a dead letter again. Raises NotFound, BrokerUnavailable."""
    if not _ask(lambda queue: queue.storage.replay(letter_id), _queue(queue_name)):
        raise NotFound(f"The {queue_name} queue has no dead letter {letter_id}.")


def discard(queue_name: str, letter_id: str) -> None:
    """Delete a dead letter. Raises NotFound, BrokerUnavailable."""
    if not _ask(lambda queue: queue.storage.discard(letter_id), _queue(queue_name)):
        raise NotFound(f"The {queue_name} queue has no dead letter {letter_id}.")


def replay_all(queue_name: str, search: str | None = None, up_to: datetime | None = None) -> int:
    """Replay every dead letter that is there now and matches, and return how many.

    Those that died after `up_to` are left alone: the caller has not seen them. Raises Invalid for
    a search that is too long, or blank.
    """
    found = _all_ids(queue_name, search, up_to)
    return _ask(lambda it: sum(it.storage.replay(*ids) for ids in found), _queue(queue_name))


def discard_all(queue_name: str, search: str | None = None, up_to: datetime | None = None) -> int:
    """Delete every dead letter that is there now and matches, as `replay_all` chooses them."""
    found = _all_ids(queue_name, search, up_to)
    return _ask(lambda it: sum(it.storage.discard(*ids) for ids in found), _queue(queue_name))


def found_dead(queue_name: str, search: str | None = None) -> list[tuple[str, datetime]]:
    """Return the dead letters that are there now and match, oldest first, with when they died.

    Raises Invalid for a search that is too long, or blank.
    """
    return _ask(partial(_found_dead, words=narrowing_words(search)), _queue(queue_name))


ACTS: Mapping[Action, Callable[..., Any]] = {
    Action.queue_pause: pause,
    Action.queue_resume: resume,
    Action.message_retry: replay,
    Action.message_delete: discard,
    Action.message_revoke: revoke,
    Action.dead_retry: replay_all,
    Action.dead_delete: discard_all,
}


def act_on(actor: Actor, action: Action, queue: str, *message: str) -> None:
    """Act on a queue or a message. Raise Conflict when it cannot be revoked."""
    with audited(actor, action, "/".join((queue, *message))):
        ACTS[action](queue, *message)


def act_on_dead(actor: Actor, action: Action, queue: str, which: DeadLettersRequest) -> int:
    """Retry or delete several dead letters, and return how many."""
    with audited(actor, action, queue, which.model_dump(mode="json", exclude_none=True)) as entry:
        entry.found["count"] = count = int(ACTS[action](queue, which.search, which.up_to))
    return count


def _all_ids(queue_name: str, search: str | None, up_to: datetime | None) -> Iterator[list[str]]:
    """Yield ids in batches of the size that the broker takes in one step."""
    ids = [id_ for id_, at in found_dead(queue_name, search) if up_to is None or at <= up_to]
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _queue(name: str) -> ReliableQueue:
    if name not in QUEUES:
        raise NotFound(f"The queue {name} does not exist. The queues are {' and '.join(QUEUES)}.")
    return QUEUES[name]


def _ask(question: Callable[[ReliableQueue], Result], queue: ReliableQueue) -> Result:
    try:
        return question(queue)
    except queue.storage.faults as error:
        raise BrokerUnavailable(
            "The broker does not respond. Try again later.", retry_after=2
        ) from error


def _state(queue: ReliableQueue, *, with_retrying: bool) -> QueueState:
    stats, oldest_seconds = queue.stats()
    return QueueState(
        name=queue.name,
        ready=stats.ready,
        held=stats.held,
        scheduled=stats.scheduled,
        dead=stats.dead,
        oldest_seconds=oldest_seconds,
        is_paused=stats.is_paused,
        workers=stats.consumers,
        retrying=count_retrying(queue, stats.ready + stats.scheduled) if with_retrying else None,
    )
