"""One thread of a consumer waits at the broker; the others wait here, at no cost, until it has found something."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PollLock:
    """`take()` gives the turn to one thread at a time; after `end()` nobody waits any more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self.ended = threading.Event()

    @contextmanager
    def take(self, timeout: float) -> Iterator[bool]:
        """False when it was not this thread's turn within `timeout` seconds, or the end came first."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self.ended.is_set(), timeout)
            mine = not self._taken and not self.ended.is_set()
            self._taken = self._taken or mine
        try:
            yield mine
        finally:
            if mine:
                with self._changed:
                    self._taken = False
                    self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self.ended.set()
            self._changed.notify_all()
