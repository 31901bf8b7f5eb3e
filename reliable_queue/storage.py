"""What every reliable storage can do beyond Huey's own: hold a message until its task has run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

MAX_DELIVERIES = 3  # a message whose owner died this often is put aside, so that the others go on
DEAD_LETTERS_KEPT = 10_000
HELD_SHOWN = 1000  # messages of one consumer


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this consumer holds; `receipt` is the storage's own handle for it."""

    data: bytes
    receipt: Any


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside, when (seconds since 1970) and why."""

    id: str
    data: bytes
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a beat found: how many messages of silent consumers it put back, and receipts of all that this one holds."""

    taken_over: int
    held: list[Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is ready, and since when, or one on the schedule, and when it is due: seconds since 1970.

    `at` is None where only the message itself may know it.
    """

    data: bytes
    at: float | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How many messages there are by state, how many consumers live, whether the queue is paused, and which messages
    are next: one of them has been ready for the longest time.
    """

    ready: int
    held: int
    scheduled: int
    dead: int
    consumers: int
    is_paused: bool
    first: list[Waiting]


@dataclass(frozen=True, slots=True)
class ConsumerInfo:
    """A consumer: what it said of itself at its last beat (empty: nothing, as the version before), what it holds, and until
    when it is taken for alive (seconds since 1970, None: it is silent already, and what it holds will be taken over).
    """

    id: str
    info: str
    held: list[bytes]
    alive_until: float | None


class ReliableStorage(Protocol):
    """The contract that `tests/integration/test_storage_contract.py` holds every storage to.

    There are two priorities, 0 and 1: messages of the higher one overtake, equals keep their order.
    """

    faults: tuple[type[Exception], ...]  # what any method may raise while the broker is away

    def enqueue(self, data: bytes, priority: int | None = None) -> None: ...
    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None: ...
    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        """Enqueue unless the same key was used in the last `seconds`; says whether it was enqueued."""

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        """Forget `done`, whose tasks have run, and hold the next message; what is due on the schedule counts.

        One step at the broker while there are messages. Otherwise waits up to `timeout` seconds, then None. While the
        queue is paused there is none to hold.
        """

    def acknowledge(self, *done: Claim) -> None:
        """These tasks have run: forget their messages."""

    def release(self, claim: Claim) -> None:
        """The task has not run: put the message back where it will be claimed first."""

    def snooze(self, claim: Claim, until: float) -> None:
        """The task has to wait: put the message on the schedule as it is, with its deliveries counted, until that time."""

    def dead_letter(self, claim: Claim, reason: str) -> None:
        """Move the message to the dead letters."""

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        """Say that this consumer lives for `ttl` more seconds, with a word about it for those who look; if it may judge,
        put back what silent consumers hold.

        The first beat never judges, nor does one that took long to arrive.
        """

    def release_all(self) -> int:
        """Put back everything that this consumer holds, and sign it off; returns how many messages."""

    def wake(self) -> None:
        """Let every waiting `claim` of this consumer return at once, and none wait from now on (for shutdown)."""

    def pause(self) -> None:
        """Let nobody claim of this queue, whoever asks and also after a restart, until `resume`. What is held is finished."""

    def resume(self) -> None:
        """Let claims have messages again; those that wait look at once."""

    def is_paused(self) -> bool: ...
    def stats(self) -> QueueStats:
        """Everything that is counted, of one moment, in one round trip."""

    def consumers(self) -> list[ConsumerInfo]:
        """Those that live, and those that hold something; of each up to HELD_SHOWN messages."""

    def ready(self, first: int, count: int) -> list[Waiting]:
        """So many messages that are ready, in the order in which they will be claimed, from the one at place `first` on."""

    def scheduled(self, first: int, count: int) -> list[Waiting]:
        """So many messages on the schedule, in the order of their times."""

    def remove(self, data: bytes) -> bool:
        """Forget a message that is ready or scheduled; False when there is none any more, also because it is held by now."""

    def result_store_size(self) -> int:
        """Revocations: results are not stored."""

    def delete_data(self, key: str) -> bool: ...
    def held_count(self) -> int:
        """Messages held by any consumer."""

    def queue_size(self) -> int: ...
    def enqueued_items(self, limit: int | None = None) -> list[bytes]: ...
    def scheduled_items(self, limit: int | None = None) -> list[bytes]: ...
    def flush_queue(self) -> None: ...
    def close(self) -> object: ...
    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None: ...
    def read_schedule(self, ts: datetime) -> list[bytes]:
        """Make ready what is due at `ts`. Returns nothing: what passes through a caller could be lost there."""

    def dead_letters(self, limit: int = 100, first: int = 0) -> list[DeadLetter]:
        """The newest first, from the one at place `first` on."""

    def dead_count(self) -> int: ...
    def replay(self, *letter_ids: str) -> int:
        """Make dead letters ready again; says how many were there. Quick for up to 500, the oldest first."""

    def discard(self, *letter_ids: str) -> int:
        """Delete dead letters; says how many were there. Quick for up to 500, the oldest first."""
