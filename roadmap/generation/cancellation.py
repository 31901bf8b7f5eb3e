"""How work that runs learns that nobody wants it any more."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The row is not ours any more: somebody took it over, a person decided otherwise, or it is gone. Nothing is to be saved."""


class StopSignal:
    """Given once, from whatever thread. Who registers later than that is called at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # an edge: the others are to be stopped as well
                logger.exception("a call cannot be stopped")

    def on_stop(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if not self._stopped:
                self._callbacks.append(callback)
                return
        callback()
