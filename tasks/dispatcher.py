"""Send jobs to the queue, from a thread of its own so that no response waits for the broker.

A circuit breaker: when the broker fails, jobs wait in a bounded line while one try after another,
with growing pauses, finds out whether it is back. Jobs that find no room in the line, or still wait
at the end, are left to rescue: their rows are committed, and it enqueues them later.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from core import clock, tracing
from core.connection_errors import broker_trouble
from core.db import database
from core.ids import new_hex
from roadmap.plan.statuses import Job
from tasks.queues import BEFORE_CONTENTS, REGISTRY, content_queue

logger = logging.getLogger(__name__)

WAITING = 1000  # batches
LARGEST = 500  # jobs in one round trip
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two tries
GATHERING = 0.01  # seconds in which jobs come together for one round trip


def enqueue(jobs: Iterable[Job]) -> None:
    """Enqueue the jobs that a domain function returned, in one round trip, each in its own trace.

    Call it after the commit, with no session open.
    """
    messages: list[Any] = []
    for job in jobs:
        eta = clock.now() + timedelta(seconds=job.delay) if job.delay else None
        priority = BEFORE_CONTENTS if job.first else None  # that of the task
        task = REGISTRY[job.name]
        messages.append(task.s(str(job.id), eta=eta, priority=priority, id=new_hex()))
        messages[-1].carried = tracing.message_fields(job.trace)
    content_queue.enqueue_many(messages)


class Sender:
    """`start()`, `submit(jobs)` as often as needed, `stop()`."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Sequence[Job]] = queue.Queue(maxsize=WAITING)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="Sender", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what is waiting, if the broker takes it at once, then end the thread."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait([])  # wakes the thread
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def submit(self, jobs: Sequence[Job]) -> None:
        """Never blocks and never fails. In immediate mode the jobs run here, before it returns."""
        if content_queue.immediate:
            enqueue(jobs)
            return
        try:
            self._queue.put_nowait(jobs)
        except queue.Full:
            logger.warning("%d jobs are left to rescue: too many wait for the broker", len(jobs))

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            jobs = list(self._queue.get())
            self._stopping.wait(GATHERING)
            while len(jobs) < LARGEST and not self._queue.empty():  # in one round trip
                jobs += self._queue.get()
            if jobs and not self._sent(jobs):
                logger.warning("%d jobs and more are left to rescue: the broker is away", len(jobs))
                return

    def _sent(self, jobs: Sequence[Job]) -> bool:
        """Try until the broker has taken them; False when the end comes first."""
        pause = FIRST_PAUSE
        while True:
            try:
                enqueue(jobs)
                if pause > FIRST_PAUSE:
                    logger.warning("the broker is back, %d jobs are sent", len(jobs))
                return True
            except content_queue.storage.faults as error:
                if pause == FIRST_PAUSE:
                    logger.warning(
                        "the broker does not take %d jobs, trying until it does: %s",
                        len(jobs),
                        broker_trouble(error),
                    )
            except Exception:  # an edge: jobs that cannot be sent must not hold up the next ones
                logger.exception("%d jobs are left to rescue", len(jobs))
                return True
            if self._stopping.wait(pause):
                return False
            pause = min(pause * 2, LONGEST_PAUSE)


sender = Sender()  # of the API


def send_after_commit(jobs: Sequence[Job]) -> None:
    """Send jobs after the commit they follow from. Never waits for the broker."""
    database.after_commit(partial(sender.submit, jobs))
