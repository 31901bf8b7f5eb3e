"""Contract of reliable storages, which hold a message until its task has run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_DELIVERIES = 3  # deaths of its owners after which a message becomes a dead letter
DIED = f"its consumer died {MAX_DELIVERIES} times while running it"  # reason of such letters
DEAD_LETTERS_KEPT = 10_000
HELD_SHOWN = 1000  # messages of one consumer
ALL = 2**31 - 1  # messages of a queue


@dataclass(frozen=True, slots=True)
class Claim:
    """Message that this consumer holds; `receipt` is the storage's own handle for it."""

    data: bytes
    receipt: Any


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Message that failed too often. `at` is in seconds since 1970."""

    id: str
    data: bytes
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Result of a heartbeat.

    `taken_over` is the number of messages of silent consumers that were put back, `held` are the
    receipts of all that this consumer holds.
    """

    taken_over: int
    held: list[Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Ready message and since when, or scheduled message and when it is due.

    `at` is in seconds since 1970, and None where only the message itself may know it.
    """

    data: bytes
    at: float | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Messages by state, consumers that live, and the next messages.

    One of `heads`, the next of each lane, has been ready for the longest time.
    """

    ready: int
    held: int
    scheduled: int
    dead: int
    consumers: int
    is_paused: bool
    heads: list[Waiting]


@dataclass(frozen=True, slots=True)
class ConsumerInfo:
    """Consumer with what it reports of itself and what it holds.

    `info` is of its last heartbeat, empty for the version before. `alive_until` is in seconds since
    1970; None: it is silent, and what it holds will be taken over.
    """

    id: str
    info: str
    held: list[bytes]
    alive_until: float | None


class ReliableStorage(ABC):
    """Contract of all storages (`tests/integration/reliable_queue/test_storage_*.py`).

    There are two priorities, 0 and 1: messages of the higher one overtake, equals keep their order.
    """

    faults: tuple[type[Exception], ...]  # of any method while the broker is away
    # By Huey's own storages
    flush_queue: Callable[[], None]
    close: Callable[[], object]

    @abstractmethod
    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None: ...
    @abstractmethod
    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        """Enqueue unless the key was used in the last `seconds`; return whether it was."""

    @abstractmethod
    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        """Acknowledge `done`, whose tasks have run, and hold the next message.

        Scheduled messages that are due count. One step at the broker while there are messages;
        otherwise it waits up to `timeout` seconds and returns None. A paused queue has none.
        """

    @abstractmethod
    def acknowledge(self, *done: Claim) -> None:
        """Delete messages whose tasks have run."""

    @abstractmethod
    def release(self, claim: Claim) -> None:
        """Put a message whose task has not run back to where it is claimed first."""

    @abstractmethod
    def snooze(self, claim: Claim, until: float) -> None:
        """Schedule the same message until that time, with its deliveries counted."""

    @abstractmethod
    def dead_letter(self, claim: Claim, reason: str) -> None:
        """Move the message to the dead letters."""

    @abstractmethod
    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        """Keep this consumer alive for `ttl` more seconds.

        `info` describes it to operators. If it may judge, put back what silent consumers hold. The
        first heartbeat never judges, nor does one that took long to arrive.
        """

    @abstractmethod
    def release_all(self) -> int:
        """Put back all that this consumer holds, and sign it off; return the number."""

    @abstractmethod
    def wake(self) -> None:
        """Let every waiting `claim` of this consumer return, and none wait again."""

    @abstractmethod
    def pause(self) -> None:
        """Stop claims of all processes until `resume`, also after a restart.

        Held messages are finished.
        """

    @abstractmethod
    def resume(self) -> None:
        """Allow claims again; waiting ones look at once."""

    @abstractmethod
    def is_paused(self) -> bool: ...
    @abstractmethod
    def stats(self) -> QueueStats:
        """Return all numbers, of one moment, in one round trip."""

    @abstractmethod
    def consumers(self) -> list[ConsumerInfo]:
        """Return consumers that live or hold messages (up to HELD_SHOWN of each)."""

    @abstractmethod
    def ready(self, offset: int, count: int) -> list[Waiting]:
        """Return `count` ready messages in the order of claims, from position `offset` on."""

    @abstractmethod
    def scheduled(self, offset: int, count: int) -> list[Waiting]:
        """Return `count` scheduled messages in the order of their times."""

    @abstractmethod
    def remove(self, data: bytes) -> bool:
        """Delete a ready or scheduled message; return whether there was one."""

    @abstractmethod
    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None: ...
    @abstractmethod
    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return dead letters, the newest first, from position `offset` on."""

    @abstractmethod
    def replay(self, *letter_ids: str) -> int:
        """Make dead letters ready again; return how many there were.

        The oldest first. Quick for up to 500.
        """

    @abstractmethod
    def discard(self, *letter_ids: str) -> int:
        """Delete dead letters; return how many there were. Quick for up to 500."""

    # Methods that Huey calls, by those above

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self.enqueue_many([(data, priority or 0)])

    def queue_size(self) -> int:
        return self.stats().ready

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return [message.data for message in self.ready(0, ALL if limit is None else limit)]

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [message.data for message in self.scheduled(0, ALL if limit is None else limit)]


def epoch(moment: datetime) -> float:
    """Return seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()
