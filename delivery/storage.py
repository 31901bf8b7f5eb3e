"""What every reliable storage can do beyond Huey's own: hold a message until its task has run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_DELIVERIES = 3  # a message whose owner died this often is put aside, so that the others go on


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this consumer holds; `receipt` is the storage's own handle for it."""

    data: bytes
    receipt: Any


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside, and why."""

    data: bytes
    reason: str


class ReliableStorage(Protocol):
    """The contract that `tests/integration/test_storage_contract.py` holds every storage to.

    There are two priorities, 0 and 1: messages of the higher one overtake, equals keep their order.
    """

    faults: tuple[type[Exception], ...]  # what any method may raise while the broker is away

    def enqueue(self, data: bytes, priority: int | None = None) -> None: ...
    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None: ...
    def enqueue_once(self, key: str, data: bytes, seconds: int) -> bool:
        """Enqueue unless the same key was used in the last `seconds`; says whether it was enqueued."""

    def claim(self, timeout: float) -> Claim | None:
        """The next message, now held by this consumer; waits up to `timeout` seconds, then None."""

    def acknowledge(self, claim: Claim) -> None:
        """The task has run: forget the message."""

    def release(self, claim: Claim) -> None:
        """The task has not run: put the message back where it will be claimed first."""

    def bury(self, claim: Claim, reason: str) -> None:
        """Move the message to the dead letters."""

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]: ...

    def dead_count(self) -> int: ...

    def beat(self, ttl: float) -> None:
        """Say that this consumer lives for `ttl` more seconds."""

    def recover(self) -> int:
        """Put back what consumers hold that stopped beating; returns how many messages."""

    def release_all(self) -> int:
        """Put back everything that this consumer holds, and sign it off; returns how many messages."""

    def own_receipts(self) -> list[Any]:
        """Receipts of everything that this consumer holds."""

    def held_count(self) -> int:
        """Messages held by any consumer."""

    def wake(self) -> None:
        """Let a waiting `claim` of this consumer return at once (for shutdown)."""
