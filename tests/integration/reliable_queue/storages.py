"""Storages as a consumer uses them: claims, dead letters and a clock of the test."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import Claim
from testing.waiting import HANG, wait_until

Storage = ReliableRedisStorage | ReliableSqliteStorage
Open = Callable[..., Storage]
MOMENT = 0.05  # seconds that a consumer lives for after a beat that is its last
ALIVE = 10.0 * HANG  # seconds that one lives for, or that a claim waits, longer than any test
NOON = datetime(2100, 1, 1, 12)
ANY_BYTES = b"\x00\xff\n1 \xc3\n"


class Clock:
    """A storage's clock that stands still until the test sets it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at.replace(tzinfo=UTC).timestamp()


class Looks:
    """The real clock, which counts how often it is looked at.

    A waiting claim does so before it asks the server, and when the answer says that something is
    scheduled.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return time.time()


def held_by(storage: Storage) -> list[Any]:
    """The receipts of what the consumer holds."""
    return storage.heartbeat(ALIVE, judge=False).held


def dead(storage: Storage) -> list[tuple[bytes, str]]:
    """Messages that were put aside, each with its reason; the newest first."""
    return [(letter.data, letter.reason) for letter in storage.dead_letters()]


def claimed(storage: Storage) -> Claim:
    claim = storage.claim(0)
    assert claim is not None
    return claim


def claimed_data(storage: Storage) -> list[bytes]:
    """Everything that is ready, in the order in which it is claimed; it stays held."""
    data = []
    while (claim := storage.claim(0)) is not None:
        data.append(claim.data)
    return data


def worked_off(storage: Storage) -> list[bytes]:
    """Everything that is ready, claimed and acknowledged one after the other."""
    data = []
    while (claim := storage.claim(0)) is not None:
        data.append(claim.data)
        storage.acknowledge(claim)
    return data


def dies(storage: Storage, rescuer: Storage) -> None:
    """The consumer falls silent, and the other one takes over the one message that it holds."""
    storage.heartbeat(MOMENT)
    wait_until(lambda: rescuer.heartbeat(ALIVE).taken_over == 1, reason="the message is taken over")


def with_dead_letters(storage: Storage, *messages: bytes) -> Storage:
    """Bury these messages, one after the other, on the empty queue of the storage."""
    for message in messages:
        storage.enqueue(message, 1)
        storage.dead_letter(claimed(storage), "reason")
    return storage


def letter_of(storage: Storage, data: bytes) -> str:
    """The id of the dead letter with that message."""
    (id_,) = [letter.id for letter in storage.dead_letters() if letter.data == data]
    return id_


@contextmanager
def waiting_claims(
    storage: Storage, count: int = 1, done: list[Claim] | None = None
) -> Iterator[list[Future[Claim | None]]]:
    """Claim in `count` threads of one consumer; wake those that wait at the end."""
    with ThreadPoolExecutor(count) as pool:
        claims = [pool.submit(storage.claim, ALIVE, done or []) for _ in range(count)]
        try:
            wait_until(lambda: all(claim.running() or claim.done() for claim in claims))
            yield claims
        finally:
            storage.wake()


def in_seconds(seconds: float) -> datetime:
    """So long from now, as Huey writes it: UTC without a zone."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)


def oldest(storage: Storage) -> float | None:
    """Since when the oldest message is ready, as far as the storage knows."""
    return min(
        (waiting.at for waiting in storage.stats().heads if waiting.at is not None), default=None
    )
