"""Memory: what immediate mode uses. One process, one consumer; nothing outlives it."""

import heapq
import itertools
import time
from collections.abc import Iterable
from datetime import datetime

from huey.storage import MemoryStorage

from delivery.storage import Claim, DeadLetter


class ReliableMemoryStorage(MemoryStorage):
    """The same contract as the real storages, in plain Python."""

    blocking = True
    faults: tuple[type[Exception], ...] = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._held: dict[int, tuple[int, int, bytes]] = {}
        self._dead: list[DeadLetter] = []
        self._once: dict[str, float] = {}
        self._ticket = itertools.count()

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        for data, priority in messages:
            self.enqueue(data, priority)

    def enqueue_once(self, key: str, data: bytes, seconds: int) -> bool:
        with self._lock:
            if self._once.get(key, 0) > time.monotonic():
                return False
            self._once[key] = time.monotonic() + seconds
            self.enqueue(data)
            return True

    def claim(self, timeout: float) -> Claim | None:
        with self._lock:
            if not self._queue:
                return None
            entry = heapq.heappop(self._queue)
            receipt = next(self._ticket)
            self._held[receipt] = entry
            return Claim(data=entry[2], receipt=receipt)

    def acknowledge(self, claim: Claim) -> None:
        self._held.pop(claim.receipt, None)

    def release(self, claim: Claim) -> None:
        with self._lock:
            entry = self._held.pop(claim.receipt, None)
            if entry is not None:
                heapq.heappush(self._queue, entry)

    def bury(self, claim: Claim, reason: str) -> None:
        if self._held.pop(claim.receipt, None) is not None:
            self._dead.insert(0, DeadLetter(claim.data, reason))

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return self._dead[:limit]

    def dead_count(self) -> int:
        return len(self._dead)

    def beat(self, ttl: float) -> None:
        """Nobody else could take over, so nobody has to know."""

    def recover(self) -> int:
        return 0

    def release_all(self) -> int:
        with self._lock:
            returned = len(self._held)
            for entry in self._held.values():
                heapq.heappush(self._queue, entry)
            self._held.clear()
        return returned

    def own_receipts(self) -> list[int]:
        return list(self._held)

    def held_count(self) -> int:
        return len(self._held)

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
