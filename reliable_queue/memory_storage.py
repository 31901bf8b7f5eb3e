"""Memory: what immediate mode uses. One process, one consumer; nothing outlives it."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from huey.storage import MemoryStorage

from reliable_queue.storage import (
    HELD_SHOWN,
    Claim,
    ConsumerInfo,
    DeadLetter,
    Heartbeat,
    QueueStats,
    Waiting,
)

Entry = tuple[
    int, int, bytes, float
]  # minus its priority, its place among equals, the message, since when it is ready


class ReliableMemoryStorage(MemoryStorage):
    """The same contract as the real storages, in plain Python."""

    blocking = True
    faults: tuple[type[Exception], ...] = ()

    def __init__(self, name: str, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(name)
        self._now = now
        self._queue: list[Entry] = []
        self._held: dict[int, Entry] = {}
        self._dead: list[tuple[DeadLetter, int]] = []  # with its priority
        self._once: dict[str, float] = {}
        self._ticket = itertools.count()
        self._is_paused = False
        self._alive_until, self._info = 0.0, ""

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self._make_ready(data, priority or 0, self._now())

    def _make_ready(self, data: bytes, priority: int, since: float) -> None:
        with self._lock:
            heapq.heappush(self._queue, (-priority, next(self._ticket), data, since))

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
            if self._is_paused:
                return None
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

    def snooze(self, claim: Claim, until: float) -> None:
        entry = self._held.pop(claim.receipt, None)
        if entry is not None:
            self.add_to_schedule(
                claim.data, datetime.fromtimestamp(until, UTC).replace(tzinfo=None), -entry[0]
            )

    def dead_letter(self, claim: Claim, reason: str) -> None:
        entry = self._held.pop(claim.receipt, None)
        if entry is not None:
            self._dead.insert(
                0, (DeadLetter(str(claim.receipt), claim.data, reason, self._now()), -entry[0])
            )

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        """Nobody else could take over, so nobody has to know."""
        self._alive_until, self._info = time.time() + ttl, info
        return Heartbeat(taken_over=0, held=list(self._held))

    def release_all(self) -> int:
        with self._lock:
            returned = len(self._held)
            for entry in self._held.values():
                heapq.heappush(self._queue, entry)
            self._held.clear()
            self._alive_until = 0.0
        return returned

    def held_count(self) -> int:
        return len(self._held)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False

    def is_paused(self) -> bool:
        return self._is_paused

    def stats(self) -> QueueStats:
        with self._lock:
            first = [
                Waiting(data, since)
                for _, _, data, since in sorted(self._queue, key=lambda entry: entry[3])[:1]
            ]
            due = [
                Waiting(data, _epoch(ts))
                for ts, _, data, _ in self._schedule[:1]
                if _epoch(ts) <= self._now()
            ]
            counts = (len(self._queue), len(self._held), len(self._schedule), len(self._dead))
            return QueueStats(*counts, len(self._living()), self._is_paused, first + due)

    def consumers(self) -> list[ConsumerInfo]:
        with self._lock:
            alive_until = self._alive_until if self._living() else None
            held = [data for _, _, data, _ in itertools.islice(self._held.values(), HELD_SHOWN)]
            return (
                [ConsumerInfo(self.name, self._info, held, alive_until)]
                if held or alive_until
                else []
            )

    def _living(self) -> list[str]:
        return [self.name] if self._alive_until > time.time() else []

    def ready(self, first: int, count: int) -> list[Waiting]:
        with self._lock:
            return [
                Waiting(data, since)
                for _, _, data, since in sorted(self._queue)[first : first + count]
            ]

    def scheduled(self, first: int, count: int) -> list[Waiting]:
        with self._lock:
            return [
                Waiting(data, _epoch(ts))
                for ts, _, data, _ in sorted(self._schedule)[first : first + count]
            ]

    def remove(self, data: bytes) -> bool:
        with self._lock:
            for entries in (self._queue, self._schedule):
                found = next((entry for entry in entries if entry[2] == data), None)
                if found is not None:
                    entries.remove(found)
                    heapq.heapify(entries)
                    return True
        return False

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return [
            waiting.data for waiting in self.ready(0, len(self._queue) if limit is None else limit)
        ]

    def dead_letters(self, limit: int = 100, first: int = 0) -> list[DeadLetter]:
        return [letter for letter, _ in self._dead[first : first + limit]]

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
                due, _, data, priority = heapq.heappop(self._schedule)
                self._make_ready(data, priority, _epoch(due))
        return []

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [entry[2] for entry in sorted(self._schedule)][:limit]


def _epoch(moment: datetime) -> float:
    """Seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()
