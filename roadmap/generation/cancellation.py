"""Cancellation of running work."""

import logging
import threading
from collections.abc import Callable
from time import monotonic

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The row was taken over, changed by a person or deleted: do not save anything."""


class StopSignal:
    """Thread-safe stop signal. Callbacks that are registered after it are called at once.

    `begun` is when the newest step of the work began, by the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stopped, self.begun = False, monotonic()
        self._callbacks: list[Callable[[], object]] = []

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # an edge: the others are to be stopped as well
                logger.exception("a call cannot be stopped")

    def on_stop(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if not self.stopped:
                self._callbacks.append(callback)
                return
        callback()
