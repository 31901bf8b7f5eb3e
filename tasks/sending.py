"""Sends steps from a thread of its own, so that no answer ever waits for the broker.

What cannot be sent is dropped with a warning: the rows are committed, and rescue enqueues them when the broker is back.
"""

import logging
import queue
import threading
from collections.abc import Sequence

from roadmap.steps import Step
from tasks.content import send
from tasks.queues import content_queue

logger = logging.getLogger(__name__)

WAITING = 1000  # batches; while the broker hangs, later ones are left to rescue


class Sender:
    """`start()`, `submit(steps)` as often as needed, `stop()`."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Sequence[Step] | None] = queue.Queue(maxsize=WAITING)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="Sender", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what is waiting, then end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, steps: Sequence[Step]) -> None:
        """Never blocks and never fails. In immediate mode the steps run here, before it returns."""
        if content_queue.immediate:
            send(steps)
            return
        try:
            self._queue.put_nowait(steps)
        except queue.Full:
            logger.warning("%d steps are left to rescue: too many wait for the broker", len(steps))

    def _run(self) -> None:
        while (steps := self._queue.get()) is not None:
            try:
                send(steps)
            except content_queue.storage.faults as error:
                logger.warning("%d steps are left to rescue, the broker does not take them: %s", len(steps), error)
