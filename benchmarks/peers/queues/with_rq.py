"""RQ, by its SimpleWorker, which runs tasks in one process and is nearest.

It has no threads; its default forks for each task.
"""

import os

from redis import Redis
from rq import Queue

from benchmarks.peers.queues import ticks

queue = Queue("bench", connection=Redis.from_url(os.environ["PLACE"]))


def send(number: int, sent: float) -> None:
    queue.enqueue(ticks.tick, number, sent, result_ttl=0)
