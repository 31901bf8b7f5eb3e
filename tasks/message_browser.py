"""Messages and workers as a person reads them: listed, searched, found by their ids.

Lists are read from their beginning, up to MOST_LOOKED_AT messages or MOST_BYTES of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha1
from reprlib import Repr
from typing import Any, TypeVar

from huey.api import Task
from huey.exceptions import HueyException
from pydantic import Field, ValidationError

from core.errors import FieldError, Invalid
from core.json_types import LazyModel
from reliable_queue.messages import UnreadableMessage
from reliable_queue.queue import ReliableQueue
from reliable_queue.storage import ConsumerInfo, DeadLetter

# Messages of the first look at the broker, and of one at most: a batch of logs may have 100 kB.
FIRST_LOOK, CHUNK = 25, 200
MOST_LOOKED_AT = 10_000  # messages
MOST_BYTES = 64 * 1024 * 1024
MOST_RETRYING = 1000  # messages among which retries are counted
MOST_RETRYING_BYTES = 2 * 1024 * 1024  # of them: an open dashboard counts every two seconds
LONGEST_SEARCH = 200  # characters
LONGEST_ARGUMENTS = 200  # characters
LONGEST_ID = 100  # bytes
UNREADABLE = "(unreadable)"
Item = TypeVar("Item")

short = Repr()
short.maxstring = short.maxother = LONGEST_ARGUMENTS
short.maxlevel = 3


class MessageState(StrEnum):
    """State of a message. A retrying one is also ready or scheduled."""

    ready = "ready"
    held = "held"
    scheduled = "scheduled"
    retrying = "retrying"
    dead = "dead"


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A message as a person reads it.

    `id` is that of its task, or of the dead letter. `sent_at` is None for messages of old versions.
    `due_at` is set on the schedule. `tries_left` counts the try that runs. `worker` holds it.
    `reason` is why it became a dead letter. `at` is since when it is ready, runs, or is dead.
    """

    id: str
    queue: str
    state: MessageState
    task: str
    arguments: str
    sent_at: datetime | None = None
    due_at: datetime | None = None
    tries_left: int | None = None
    worker: str | None = None
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A page of messages, for which `looked_at` were read; unless `is_complete`, more may match."""

    items: list[MessageInfo]
    more: bool
    looked_at: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Running:
    """A message that a worker holds; `since` is None when it began after the last heartbeat."""

    task: str
    task_id: str
    arguments: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A consumer process; None where its version does not report a value.

    Without `seen_at` its heartbeat is overdue, and its messages will be taken over.
    """

    id: str
    queue: str
    host: str | None
    pid: int | None
    version: str | None
    service: str | None
    threads: int | None
    started_at: datetime | None
    seen_at: datetime | None
    running: list[Running]


class _RunInfo(LazyModel):
    id: str = ""
    since: datetime | None = None


class _ConsumerReport(LazyModel):
    """Report of a consumer about itself (`ReliableQueue.info`); other versions may differ."""

    host: str | None = Field(None, max_length=200)
    pid: int | None = None
    version: str | None = Field(None, max_length=100)
    service: str | None = Field(None, max_length=100)
    threads: int | None = None
    started_at: datetime | None = None
    at: datetime | None = None
    running: list[_RunInfo] = Field(default_factory=list)


def count_retrying(queue: ReliableQueue, waiting: int) -> int | None:
    """Return how many messages are retries; None when too many wait to be read each time."""
    if waiting > MOST_RETRYING:
        return None
    count, weight = 0, 0
    for info, size in _read(queue, MessageState.retrying):
        count, weight = count + (info is not None), weight + size
        if weight > MOST_RETRYING_BYTES:
            return None
    return count


def found_dead(queue: ReliableQueue, *, words: str) -> list[tuple[str, datetime]]:
    """Return the ids of dead letters that match the words and when they died, oldest first.

    They are read in chunks; one that arrives meanwhile moves the others, so some are read twice.
    """
    letters = _chunks(lambda first, count: queue.storage.dead_letters(count, first))
    found = {
        letter.id: datetime.fromtimestamp(letter.at, UTC)
        for letter in letters
        if not words or has(dead_letter_info(queue, letter), words)
    }
    return list(found.items())[::-1]


def words_of(search: str) -> str:
    if len(search) > LONGEST_SEARCH:
        rule = f"must have at most {LONGEST_SEARCH} characters, but has {len(search)}"
        raise Invalid(f"The search text {rule}.", fields=(FieldError("?search", rule),))
    return search.strip().casefold()


def narrowing_words(search: str | None) -> str:
    """Return the words of a search, "" for None. Raise Invalid for a blank one: it is not all."""
    words = words_of(search or "")
    if search is not None and not words:
        rule = "contains no words: omit it to select all"
        raise Invalid(f"The search text {rule}.", fields=(FieldError("?search", rule),))
    return words


def has(info: MessageInfo, words: str) -> bool:
    return any(
        words in part.casefold() for part in (info.id, info.task, info.arguments, info.reason)
    )


def page(
    queue: ReliableQueue, *, state: MessageState, words: str, limit: int, offset: int
) -> MessagePage:
    found: list[MessageInfo] = []
    looked_at, weight, is_complete = 0, 0, True
    for info, size in _read(queue, state):
        if len(found) > offset + limit or looked_at >= MOST_LOOKED_AT or weight > MOST_BYTES:
            is_complete = False
            break
        looked_at, weight = looked_at + 1, weight + size
        if info is not None and has(info, words):
            found.append(info)
    return MessagePage(
        found[offset : offset + limit], len(found) > offset + limit, looked_at, is_complete
    )


