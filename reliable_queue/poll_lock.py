"""Lock for polling: one thread waits at the broker, the others for the lock."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PollLock:
    """Lock of one thread at a time. After `end()` no thread waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self.ended = threading.Event()

    @contextmanager
    def take(self, timeout: float) -> Iterator[bool]:
        """Yield whether this thread got the lock in `timeout` seconds, before the end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_taken or self.ended.is_set(), timeout)
            is_mine = not self._is_taken and not self.ended.is_set()
            self._is_taken = self._is_taken or is_mine
        try:
            yield is_mine
        finally:
            if is_mine:
                with self._changed:
                    self._is_taken = False
                    self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self.ended.set()
            self._changed.notify_all()
