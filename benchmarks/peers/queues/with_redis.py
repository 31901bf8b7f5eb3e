"""Redis and nothing else, the control of latencies.

LPUSH and BRPOP by one thread, and what is popped is lost with its process.

    python -m benchmarks.peers.queues.with_redis    consumes
"""

import json
import os

import redis

from benchmarks.peers.queues import ticks

client = redis.Redis.from_url(os.environ["PLACE"])


def send(number: int, sent: float) -> None:
    client.lpush("bench", json.dumps([number, sent]))


def consume() -> None:
    while True:
        popped = client.brpop(["bench"], timeout=5)
        if popped:
            ticks.tick(*json.loads(popped[1]))


if __name__ == "__main__":
    consume()
