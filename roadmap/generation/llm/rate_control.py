"""Rate control of calls to a provider: additive increase, multiplicative decrease (RFC 5681)."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from roadmap.generation.context import Cause

WHEN_FULL = 1.0  # seconds to wait when all slots are taken
RESERVED = 2.0  # seconds for which a slot is reserved for work that comes first
REFUSED_A_SECOND = 10  # retries in each second
LONGEST_TURN = 20.0  # seconds to wait at most
FIRST_PAUSE = 2.0  # seconds; doubles with every 429 without a time
LONGEST_OWN_PAUSE = 60.0  # seconds, without a time of the provider
LONGEST_PAUSE = 300.0  # seconds, whatever the time of the provider


class ProviderRateLimited(Exception):
    """All slots are taken, or the provider wants a pause. Retry in `retry_after` seconds."""

    def __init__(self, retry_after: float, cause: Cause = Cause.slots) -> None:
        super().__init__(
            "The model is asked as often as it may be; "
            f"there is room again in about {retry_after:.0f} s."
        )
        self.retry_after = retry_after
        self.cause = cause


class RetryStagger:
    """Staggered times of retries that are refused at the same time. Thread-safe."""

    def __init__(self, *, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._second, self._refused = float("-inf"), 0
        self._lock = threading.Lock()

    def next(self) -> float:
        """Return seconds to wait, which grow with the number of refusals in this second."""
        with self._lock:
            now = self._now()
            if now - self._second >= 1:
                self._second, self._refused = now, 0
            self._refused += 1
            wait = min(max(WHEN_FULL, self._refused / REFUSED_A_SECOND), LONGEST_TURN)
        return wait * random.uniform(0.75, 1.25)


class RateControl:
    """Rate control. Thread-safe; `slow_down` and `went_well` run in the thread of the call.

    `slots` is the current limit of concurrent calls. Results of calls that began before the last
    `slow_down` are about the rate before it: no effect.
    """

    def __init__(self, limit: int, *, now: Callable[[], float] = monotonic) -> None:
        if limit < 1:
            raise ValueError("a pace needs at least one slot")
        self._limit, self.slots, self._now = limit, limit, now
        self._running = self._successes = self._pauses = self._slowdowns = 0
        # Closed for all work, and reserved for work that comes first.
        self._closed_until = self._reserved_until = float("-inf")
        self._turns = RetryStagger(now=now)
        self._lock = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def slot(self, *, first: bool = False) -> Iterator[None]:
        """Hold a slot for one piece of work. Raises ProviderRateLimited instead of waiting.

        When work that comes `first` finds no slot, the next one is reserved for it for a while.
        """
        with self._lock:
            self._check_open()
            now = self._now()
            if self._running >= self.slots or (not first and now < self._reserved_until):
                if not first:
                    raise ProviderRateLimited(self._turns.next())
                self._reserved_until = now + RESERVED
                raise ProviderRateLimited(WHEN_FULL / 2 * random.uniform(0.75, 1.25))
            if first:
                self._reserved_until = float("-inf")
            self._running += 1
            self._thread.began = self._slowdowns
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def restrict(self, limit: int) -> None:
        """Lower the limit of concurrent calls; those that run go on."""
        with self._lock:
            self._limit = min(self._limit, limit)
            self.slots = min(self.slots, self._limit)

    def begin(self) -> None:
        """Begin a call in a slot. Raises ProviderRateLimited while the provider wants a pause."""
        with self._lock:
            self._check_open()
            self._thread.began = self._slowdowns

    def slow_down(self, retry_after: float | None = None) -> None:
        """Note an answer 429, with or without seconds to wait."""
        with self._lock:
            fresh = self._began() == self._slowdowns
            if fresh:
                self.slots, self._successes = max(1, self.slots // 2), 0
                self._slowdowns += 1
                self._thread.began = self._slowdowns
            if retry_after is not None:
                pause = min(max(retry_after, 0.0), LONGEST_PAUSE)
            elif fresh:
                pause = min(FIRST_PAUSE * 2.0**self._pauses, LONGEST_OWN_PAUSE)
                self._pauses = min(self._pauses + 1, 10)  # its pause exceeds the longest one
            else:
                return
            self._closed_until = max(self._closed_until, self._now() + pause)

    def went_well(self) -> None:
        """Note a success; as many of these as there are slots add one slot."""
        with self._lock:
            if self._began() != self._slowdowns:
                return
            self._pauses = 0
            self._successes += 1
            if self._successes >= self.slots:
                self.slots, self._successes = min(self._limit, self.slots + 1), 0

    def _check_open(self) -> None:
        left = self._closed_until - self._now()
        if left > 0:
            # Spread, so that not all retries come at once.
            raise ProviderRateLimited(left + random.uniform(0, 1 + left / 4), Cause.rate_limit)

    def _began(self) -> int:
        """Return the slow-downs before the call of this thread, or all without a call."""
        began: int = getattr(self._thread, "began", self._slowdowns)
        return began
