"""Dramatiq, which acknowledges late by itself. One process with four threads."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.queues import ticks

dramatiq.set_broker(RedisBroker(url=os.environ["PLACE"]))
task = dramatiq.actor(ticks.tick)


def send(number: int, sent: float) -> None:
    task.send(number, sent)
