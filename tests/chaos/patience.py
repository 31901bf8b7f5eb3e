"""Patience of a soak: it waits as long as something finishes."""

import time
from collections.abc import Callable

STALLED = 60
"""Seconds in which nothing has finished, after which nothing is expected to."""


class Patience:
    """It is over when `finished` has not grown for STALLED seconds of `clock`."""

    def __init__(
        self, finished: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._finished, self._clock = finished, clock
        self._most, self._grew_at = finished(), clock()

    def is_over(self) -> bool:
        finished, now = self._finished(), self._clock()
        if finished > self._most:
            self._most, self._grew_at = finished, now
        return now - self._grew_at >= STALLED
