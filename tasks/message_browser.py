"""Messages and workers as a person reads them: listed, searched, found by their ids.

Lists are looked at from their beginning, up to MOST_LOOKED_AT messages or MOST_BYTES of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha1
from reprlib import Repr
from typing import Any, TypeVar

from huey.api import Task
from huey.exceptions import HueyException
from pydantic import BaseModel, Field, ValidationError

from core.errors import FieldError, Invalid
from reliable_queue.messages import UnreadableMessage
from reliable_queue.queue import ReliableQueue
from reliable_queue.storage import ConsumerInfo, DeadLetter, Waiting

FIRST_LOOK, CHUNK = (
    25,
    200,
)  # messages of the first look at the broker, and of one at most: those of logs may be 100 kB each
MOST_LOOKED_AT = 10_000  # messages
MOST_BYTES = 64 * 1024 * 1024
MOST_RETRYING = 1000  # messages among which those that are tried again are counted
MOST_RETRYING_BYTES = (
    2 * 1024 * 1024
)  # of them: they are counted every two seconds while somebody follows the dashboard
LONGEST_SEARCH = 200  # characters
LONGEST_ARGUMENTS = 200  # characters
LONGEST_ID = 100  # bytes
UNREADABLE = "(unreadable)"
Item = TypeVar("Item")

short = Repr()
short.maxstring = short.maxother = LONGEST_ARGUMENTS
short.maxlevel = 3


class MessageState(StrEnum):
    """Where a message is; one that is retrying has failed before, and is ready or scheduled as well."""

    ready = "ready"
    held = "held"
    scheduled = "scheduled"
    retrying = "retrying"
    dead = "dead"


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A message as a person reads it. `id` is that of its task, or of the dead letter.

    `sent_at` is None for messages of a version that did not say. `due_at` is there for those on the schedule. `tries_left`
    is how often it may be tried yet, with the try that runs. `worker` holds it. `reason` is why it was put aside. `at` is
    since when it is ready or runs, or when it was put aside.
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
    """`looked_at` messages were looked at for it; when that was not all (`is_complete`), others may lie behind."""

    items: list[MessageInfo]
    more: bool
    looked_at: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Running:
    """A message that a worker holds. `since` is None for one that it has begun since its last beat."""

    task: str
    task_id: str
    arguments: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A consumer process. What is None is not known, since its version does not say; without `seen_at` it is silent for
    longer than it may be, and what it holds will be taken over.
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


class _RunSaid(BaseModel):
    id: str = ""
    since: datetime | None = None


class _Said(BaseModel):
    """What a consumer says of itself (`ReliableQueue.info`), as far as it can be read: another version may say otherwise."""

    host: str | None = Field(None, max_length=200)
    pid: int | None = None
    version: str | None = Field(None, max_length=100)
    service: str | None = Field(None, max_length=100)
    threads: int | None = None
    started_at: datetime | None = None
    at: datetime | None = None
    running: list[_RunSaid] = []


def count_retrying(queue: ReliableQueue, waiting: int) -> int | None:
    """None when too much waits to be read for each look at a queue."""
    if waiting > MOST_RETRYING:
        return None
    count, weight = 0, 0
    for info, size in _looked_at(queue, MessageState.retrying):
        count, weight = count + (info is not None), weight + size
        if weight > MOST_RETRYING_BYTES:
            return None
    return count


def found_dead(queue: ReliableQueue, *, words: str) -> list[tuple[str, datetime]]:
    """Ids of the dead letters that have the words, with when they were put aside, the oldest first. They are read some at a time;
    one that comes meanwhile moves the others, so that some are read twice.
    """
    letters = _chunks(lambda first, count: queue.storage.dead_letters(count, first))
    found = {
        letter.id: _at(letter) for letter in letters if not words or has(dead(queue, letter), words)
    }
    return list(found.items())[::-1]


def words_of(search: str) -> str:
    if len(search) > LONGEST_SEARCH:
        rule = f"must have at most {LONGEST_SEARCH} characters, and has {len(search)}"
        raise Invalid(f"A search {rule}.", fields=(FieldError("?search", rule),))
    return search.strip().casefold()


def narrowing_words(search: str | None) -> str:
    """None narrows nothing. What was meant to narrow, and is blank, must not become all. Raises Invalid."""
    words = words_of(search or "")
    if search is not None and not words:
        rule = "has no words in it: leave it out to mean all"
        raise Invalid(f"The search {rule}.", fields=(FieldError("?search", rule),))
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
    for info, size in _looked_at(queue, state):
        if len(found) > offset + limit or looked_at >= MOST_LOOKED_AT or weight > MOST_BYTES:
            is_complete = False
            break
        looked_at, weight = looked_at + 1, weight + size
        if info is not None and has(info, words):
            found.append(info)
    return MessagePage(
        found[offset : offset + limit], len(found) > offset + limit, looked_at, is_complete
    )


def _looked_at(
    queue: ReliableQueue, state: MessageState
) -> Iterator[tuple[MessageInfo | None, int]]:
    """The messages of that state one after the other with their size in bytes; None for one that is of another."""
    storage = queue.storage
    if state == MessageState.held:
        for member in storage.consumers():
            began = {run.id: run.since for run in _said(member).running}
            for data in member.held:
                yield _held(queue, member, data, began), len(data)
    elif state == MessageState.dead:
        for letter in _chunks(lambda first, count: storage.dead_letters(count, first)):
            yield dead(queue, letter), len(letter.data)
    if state in (MessageState.scheduled, MessageState.retrying):
        for waiting in _chunks(storage.scheduled):
            yield _scheduled(queue, waiting, state), len(waiting.data)
    if state in (MessageState.ready, MessageState.retrying):
        for waiting in _chunks(storage.ready):
            yield _ready(queue, waiting, state), len(waiting.data)


def _chunks(look: Callable[[int, int], list[Item]]) -> Iterator[Item]:
    """All of them, few at first: who wants no more than a page need not read more. `look` is told where, and how many."""
    first, count = 0, FIRST_LOOK
    while items := look(first, count):
        yield from items
        if len(items) < count:
            return
        first, count = first + len(items), min(2 * count, CHUNK)


def _ready(queue: ReliableQueue, waiting: Waiting, state: MessageState) -> MessageInfo | None:
    task = _task(queue, waiting.data)
    if state == MessageState.retrying and not _has_failed(task):
        return None
    since = _moment(waiting.at or getattr(task, "sent_at", None))
    return _info(queue, waiting.data, task, state, tries_left=_tries_left(task), at=since)


def _scheduled(queue: ReliableQueue, waiting: Waiting, state: MessageState) -> MessageInfo | None:
    task = _task(queue, waiting.data)
    if state == MessageState.retrying and not _has_failed(task):
        return None
    return _info(
        queue, waiting.data, task, state, tries_left=_tries_left(task), due_at=_moment(waiting.at)
    )


def _held(
    queue: ReliableQueue, member: ConsumerInfo, data: bytes, began: dict[str, datetime | None]
) -> MessageInfo:
    task = _task(queue, data)
    since = began.get(task.id) if task is not None else None
    return _info(
        queue,
        data,
        task,
        MessageState.held,
        tries_left=_tries_left(task),
        worker=member.id,
        at=since,
    )


def dead(queue: ReliableQueue, letter: DeadLetter) -> MessageInfo:
    task, about = (
        _task(queue, letter.data),
        {"id": letter.id, "reason": letter.reason, "at": _at(letter)},
    )
    return _info(queue, letter.data, task, MessageState.dead, **about)


def _at(letter: DeadLetter) -> datetime:
    return datetime.fromtimestamp(letter.at, UTC)


def _info(
    queue: ReliableQueue, data: bytes, task: Task | None, state: MessageState, **about: Any
) -> MessageInfo:
    if task is None:
        name, arguments = UNREADABLE, short.repr(data)
        facts: dict[str, Any] = {
            "id": sha1(data, usedforsecurity=False).hexdigest()[:16],
            "sent_at": None,
        }
    else:
        name, arguments = task.name, ", ".join(short.repr(argument) for argument in task.args)
        facts = {"id": task.id, "sent_at": _moment(task.sent_at)}
    shown = {
        "queue": queue.name,
        "state": state,
        "task": name,
        "arguments": arguments[:LONGEST_ARGUMENTS],
    }
    return MessageInfo(**{**facts, **shown, **about})


def _task(queue: ReliableQueue, data: bytes) -> Task | None:
    try:
        return queue.deserialize_task(data)
    except (UnreadableMessage, HueyException):  # the worker that claims it puts it aside
        return None


def _has_failed(task: Task | None) -> bool:
    return task is not None and task.retries < type(task).default_retries


def _tries_left(task: Task | None) -> int | None:
    return None if task is None else task.retries + 1


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def worker(queue: ReliableQueue, member: ConsumerInfo) -> WorkerInfo:
    said = _said(member)
    began = {run.id: run.since for run in said.running}
    held = [_held(queue, member, data, began) for data in member.held]
    seen_at = (
        None if member.alive_until is None else said.at or _moment(member.alive_until - queue.ttl)
    )
    about = said.model_dump(include={"host", "pid", "version", "service", "threads", "started_at"})
    running = [Running(info.task, info.id, info.arguments, info.at) for info in held]
    return WorkerInfo(id=member.id, queue=queue.name, **about, seen_at=seen_at, running=running)


def _said(member: ConsumerInfo) -> _Said:
    try:
        return _Said.model_validate_json(member.info) if member.info else _Said()
    except ValidationError:
        return _Said()


def find(queue: ReliableQueue, *, message_id: str) -> tuple[list[tuple[MessageState, bytes]], bool]:
    """Every message of that task, since one that was accepted when its sender had given up is there twice; and whether all
    messages were looked at. Looks in the order in which a message moves on.
    """
    wanted = message_id.encode(errors="replace")
    if not 0 < len(wanted) <= LONGEST_ID:
        return [], True
    places: list[tuple[MessageState, Iterator[bytes]]] = [
        (MessageState.scheduled, (waiting.data for waiting in _chunks(queue.storage.scheduled))),
        (MessageState.ready, (waiting.data for waiting in _chunks(queue.storage.ready))),
        (MessageState.held, _held_by_all(queue)),
    ]
    found, is_complete = [], True
    for state, all_of_them in places:
        weight = 0
        for number, data in enumerate(all_of_them):
            if number >= MOST_LOOKED_AT or weight > MOST_BYTES:
                is_complete = False
                break
            weight += len(data)
            if (
                wanted in data
                and (task := _task(queue, data)) is not None
                and task.id == message_id
            ):
                found.append((state, data))
    return found, is_complete


def _held_by_all(queue: ReliableQueue) -> Iterator[bytes]:
    for member in queue.storage.consumers():
        yield from member.held