def _read(queue: ReliableQueue, state: MessageState) -> Iterator[tuple[MessageInfo | None, int]]:
    """Yield the messages of a state with their size in bytes; None for one of another state."""
    storage = queue.storage
    if state == MessageState.held:
        for member in storage.consumers():
            yield from zip(_held(queue, member), map(len, member.held), strict=True)
    elif state == MessageState.dead:
        for letter in _chunks(lambda first, count: storage.dead_letters(count, first)):
            yield dead_letter_info(queue, letter), len(letter.data)
    if state in (MessageState.scheduled, MessageState.retrying):
        for waiting in _chunks(storage.scheduled):
            info = _waiting(queue, waiting.data, state)
            yield info and replace(info, due_at=_moment(waiting.at)), len(waiting.data)
    if state in (MessageState.ready, MessageState.retrying):
        for waiting in _chunks(storage.ready):
            info = _waiting(queue, waiting.data, state)
            since = _moment(waiting.at) or (info.sent_at if info else None)
            yield info and replace(info, at=since), len(waiting.data)


def _chunks(look: Callable[[int, int], list[Item]]) -> Iterator[Item]:
    """Yield all items, reading few at first; `look` gets the position and the count."""
    first, count = 0, FIRST_LOOK
    while items := look(first, count):
        yield from items
        if len(items) < count:
            return
        first, count = first + len(items), min(2 * count, CHUNK)


def _waiting(queue: ReliableQueue, data: bytes, state: MessageState) -> MessageInfo | None:
    """Return a message that is ready or scheduled; None when it should have failed, and has not."""
    task = _task(queue, data)
    if state == MessageState.retrying and (
        task is None or task.retries >= type(task).default_retries
    ):
        return None
    return _info(queue, data, task, state)


def _held(queue: ReliableQueue, member: ConsumerInfo) -> Iterator[MessageInfo]:
    """Yield what a consumer holds, with since when it runs as of the last heartbeat."""
    began = {run.id: run.since for run in _report(member).running}
    for data in member.held:
        task = _task(queue, data)
        since = began.get(task.id) if task is not None else None
        yield _info(queue, data, task, MessageState.held, worker=member.id, at=since)


def dead_letter_info(queue: ReliableQueue, letter: DeadLetter) -> MessageInfo:
    info = _info(queue, letter.data, _task(queue, letter.data), MessageState.dead)
    return replace(info, id=letter.id, reason=letter.reason, at=_moment(letter.at), tries_left=None)


def _info(
    queue: ReliableQueue, data: bytes, task: Task | None, state: MessageState, **about: Any
) -> MessageInfo:
    return MessageInfo(
        id=sha1(data, usedforsecurity=False).hexdigest()[:16] if task is None else task.id,
        queue=queue.name,
        state=state,
        task=UNREADABLE if task is None else task.name,
        arguments=", ".join(map(short.repr, [data] if task is None else task.args))[
            :LONGEST_ARGUMENTS
        ],
        sent_at=None if task is None else _moment(task.sent_at),
        tries_left=None if task is None else task.retries + 1,
        **about,
    )


def _task(queue: ReliableQueue, data: bytes) -> Task | None:
    try:
        return queue.deserialize_task(data)
    except (UnreadableMessage, HueyException):  # it becomes a dead letter when it is claimed
        return None


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def worker(queue: ReliableQueue, member: ConsumerInfo) -> WorkerInfo:
    report = _report(member)
    alive = None if member.alive_until is None else _moment(member.alive_until - queue.ttl)
    return WorkerInfo(
        id=member.id,
        queue=queue.name,
        seen_at=alive and (report.at or alive),
        running=[
            Running(info.task, info.id, info.arguments, info.at) for info in _held(queue, member)
        ],
        **report.model_dump(exclude={"at", "running"}),
    )


def _report(member: ConsumerInfo) -> _ConsumerReport:
    try:
        return _ConsumerReport.model_validate_json(member.info or "{}")
    except ValidationError:
        return _ConsumerReport()


def find(queue: ReliableQueue, *, message_id: str) -> tuple[list[tuple[MessageState, bytes]], bool]:
    """Return every message of a task, and whether all messages were read.

    A message is there twice when it was accepted after its sender had given up. Queues are read in
    the order in which a message moves on.
    """
    wanted = message_id.encode(errors="replace")
    if not 0 < len(wanted) <= LONGEST_ID:
        return [], True
    storage = queue.storage
    places: list[tuple[MessageState, Iterator[bytes]]] = [
        (MessageState.scheduled, (waiting.data for waiting in _chunks(storage.scheduled))),
        (MessageState.ready, (waiting.data for waiting in _chunks(storage.ready))),
        (MessageState.held, (data for member in storage.consumers() for data in member.held)),
    ]
    found, is_complete = [], True
    for state, messages in places:
        weight = 0
        for number, data in enumerate(messages):
            if number >= MOST_LOOKED_AT or weight > MOST_BYTES:
                is_complete = False
                break
            weight += len(data)
            task = _task(queue, data) if wanted in data else None
            if task is not None and task.id == message_id:
                found.append((state, data))
    return found, is_complete
