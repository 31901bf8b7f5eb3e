"""Celery with late acknowledgement, which is what survives a killed worker.

`celery worker --pool threads`, four threads.
"""

import os

from celery import Celery

from benchmarks.peers.queues import ticks

app = Celery("bench", broker=os.environ["PLACE"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
)
task = app.task(name="tick")(ticks.tick)


def send(number: int, sent: float) -> None:
    task.delay(number, sent)
