"""What the queues and their workers are doing, and what a person does about it.

Lists are looked at from their beginning, up to MOST_LOOKED_AT messages or MOST_BYTES of them. All of it raises NotFound
for an unknown queue, and Unavailable when the broker does not answer.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from hashlib import sha1
from itertools import islice
from reprlib import Repr
from typing import Any, TypeVar
from uuid import UUID

from huey.api import Task
from huey.exceptions import HueyException
from pydantic import BaseModel, Field, ValidationError

from core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from delivery.messages import UnreadableMessage
from delivery.queue import ReliableQueue
from delivery.storage import DEAD_LETTERS_KEPT, DeadLetter, Member, Waiting
from roadmap import revoking
from roadmap.steps import Step, StepName
from tasks.content import send
from tasks.queues import content_queue, logs_queue

logger = logging.getLogger(__name__)

QUEUES: dict[str, ReliableQueue] = {queue.name: queue for queue in (logs_queue, content_queue)}
AT_ONCE = 500  # dead letters
CHUNK = 200  # messages of one look at the broker; those of the logs queue may be 100 kB each
MOST_LOOKED_AT = 10_000  # messages
MOST_BYTES = 64 * 1024 * 1024
MOST_RETRYING = 1000  # messages among which those that are tried again are counted
LONGEST_PAGE = 500  # messages
LONGEST_SEARCH = 200  # characters
LONGEST_ARGUMENTS = 200  # characters
LONGEST_ID = 100  # characters
UNREADABLE = "(unreadable)"
STOPS: dict[str, Callable[[UUID], list[Step]]] = {
    StepName.plan_roadmap: revoking.stop_planning,
    StepName.build_content: revoking.stop_writing,
    StepName.deliver_webhook: revoking.stop_telling,
}
UPKEEP = "{task} runs by the clock and keeps everything else going, so it cannot be revoked."
NOT_STOPPED = {
    "store_log_batch": "Log records are not thrown away, so {task} cannot be revoked; a queue that is paused keeps them."
}
Item = TypeVar("Item")
Result = TypeVar("Result")

short = Repr()
short.maxstring = short.maxother = LONGEST_ARGUMENTS
short.maxlevel = 3


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of messages: ready to be claimed, held by a worker, on the schedule, put aside; and of consumers that live.

    `oldest_seconds` is for how long the oldest message has been ready, None: there is none, or none that says when it was
    sent. `retrying` counts those that have failed and wait for another try, None: not asked for, or too many to be counted.
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
    since: float | None = None


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


@dataclass(frozen=True, slots=True)
class PutAside:
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


def messages(queue_name: str, state: MessageState, *, search: str = "", limit: int = 50, offset: int = 0) -> MessagePage:
    """A page of those in that state which have the searched words in their id, task, arguments or reason, in the order in
    which they will run, dead ones the newest first. Raises Invalid for a search that is too long.
    """
    words = _words(search)
    return _ask(partial(_page, state=state, words=words, limit=min(limit, LONGEST_PAGE), offset=offset), _queue(queue_name))


def workers() -> list[WorkerInfo]:
    """The consumers of all queues, and what each is doing."""
    return [_worker(queue, member) for queue in QUEUES.values() for member in _ask(lambda it: it.storage.consumers(), queue)]


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
    found = _ask(partial(_find, message_id=message_id), queue)
    if not found:
        raise NotFound(f"No message {message_id[:LONGEST_ID]} waits or runs in the {queue_name} queue; it may be done, or dead.")
    steps = _stopped(queue, found[0][1])
    for state, data in found:
        if state != MessageState.held:
            _ask(partial(_remove, data=data), queue)
    try:
        send(steps)
    except content_queue.storage.faults as error:
        logger.warning("%d steps are left to rescue: %s", len(steps), error)


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


def replay_all(queue_name: str, search: str = "") -> int:
    """Let every dead letter that is there now, and has the searched words, be delivered again; says how many they were.

    Raises Invalid for a search that is too long.
    """
    return sum(_ask(partial(_replay, ids=ids), _queue(queue_name)) for ids in _all_ids(queue_name, search))


def discard_all(queue_name: str, search: str = "") -> int:
    """Delete every dead letter that is there now, and has the searched words; says how many they were.

    Raises Invalid for a search that is too long.
    """
    return sum(_ask(partial(_discard, ids=ids), _queue(queue_name)) for ids in _all_ids(queue_name, search))


def _all_ids(queue_name: str, search: str) -> Iterator[list[str]]:
    """Of the dead letters, the oldest first, as many at a time as the broker takes in one step."""
    queue, words = _queue(queue_name), _words(search)
    letters = _ask(lambda it: it.storage.dead_letters(DEAD_LETTERS_KEPT), queue)
    ids = [letter.id for letter in reversed(letters) if not words or _has(_dead(queue, letter), words)]
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _replay(queue: ReliableQueue, *, ids: list[str]) -> int:
    return queue.storage.replay(*ids)


def _discard(queue: ReliableQueue, *, ids: list[str]) -> int:
    return queue.storage.discard(*ids)


def _remove(queue: ReliableQueue, *, data: bytes) -> bool:
    return queue.storage.remove(data)


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
        retrying=_count_retrying(queue, standing.ready + standing.scheduled) if with_retrying else None,
    )


def _count_retrying(queue: ReliableQueue, waiting: int) -> int | None:
    if waiting > MOST_RETRYING:
        return None
    return sum(info is not None for info, _ in _looked_at(queue, MessageState.retrying))


def _words(search: str) -> str:
    if len(search) > LONGEST_SEARCH:
        rule = f"must have at most {LONGEST_SEARCH} characters, and has {len(search)}"
        raise Invalid(f"A search {rule}.", fields=(FieldError("?search", rule),))
    return search.strip().casefold()


def _has(info: MessageInfo, words: str) -> bool:
    return any(words in part.casefold() for part in (info.id, info.task, info.arguments, info.reason))


def _page(queue: ReliableQueue, *, state: MessageState, words: str, limit: int, offset: int) -> MessagePage:
    found: list[MessageInfo] = []
    looked_at, weight, is_complete = 0, 0, True
    for info, size in _looked_at(queue, state):
        if len(found) > offset + limit or looked_at >= MOST_LOOKED_AT or weight > MOST_BYTES:
            is_complete = False
            break
        looked_at, weight = looked_at + 1, weight + size
        if info is not None and _has(info, words):
            found.append(info)
    return MessagePage(found[offset : offset + limit], len(found) > offset + limit, looked_at, is_complete)


def _looked_at(queue: ReliableQueue, state: MessageState) -> Iterator[tuple[MessageInfo | None, int]]:
    """The messages of that state one after the other with their size in bytes; None for one that is of another."""
    storage = queue.storage
    if state == MessageState.held:
        for member in storage.consumers():
            began = {run.id: run.since for run in _said(member).running}
            for data in member.held:
                yield _held(queue, member, data, began), len(data)
    elif state == MessageState.dead:
        for letter in _chunks(lambda first: storage.dead_letters(CHUNK, first)):
            yield _dead(queue, letter), len(letter.data)
    if state in (MessageState.scheduled, MessageState.retrying):
        for waiting in _chunks(lambda first: storage.scheduled(first, CHUNK)):
            yield _scheduled(queue, waiting, state), len(waiting.data)
    if state in (MessageState.ready, MessageState.retrying):
        for waiting in _chunks(lambda first: storage.ready(first, CHUNK)):
            yield _ready(queue, waiting, state), len(waiting.data)


def _chunks(look: Callable[[int], list[Item]]) -> Iterator[Item]:
    first = 0
    while items := look(first):
        yield from items
        if len(items) < CHUNK:
            return
        first += len(items)


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
    return _info(queue, waiting.data, task, state, tries_left=_tries_left(task), due_at=_moment(waiting.at))


def _held(queue: ReliableQueue, member: Member, data: bytes, began: dict[str, float | None]) -> MessageInfo:
    task = _task(queue, data)
    since = _moment(began.get(task.id)) if task is not None else None
    return _info(queue, data, task, MessageState.held, tries_left=_tries_left(task), worker=member.id, at=since)


def _dead(queue: ReliableQueue, letter: DeadLetter) -> MessageInfo:
    task, about = _task(queue, letter.data), {"id": letter.id, "reason": letter.reason, "at": _moment(letter.at)}
    return _info(queue, letter.data, task, MessageState.dead, **about)


def _info(queue: ReliableQueue, data: bytes, task: Task | None, state: MessageState, **about: Any) -> MessageInfo:
    if task is None:
        name, arguments = UNREADABLE, short.repr(data)
        facts = {"id": sha1(data, usedforsecurity=False).hexdigest()[:16], "sent_at": None}
    else:
        name, arguments = task.name, ", ".join(short.repr(argument) for argument in task.args)
        facts = {"id": task.id, "sent_at": _moment(task.sent_at)}
    shown = {"queue": queue.name, "state": state, "task": name, "arguments": arguments[:LONGEST_ARGUMENTS]}
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


def _worker(queue: ReliableQueue, member: Member) -> WorkerInfo:
    said = _said(member)
    began = {run.id: run.since for run in said.running}
    held = [_held(queue, member, data, began) for data in member.held]
    seen_at = None if member.alive_until is None else said.at or _moment(member.alive_until - queue.ttl)
    about = said.model_dump(include={"host", "pid", "version", "service", "threads", "started_at"})
    running = [Running(info.task, info.id, info.arguments, info.at) for info in held]
    return WorkerInfo(id=member.id, queue=queue.name, **about, seen_at=seen_at, running=running)


def _said(member: Member) -> _Said:
    try:
        return _Said.model_validate_json(member.info) if member.info else _Said()
    except ValidationError:
        return _Said()


def _find(queue: ReliableQueue, *, message_id: str) -> list[tuple[MessageState, bytes]]:
    """Every message of that task: one that was accepted when its sender had given up is there twice. Looks in the order in
    which a message moves on.
    """
    wanted = message_id.encode(errors="replace")
    if not 0 < len(wanted) <= LONGEST_ID:
        return []
    places: list[tuple[MessageState, Iterator[bytes]]] = [
        (MessageState.scheduled, (waiting.data for waiting in _chunks(lambda first: queue.storage.scheduled(first, CHUNK)))),
        (MessageState.ready, (waiting.data for waiting in _chunks(lambda first: queue.storage.ready(first, CHUNK)))),
        (MessageState.held, (data for member in queue.storage.consumers() for data in member.held)),
    ]
    found = []
    for state, all_of_them in places:
        for data in islice(all_of_them, MOST_LOOKED_AT):
            if wanted in data and (task := _task(queue, data)) is not None and task.id == message_id:
                found.append((state, data))
    return found


def _stopped(queue: ReliableQueue, data: bytes) -> list[Step]:
    """End in the database what the message is for; what comes next. Raises Conflict."""
    task = queue.deserialize_task(data)
    stop = STOPS.get(task.name) if queue is content_queue else None
    if stop is None:
        raise Conflict(NOT_STOPPED.get(task.name, UPKEEP).format(task=task.name))
    try:
        row_id = UUID(*task.args)
    except (TypeError, ValueError, AttributeError) as error:
        raise Conflict(f"This {task.name} names no row that could be stopped; it will fail by itself.") from error
    return stop(row_id)


def _readable(queue: ReliableQueue, letter: DeadLetter) -> PutAside:
    info = _dead(queue, letter)
    return PutAside(letter.id, queue.name, info.task, info.arguments, letter.reason, datetime.fromtimestamp(letter.at, UTC))
