"""Adaptive limit of concurrent calls to a provider, which backs off after each 429.

Additive increase, multiplicative decrease (AIMD), as TCP does it (RFC 5681).
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from roadmap.generation.context import Cause

MIN_RETRY_DELAY = 1.0  # seconds, when all slots are taken
RESERVATION = 2.0  # seconds for which a slot is reserved for work that comes first
RETRIES_PER_SECOND = 10  # over which refused retries are spread
MAX_RETRY_DELAY = 20.0  # seconds, when all slots are taken and many wait
INITIAL_BACKOFF = 2.0  # seconds; doubles with every 429 that names no time
MAX_BACKOFF = 60.0  # seconds, when the provider names no time
MAX_PAUSE = 300.0  # seconds, whatever time the provider names


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

    def next_delay(self) -> float:
        """Return seconds to wait, which grow with the number of refusals in this second."""
        with self._lock:
            now = self._now()
            if now - self._second >= 1:
                self._second, self._refused = now, 0
            self._refused += 1
            wait = min(max(MIN_RETRY_DELAY, self._refused / RETRIES_PER_SECOND), MAX_RETRY_DELAY)
        return wait * random.uniform(0.75, 1.25)


class AdaptiveConcurrencyLimit:
    """AIMD limit of concurrent calls: a success raises it, a 429 halves it. Thread-safe.

    `slots` is the current limit. `on_rate_limited` and `on_success` run in the thread of the call.
    Results of calls that began before the last decrease are about the rate before it: no effect.
    """

    def __init__(self, limit: int, *, now: Callable[[], float] = monotonic) -> None:
        if limit < 1:
            raise ValueError("a limit needs at least one slot")
        self._limit, self.slots, self._now = limit, limit, now
        self._running = self._successes = self._backoffs = self._decreases = 0
        # Paused for all work; the next slot is reserved for work that comes first.
        self._paused_until = self._reserved_until = float("-inf")
        self._stagger = RetryStagger(now=now)
        self._lock = threading.Lock()
        self._call = threading.local()

    @contextmanager
    def slot(self, *, first: bool = False) -> Iterator[None]:
        """Hold a slot for one piece of work. Raises ProviderRateLimited instead of waiting.

        When work that comes `first` finds no slot, the next one is reserved for it for a while.
        """
        with self._lock:
            self._check_pause()
            now = self._now()
            if self._running >= self.slots or (not first and now < self._reserved_until):
                if not first:
                    raise ProviderRateLimited(self._stagger.next_delay())
                self._reserved_until = now + RESERVATION
                raise ProviderRateLimited(MIN_RETRY_DELAY / 2 * random.uniform(0.75, 1.25))
            if first:
                self._reserved_until = float("-inf")
            self._running += 1
            self._call.decreases = self._decreases
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
            self._check_pause()
            self._call.decreases = self._decreases

    def on_rate_limited(self, retry_after: float | None = None) -> None:
        """Note an answer 429, with or without seconds to wait."""
        with self._lock:
            is_current = self._decreases_before_call() == self._decreases
            if is_current:
                self.slots, self._successes = max(1, self.slots // 2), 0
                self._decreases += 1
                self._call.decreases = self._decreases
            if retry_after is not None:
                pause = min(max(retry_after, 0.0), MAX_PAUSE)
            elif is_current:
                pause = min(INITIAL_BACKOFF * 2.0**self._backoffs, MAX_BACKOFF)
                self._backoffs = min(self._backoffs + 1, 10)  # its pause exceeds the longest one
            else:
                return
            self._paused_until = max(self._paused_until, self._now() + pause)

    def on_success(self) -> None:
        """Note a success; as many of these as there are slots add one slot."""
        with self._lock:
            if self._decreases_before_call() != self._decreases:
                return
            self._backoffs = 0
            self._successes += 1
            if self._successes >= self.slots:
                self.slots, self._successes = min(self._limit, self.slots + 1), 0

    def _check_pause(self) -> None:
        left = self._paused_until - self._now()
        if left > 0:
            # Spread, so that not all retries come at once.
            raise ProviderRateLimited(left + random.uniform(0, 1 + left / 4), Cause.rate_limit)

    def _decreases_before_call(self) -> int:
        """Return the count of decreases before the call of this thread, or all without a call."""
        decreases: int = getattr(self._call, "decreases", self._decreases)
        return decreases
