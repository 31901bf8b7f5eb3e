"""Background refresh of values that requests read without waiting."""

import asyncio
import logging
import threading
from collections.abc import Callable
from time import monotonic

from core.errors import RoadmapError

logger = logging.getLogger(__name__)

POLL = 0.01  # seconds between two looks of a request that waits for the first refresh


class BackgroundRefresh:
    """Runs `refresh` in its own thread every `every` seconds while `request()` is called."""

    def __init__(
        self,
        refresh: Callable[[], None],
        *,
        name: str,
        every: float = 1.0,
        idle_after: float = 60.0,
    ) -> None:
        self._refresh, self._name, self._every, self._idle_after = refresh, name, every, idle_after
        self._requested = threading.Event()
        self._stopping = threading.Event()
        self._requested_at = self._done_at = self._failed_at = float("-inf")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Refresh at once, so that the first request does not wait."""
        self._stopping.clear()
        self.request()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refresh once more, so that no count is lost, and end the thread."""
        self._stopping.set()
        self._requested.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def request(self) -> None:
        self._requested_at = monotonic()
        if not self._requested.is_set():
            self._requested.set()

    @property
    def age(self) -> float:
        """Seconds since the last refresh that succeeded."""
        return monotonic() - self._done_at

    async def is_recent(self, age: float, *, patience: float) -> bool:
        """Return whether the last refresh is recent; wait `patience` seconds for one."""
        self.request()
        began = monotonic()
        while self.age > age:
            if (
                self._failed_at > max(self._done_at, began - self._every)
                or monotonic() - began > patience
            ):
                return False
            await asyncio.sleep(POLL)
        return True

    def refresh_now(self) -> None:
        """Refresh in this thread, for values that are needed at once."""
        began = monotonic()
        self._refresh()
        self._done_at = began

    def _run(self) -> None:
        while not self._stopping.is_set():
            if monotonic() - self._requested_at > self._idle_after:
                self._requested.clear()
                # Again, since `request` may have been called in between
                if (
                    monotonic() - self._requested_at > self._idle_after
                    and not self._stopping.is_set()
                ):
                    self._requested.wait()
            self._try()
            self._stopping.wait(self._every)
        self._try()

    def _try(self) -> None:
        try:
            self.refresh_now()
        except RoadmapError as error:
            self._failed_at = monotonic()
            # core/db.py warns that the database is away.
            logger.debug("%s tries again: %s", self._name, error)
        except Exception:  # an edge: the next time may be better
            self._failed_at = monotonic()
            logger.exception("%s tries again", self._name)
