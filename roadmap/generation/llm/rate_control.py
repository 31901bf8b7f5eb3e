"""How fast this process may ask a provider: additive increase, multiplicative decrease, as TCP does it (RFC 5681)."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from roadmap.generation.context import Cause

WHEN_FULL = 1.0  # seconds after which to come back when all slots are taken
RESERVED = 2.0  # seconds for which others are held back when what comes first found no room
REFUSED_A_SECOND, LONGEST_TURN = (
    10,
    20.0,
)  # others that are told to come back in each second; seconds
FIRST_PAUSE = 2.0  # seconds; doubles with every 429 that does not say how long
LONGEST_OWN_PAUSE = 60.0  # seconds, when the provider does not say
LONGEST_PAUSE = 300.0  # seconds, whatever the provider says


class ProviderRateLimited(Exception):
    """Not now: as many calls as may be are running, or the provider wants a pause. Come back in `retry_after` seconds."""

    def __init__(self, retry_after: float, cause: Cause = Cause.slots) -> None:
        super().__init__(
            f"The model is asked as often as it may be; there is room again in about {retry_after:.0f} s."
        )
        self.retry_after = retry_after
        self.cause = cause


class RetryStagger:
    """When to come back, for those who are all told so at the same time. Thread-safe."""

    def __init__(self, *, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._second, self._refused = float("-inf"), 0
        self._lock = threading.Lock()

    def next(self) -> float:
        """Seconds. The more are told so in this second, the more it is: hundreds would only keep the queue busy."""
        with self._lock:
            now = self._now()
            if now - self._second >= 1:
                self._second, self._refused = now, 0
            self._refused += 1
            wait = min(max(WHEN_FULL, self._refused / REFUSED_A_SECOND), LONGEST_TURN)
        return wait * random.uniform(0.75, 1.25)


class RateControl:
    """Thread-safe. `slow_down` and `went_well` are called by the thread that has begun the call.

    What a call says that began before the last `slow_down` is about the pace before it, and changes nothing.
    """

    def __init__(self, limit: int, *, now: Callable[[], float] = monotonic) -> None:
        if limit < 1:
            raise ValueError("a pace needs at least one slot")
        self._limit, self._slots, self._now = limit, limit, now
        self._running = self._successes = self._pauses = 0
        self._closed_until = float("-inf")
        self._reserved_until = float("-inf")  # for what comes first
        self._turns = RetryStagger(now=now)
        self._slowdowns = 0
        self._lock = threading.Lock()
        self._thread = threading.local()

    @property
    def slots(self) -> int:
        """How many calls may run at once now."""
        return self._slots

    @contextmanager
    def slot(self, *, first: bool = False) -> Iterator[None]:
        """Room for one piece of work. Raises Busy instead of waiting. What comes `first` is let in before the others: when
        it found no room, those find none either for a while.
        """
        with self._lock:
            self._admit(first)
            self._running += 1
            self._thread.began = self._slowdowns
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def begin(self) -> None:
        """Who has a slot begins a call, which need not be the first in it. Raises Busy while the provider wants a pause."""
        with self._lock:
            self._check_open()
            self._thread.began = self._slowdowns

    def slow_down(self, retry_after: float | None = None) -> None:
        """The provider answered 429, and said for how many seconds, or not."""
        with self._lock:
            fresh = self._began() == self._slowdowns
            if fresh:
                self._slots, self._successes = max(1, self._slots // 2), 0
                self._slowdowns += 1
                self._thread.began = self._slowdowns
            if fresh or retry_after is not None:
                self._closed_until = max(self._closed_until, self._now() + self._pause(retry_after))

    def went_well(self) -> None:
        """A call succeeded: one slot more after as many of those as there are slots."""
        with self._lock:
            if self._began() != self._slowdowns:
                return
            self._pauses = 0
            self._successes += 1
            if self._successes >= self._slots:
                self._slots, self._successes = min(self._limit, self._slots + 1), 0

    def _admit(self, first: bool) -> None:
        self._check_open()
        now = self._now()
        held_back = not first and now < self._reserved_until
        if self._running < self._slots and not held_back:
            if first:
                self._reserved_until = float("-inf")
            return
        if first:
            self._reserved_until = now + RESERVED
            raise ProviderRateLimited(WHEN_FULL / 2 * random.uniform(0.75, 1.25))
        raise ProviderRateLimited(self._turns.next())

    def _check_open(self) -> None:
        left = self._closed_until - self._now()
        if left > 0:
            raise ProviderRateLimited(
                left + random.uniform(0, 1 + left / 4), Cause.rate_limit
            )  # so that not everybody comes back at once

    def _began(self) -> int:
        """The number of slow-downs before the call of this thread; a thread that never took a slot speaks of now."""
        began: int = getattr(self._thread, "began", self._slowdowns)
        return began

    def _pause(self, retry_after: float | None) -> float:
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_PAUSE)
        pause = min(FIRST_PAUSE * 2.0**self._pauses, LONGEST_OWN_PAUSE)
        self._pauses = min(self._pauses + 1, 10)  # longer than the longest by then
        return pause
