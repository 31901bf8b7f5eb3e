"""Memory storage for immediate mode: one process, one consumer, no persistence."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from huey.storage import MemoryStorage

from reliable_queue.storage import (
    HELD_SHOWN,
    Claim,
    ConsumerInfo,
    DeadLetter,
    Heartbeat,
    QueueStats,
    ReliableStorage,
    Waiting,
    epoch,
)


class StoredMessage(NamedTuple):
    """Message in its order.

    `rank` is minus the priority of a ready one, and `at` of a scheduled one. `at`, in seconds since
    1970, is since when it is ready, or when it is due.
    """

    rank: float
    ticket: int
    data: bytes
    priority: int
    at: float


class ReliableMemoryStorage(ReliableStorage, MemoryStorage):
    """The contract of the real storages, in plain Python."""

    faults: tuple[type[Exception], ...] = ()

    def __init__(self, name: str, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(name)
        self._now = now
        self._queue: list[StoredMessage] = []
        self._schedule: list[StoredMessage] = []
        self._held: dict[int, StoredMessage] = {}
        self._dead: list[tuple[DeadLetter, int]] = []  # with its priority
        self._once: dict[str, float] = {}
        self._ticket = itertools.count()
        self._is_paused = False
        self._alive_until, self._info = 0.0, ""

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        for data, priority in messages:
            self._push(self._queue, -priority, data, priority, self._now())

    def _push(
        self, messages: list[StoredMessage], rank: float, data: bytes, priority: int, at: float
    ) -> None:
        with self._lock:
            heapq.heappush(messages, StoredMessage(rank, next(self._ticket), data, priority, at))

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
            while self._schedule and self._schedule[0].at <= self._now():
                due = heapq.heappop(self._schedule)
                self._push(self._queue, -due.priority, due.data, due.priority, due.at)
            if not self._queue:
                return None
            message = heapq.heappop(self._queue)
            receipt = next(self._ticket)
            self._held[receipt] = message
            return Claim(message.data, receipt)

    def acknowledge(self, *done: Claim) -> None:
        for claim in done:
            self._held.pop(claim.receipt, None)

    def release(self, claim: Claim) -> None:
        with self._lock:
            if (message := self._held.pop(claim.receipt, None)) is not None:
                heapq.heappush(self._queue, message)

    def snooze(self, claim: Claim, until: float) -> None:
        if (message := self._held.pop(claim.receipt, None)) is not None:
            self._push(self._schedule, until, claim.data, message.priority, until)

    def dead_letter(self, claim: Claim, reason: str) -> None:
        if (message := self._held.pop(claim.receipt, None)) is not None:
            letter = DeadLetter(str(claim.receipt), claim.data, reason, self._now())
            self._dead.insert(0, (letter, message.priority))

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        """Take over nothing: there are no other consumers."""
        self._alive_until, self._info = time.time() + ttl, info
        return Heartbeat(taken_over=0, held=list(self._held))

    def release_all(self) -> int:
        with self._lock:
            returned = len(self._held)
            for message in self._held.values():
                heapq.heappush(self._queue, message)
            self._held.clear()
            self._alive_until = 0.0
        return returned

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False

    def is_paused(self) -> bool:
        return self._is_paused

    def stats(self) -> QueueStats:
        with self._lock:
            due = [message for message in self._schedule[:1] if message.at <= self._now()]
            return QueueStats(
                ready=len(self._queue),
                held=len(self._held),
                scheduled=len(self._schedule),
                dead=len(self._dead),
                consumers=int(self._is_alive()),
                is_paused=self._is_paused,
                first=_waiting([*sorted(self._queue, key=lambda message: message.at)[:1], *due]),
            )

    def consumers(self) -> list[ConsumerInfo]:
        with self._lock:
            alive_until = self._alive_until if self._is_alive() else None
            held = [message.data for message in self._held.values()][:HELD_SHOWN]
            this = ConsumerInfo(self.name, self._info, held, alive_until)
            return [this] if held or alive_until else []

    def _is_alive(self) -> bool:
        return self._alive_until > time.time()

    def ready(self, first: int, count: int) -> list[Waiting]:
        with self._lock:
            return _waiting(sorted(self._queue)[first : first + count])

    def scheduled(self, first: int, count: int) -> list[Waiting]:
        with self._lock:
            return _waiting(sorted(self._schedule)[first : first + count])

    def remove(self, data: bytes) -> bool:
        with self._lock:
            for messages in (self._queue, self._schedule):
                found = next((message for message in messages if message.data == data), None)
                if found is not None:
                    messages.remove(found)
                    heapq.heapify(messages)
                    return True
        return False

    def dead_letters(self, limit: int = 100, first: int = 0) -> list[DeadLetter]:
        return [letter for letter, _ in self._dead[first : first + limit]]

    def replay(self, *letter_ids: str) -> int:
        taken = self._take_dead(letter_ids)
        self.enqueue_many((letter.data, priority) for letter, priority in taken)
        return len(taken)

    def discard(self, *letter_ids: str) -> int:
        return len(self._take_dead(letter_ids))

    def _take_dead(self, letter_ids: Sequence[str]) -> list[tuple[DeadLetter, int]]:
        """Remove dead letters and return them, the oldest first."""
        with self._lock:
            taken = [entry for entry in reversed(self._dead) if entry[0].id in letter_ids]
            self._dead = [entry for entry in self._dead if entry[0].id not in letter_ids]
        return taken

    def wake(self) -> None:
        """Do nothing: `claim` never waits here."""

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        self._push(self._schedule, epoch(ts), data, priority or 0, epoch(ts))


def _waiting(messages: Iterable[StoredMessage]) -> list[Waiting]:
    return [Waiting(message.data, message.at) for message in messages]
