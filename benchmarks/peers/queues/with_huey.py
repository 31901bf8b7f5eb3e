"""Huey: stock, and as the service uses it; CONTENDER is a name of benchmarks/delivery.py.

`huey_consumer`, four threads.
"""

import os

from benchmarks.delivery import make_queue
from benchmarks.peers.queues import ticks

queue = make_queue(os.environ["CONTENDER"], os.environ["PLACE"], "bench")
task = queue.task()(ticks.tick)


def send(number: int, sent: float) -> None:
    task(number, sent)
