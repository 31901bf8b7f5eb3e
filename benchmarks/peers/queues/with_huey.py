"""Huey: stock, and as the service uses it, on the Redis or in the file at PLACE.

`huey_consumer`, four threads.
"""

import os
from collections.abc import Callable

from huey import Huey, RedisHuey, SqliteHuey

from benchmarks.peers.queues import ticks
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage

PLACE, KEYS = os.environ["PLACE"], ["a key of benchmarks, which is long enough"]
QUEUES: dict[str, Callable[[], Huey]] = {
    "redis-stock": lambda: RedisHuey("bench", url=PLACE, results=False),
    "redis-ours": lambda: ReliableQueue(
        "bench", keys=KEYS, storage_class=ReliableRedisStorage, url=PLACE
    ),
    "sqlite-stock": lambda: SqliteHuey("bench", filename=PLACE, results=False),
    "sqlite-ours": lambda: ReliableQueue(
        "bench", keys=KEYS, storage_class=ReliableSqliteStorage, filename=PLACE
    ),
}

queue = QUEUES[os.environ["CONTENDER"]]()
task = queue.task()(ticks.tick)


def send(number: int, sent: float) -> None:
    task(number, sent)
