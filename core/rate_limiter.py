"""Rate limiter that decides in the process and shares its counts through Redis.

In Redis the `limits` package counts by sliding windows. In the process this module counts by the
same rule: the package's own storage in memory starts a thread that walks through all keys again
and again, and never deletes a lock.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from redis import RedisError

if TYPE_CHECKING:
    from limits.strategies import SlidingWindowCounterRateLimiter

logger = logging.getLogger(__name__)

MOST_KEYS = 100_000  # in memory; beyond it, the least recently used are forgotten
SOCKET_SECONDS = 2.0
SAY_AGAIN = 60.0  # seconds


@dataclass(frozen=True, slots=True, eq=False)  # by identity: it is part of each key
class Limit:
    """Rate limit by key: `most` times in `seconds` seconds; 0 means no limit."""

    name: str
    most: int
    seconds: int


Key = tuple[Limit, str]


@dataclass(slots=True)
class Window:
    """Counts of one window of time."""

    number: int
    count: int = 0
    before: int = 0  # in the window before it


class Limiter:
    """Sliding-window rate limiter. Thread-safe.

    The count of the window before is weighted by the part of it that the sliding window covers.
    """

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._windows: OrderedDict[Key, Window] = OrderedDict()
        self._blocked: dict[Key, float] = {}  # until when, by the counts of all processes
        self._pending: Counter[Key] = Counter()  # for the other processes
        self._lock = threading.RLock()

    def hit(self, limit: Limit, key: str, *, publish: bool = True) -> float:
        """Count one and return 0.0, or return the seconds to wait. `publish` shares it."""
        with self._lock:
            wait = self.wait(limit, key)
            if not wait and limit.most:
                self._windows[limit, key].count += 1
                if publish:
                    self.publish(limit, key)
        return wait

    def wait(self, limit: Limit, key: str) -> float:
        """Return the seconds to wait, 0.0 for none, without counting."""
        if not limit.most:
            return 0.0
        place = (limit, key)
        with self._lock:
            now = self._now()
            if (blocked := self._blocked.get(place)) is not None:
                if blocked > now:
                    return blocked - now
                del self._blocked[place]
            window, passed = self._window(place, now), now / limit.seconds % 1
            if window.before * (1 - passed) + window.count + 1 <= limit.most:
                return 0.0
            # Until the part of the window before, or of this one, that is covered is small enough
            room = limit.most - window.count - 1
            if room >= 0 and window.before:
                wait = 1 - room / window.before - passed
            else:
                wait = 1 - passed + (1 - (limit.most - 1) / window.count if window.count else 0)
            return max(wait * limit.seconds, 1.0)

    def left(self, limit: Limit, key: str) -> tuple[int, float]:
        """Return the remaining number and the seconds until the limit is whole again."""
        with self._lock:
            now = self._now()
            if (blocked := self._blocked.get((limit, key), 0.0)) > now:
                return 0, blocked - now
            window, passed = self._window((limit, key), now), now / limit.seconds % 1
            left = limit.most - window.count - ceil(window.before * (1 - passed))
            return max(left, 0), (1 - passed) * limit.seconds

    def refund(self, limit: Limit, key: str) -> None:
        """Take one count back. Only for counts that were not shared."""
        with self._lock:
            window = self._windows.get((limit, key))
            if window is not None and window.count > 0:
                window.count -= 1

    def publish(self, limit: Limit, key: str) -> None:
        """Share a count that was made without `publish`."""
        place = (limit, key)
        with self._lock:
            if place in self._pending or len(self._pending) < MOST_KEYS:
                self._pending[place] += 1

    def take_pending(self) -> Counter[Key]:
        """Return the counts that were not shared yet, and forget them."""
        with self._lock:
            pending, self._pending = self._pending, Counter()
        return pending

    def block_until(self, place: Key, until: float) -> None:
        """Block a key until a Unix time: all processes together have reached the limit."""
        with self._lock:
            self._blocked[place] = until
            if len(self._blocked) > MOST_KEYS:
                now = self._now()
                self._blocked = {
                    place: until for place, until in self._blocked.items() if until > now
                }
            while len(self._blocked) > MOST_KEYS:  # the ones that were closed first
                del self._blocked[next(iter(self._blocked))]

    def _window(self, place: Key, now: float) -> Window:
        number = int(now // place[0].seconds)
        window = self._windows.get(place)
        if window is None:
            window = self._windows[place] = Window(number)
            if len(self._windows) > MOST_KEYS:
                self._windows.popitem(last=False)
        elif window.number != number:
            window.before = window.count if window.number == number - 1 else 0
            window.number, window.count = number, 0
        self._windows.move_to_end(place)
        return window


class SharedLimits:
    """Exchanges counts with Redis and closes limits that are reached in total.

    The `limits` package is loaded with the first exchange, beside the requests.
    """

    def __init__(self, url: str, limiter: Limiter) -> None:
        self._url, self._limiter = url, limiter
        self._silent_until = 0.0

    @cached_property
    def _shared(self) -> "SlidingWindowCounterRateLimiter":
        import limits

        storage = limits.storage.RedisStorage(
            self._url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
        )
        return limits.strategies.SlidingWindowCounterRateLimiter(storage)

    def exchange(self) -> None:
        """Share new counts. While Redis is away each process counts for itself."""
        try:
            for (limit, key), count in self._limiter.take_pending().items():
                import limits

                item = limits.RateLimitItemPerSecond(
                    limit.most, limit.seconds, namespace=f"roadmap.{limit.name}"
                )
                if self._shared.hit(item, key, cost=min(count, limit.most)):
                    continue
                room = self._shared.get_window_stats(item, key).remaining
                if room > 0:
                    self._shared.hit(item, key, cost=room)
                # Too many were let in: the next ones wait for as long in return.
                wait = max(count - room, 1) * limit.seconds / limit.most
                self._limiter.block_until((limit, key), time.time() + min(wait, limit.seconds))
        except (RedisError, OSError) as error:
            if time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + SAY_AGAIN
                logger.warning(
                    "Redis is unavailable, so each process counts rate limits alone: %s",
                    type(error).__name__,
                )


def whole_seconds(wait: float) -> int:
    """Return a wait as the value of Retry-After."""
    return max(1, ceil(wait))
