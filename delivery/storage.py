"""What every reliable storage can do beyond Huey's own: hold a message until its task has run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

MAX_DELIVERIES = 3  # a message whose owner died this often is put aside, so that the others go on
DEAD_LETTERS_KEPT = 10_000


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
class Pulse:
    """What a beat found: how many messages of silent consumers it put back, and receipts of all that this one holds."""

    taken_over: int
    held: list[Any]


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

        One step at the broker while there are messages. Otherwise waits up to `timeout` seconds, then None.
        """

    def acknowledge(self, *done: Claim) -> None:
        """These tasks have run: forget their messages."""

    def release(self, claim: Claim) -> None:
        """The task has not run: put the message back where it will be claimed first."""

    def postpone(self, claim: Claim, until: float) -> None:
        """The task has to wait: put the message on the schedule as it is, with its deliveries counted, until that time."""

    def bury(self, claim: Claim, reason: str) -> None:
        """Move the message to the dead letters."""

    def beat(self, ttl: float, *, judge: bool = True) -> Pulse:
        """Say that this consumer lives for `ttl` more seconds; if it may judge, put back what silent consumers hold.

        The first beat never judges, nor does one that took long to arrive.
        """

    def release_all(self) -> int:
        """Put back everything that this consumer holds, and sign it off; returns how many messages."""

    def wake(self) -> None:
        """Let every waiting `claim` of this consumer return at once, and none wait from now on (for shutdown)."""

    def result_store_size(self) -> int:
        """Revocations: results are not stored."""

    def delete_data(self, key: str) -> bool: ...
    def held_count(self) -> int:
        """Messages held by any consumer."""

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None: ...
    def read_schedule(self, ts: datetime) -> list[bytes]:
        """Make ready what is due at `ts`. Returns nothing: what passes through a caller could be lost there."""

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest first."""

    def dead_count(self) -> int: ...
    def replay(self, *letter_ids: str) -> int:
        """Make dead letters ready again; says how many were there. Quick for up to 500, the oldest first."""

    def discard(self, *letter_ids: str) -> int:
        """Delete dead letters; says how many were there. Quick for up to 500, the oldest first."""
