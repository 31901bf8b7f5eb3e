"""Queues with consumers, on every storage."""

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from testing.servers import Redis
from testing.waiting import HANG
from tests.integration.reliable_queue.consumers import (
    HEARTBEAT,
    KEY,
    TTL,
    Child,
    OpenQueue,
    Works,
)
from tests.integration.reliable_queue.storages import ALIVE, Open, Storage


@pytest.fixture(params=["redis", "sqlite"])
def consumer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open one more consumer, alive, of the test's queue or of another queue of the same server."""
    opened: list[Storage] = []
    test = uuid.uuid4().hex

    def make(queue: str, now: Callable[[], float]) -> Storage:
        if request.param == "redis":
            url = request.getfixturevalue("broker").url()
            patient = {"poll_seconds": ALIVE, "socket_timeout": HANG}
            return ReliableRedisStorage(queue, url=url, now=now, **patient)
        return ReliableSqliteStorage(queue, filename=str(tmp_path / "queue.db"), now=now)

    def open_one(other: str = "", now: Callable[[], float] = time.time) -> Storage:
        made = make(test + other, now)
        made.heartbeat(ALIVE)
        opened.append(made)
        return made

    yield open_one
    for storage in opened:
        storage.close()


@pytest.fixture(params=["redis", "sqlite"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenQueue]:
    """Opens the test's queue once more, as another process would."""
    name, opened = uuid.uuid4().hex, []

    def open_one(**options: Any) -> Works:
        common = {"keys": [KEY], "heartbeat": HEARTBEAT, "ttl": TTL, **options}
        if request.param == "redis":
            url = request.getfixturevalue("broker").url()
            common |= {"storage_class": ReliableRedisStorage, "socket_timeout": HANG}
            made = ReliableQueue(name, url=url, **common)
        else:
            made = ReliableQueue(
                name,
                storage_class=ReliableSqliteStorage,
                filename=str(tmp_path / "queue.db"),
                **common,
            )
        opened.append(made)
        return Works(made)

    yield open_one
    for queue in opened:
        queue.storage.close()


@pytest.fixture
def child(broker: Redis, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a consumer process for that queue."""
    started: list[Child] = []

    def start(queue: str, ttl: float = TTL) -> Child:
        started.append(Child(tmp_path, broker, queue, ttl))
        started[-1].wait_ready()
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.signal(signal.SIGCONT)
            one.signal(signal.SIGTERM)
            one.process.wait(HANG)
