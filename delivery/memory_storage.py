"""Memory: what immediate mode uses. One process, one consumer; nothing outlives it."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from huey.storage import MemoryStorage

from delivery.storage import Claim, DeadLetter, Pulse


class ReliableMemoryStorage(MemoryStorage):
    """The same contract as the real storages, in plain Python."""

    blocking = True
    faults: tuple[type[Exception], ...] = ()

    def __init__(self, name: str, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(name)
        self._now = now
        self._held: dict[int, tuple[int, int, bytes]] = {}
        self._dead: list[tuple[DeadLetter, int]] = []  # with its priority
        self._once: dict[str, float] = {}
        self._ticket = itertools.count()

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        for data, priority in messages:
            self.enqueue(data, priority)

    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        with self._lock:
            if self._once.get(key, 0) > time.monotonic():
                return False
            self._once[key] = time.monotonic() + seconds
            self.enqueue(data, priority)
            return True

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        with self._lock:
            self.acknowledge(*done)
            self.read_schedule(datetime.fromtimestamp(self._now(), UTC).replace(tzinfo=None))
            if not self._queue:
                return None
            entry = heapq.heappop(self._queue)
            receipt = next(self._ticket)
            self._held[receipt] = entry
            return Claim(data=entry[2], receipt=receipt)

    def acknowledge(self, *done: Claim) -> None:
        for claim in done:
            self._held.pop(claim.receipt, None)

    def release(self, claim: Claim) -> None:
        with self._lock:
            entry = self._held.pop(claim.receipt, None)
            if entry is not None:
                heapq.heappush(self._queue, entry)

    def postpone(self, claim: Claim, until: float) -> None:
        entry = self._held.pop(claim.receipt, None)
        if entry is not None:
            self.add_to_schedule(claim.data, datetime.fromtimestamp(until, UTC).replace(tzinfo=None), -entry[0])

    def bury(self, claim: Claim, reason: str) -> None:
        entry = self._held.pop(claim.receipt, None)
        if entry is not None:
            self._dead.insert(0, (DeadLetter(str(claim.receipt), claim.data, reason, self._now()), -entry[0]))

    def beat(self, ttl: float, *, judge: bool = True) -> Pulse:
        """Nobody else could take over, so nobody has to know."""
        return Pulse(taken_over=0, held=list(self._held))

    def release_all(self) -> int:
        with self._lock:
            returned = len(self._held)
            for entry in self._held.values():
                heapq.heappush(self._queue, entry)
            self._held.clear()
        return returned

    def held_count(self) -> int:
        return len(self._held)

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return [letter for letter, _ in self._dead[:limit]]

    def dead_count(self) -> int:
        return len(self._dead)

    def replay(self, *letter_ids: str) -> int:
        taken = self._take_dead(letter_ids)
        for letter, priority in taken:
            self.enqueue(letter.data, priority)
        return len(taken)

    def discard(self, *letter_ids: str) -> int:
        return len(self._take_dead(letter_ids))

    def _take_dead(self, letter_ids: Sequence[str]) -> list[tuple[DeadLetter, int]]:
        """The oldest first."""
        with self._lock:
            taken = [entry for entry in reversed(self._dead) if entry[0].id in letter_ids]
            self._dead = [entry for entry in self._dead if entry[0].id not in letter_ids]
        return taken

    def wake(self) -> None:
        """`claim` never waits here."""

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        with self._lock:
            heapq.heappush(self._schedule, (ts, next(self._ticket), data, priority or 0))

    def read_schedule(self, ts: datetime) -> list[bytes]:
        with self._lock:
            while self._schedule and self._schedule[0][0] <= ts:
                _, _, data, priority = heapq.heappop(self._schedule)
                self.enqueue(data, priority)
        return []

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [entry[2] for entry in sorted(self._schedule)][:limit]
