"""taskiq on a Redis stream, which acknowledges late.

Its tasks are coroutines in the loop of one worker process.
"""

import asyncio
import os
from functools import cache

from taskiq_redis import RedisStreamBroker

from benchmarks.peers.queues import ticks

broker = RedisStreamBroker(os.environ["PLACE"])


@broker.task
async def task(number: int, sent: float) -> None:
    ticks.tick(number, sent)


def send(number: int, sent: float) -> None:
    _loop().run_until_complete(task.kiq(number, sent))


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """With the broker started, as its documentation asks of who sends."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())
    return loop
