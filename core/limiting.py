"""How often something may be done: decided in the process, shared with the others through Redis beside the requests.

The `limits` package counts in Redis, by sliding windows. In the process this counts by the same rule itself: the package's
storage in memory starts a thread and walks through all its keys again and again while it is used, and never forgets a lock.
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

MOST_KEYS = 100_000  # that are remembered; beyond it, the ones that were quiet for the longest are forgotten
SOCKET_SECONDS = 2.0
SAY_AGAIN = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """So many times in so many seconds, by key. 0: no limit."""

    name: str
    most: int
    seconds: int


Key = tuple[Limit, str]


@dataclass(slots=True)
class Window:
    number: int
    count: int = 0
    before: int = 0  # in the window before it


class Limiter:
    """Thread-safe. A sliding window: what came in the window before counts by the part of it that is still in sight."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._windows: OrderedDict[Key, Window] = OrderedDict()
        self._closed: dict[Key, float] = {}  # until when, as all processes together have found
        self._news: Counter[Key] = Counter()  # for the others
        self._lock = threading.Lock()

    def hit(self, limit: Limit, key: str, *, tell: bool = True) -> float:
        """0.0 when it may be done, and counts; else the seconds after which it may be. With `tell` the others will know."""
        with self._lock:
            wait = self._look((limit, key))
            if not wait and limit.most:
                self._windows[limit, key].count += 1
                if tell:
                    self._note((limit, key))
        return wait

    def wait(self, limit: Limit, key: str) -> float:
        """The same, without counting it."""
        with self._lock:
            return self._look((limit, key))

    def left(self, limit: Limit, key: str) -> tuple[int, float]:
        """How often it may still be done, and the seconds after which it may be as often as it can be."""
        with self._lock:
            now = self._now()
            if (closed := self._closed.get((limit, key), 0.0)) > now:
                return 0, closed - now
            window, passed = self._window((limit, key), now), now / limit.seconds % 1
            left = limit.most - window.count - ceil(window.before * (1 - passed))
            return max(left, 0), (1 - passed) * limit.seconds

    def give_back(self, limit: Limit, key: str) -> None:
        """It did not have to be counted. Only for what the others were not told."""
        with self._lock:
            window = self._windows.get((limit, key))
            if window is not None and window.count > 0:
                window.count -= 1

    def tell(self, limit: Limit, key: str) -> None:
        """What was counted here is told to the others now."""
        with self._lock:
            self._note((limit, key))

    def news(self) -> Counter[Key]:
        """What the others have not been told yet; it counts as told then."""
        with self._lock:
            news, self._news = self._news, Counter()
        return news

    def close(self, place: Key, until: float) -> None:
        """All processes together have reached this limit. `until` in seconds since 1970."""
        with self._lock:
            self._closed[place] = until
            if len(self._closed) > MOST_KEYS:
                now = self._now()
                self._closed = {
                    place: until for place, until in self._closed.items() if until > now
                }
            while len(self._closed) > MOST_KEYS:  # the ones that were closed first
                del self._closed[next(iter(self._closed))]

    def _look(self, place: Key) -> float:
        limit, now = place[0], self._now()
        if not limit.most:
            return 0.0
        if (closed := self._closed.get(place)) is not None:
            if closed > now:
                return closed - now
            del self._closed[place]
        window = self._window(place, now)
        passed = now / limit.seconds % 1
        if window.before * (1 - passed) + window.count + 1 > limit.most:
            return max(self._until_room(window, limit, passed), 1.0)
        return 0.0

    def _note(self, place: Key) -> None:
        if place in self._news or len(self._news) < MOST_KEYS:
            self._news[place] += 1

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

    @staticmethod
    def _until_room(window: Window, limit: Limit, passed: float) -> float:
        """Until the part of the window before, or of this one, that is still in sight is small enough."""
        room = limit.most - window.count - 1
        if room >= 0 and window.before:
            return (1 - room / window.before - passed) * limit.seconds
        return (
            1 - passed + (1 - (limit.most - 1) / window.count if window.count else 0)
        ) * limit.seconds


class SharedLimits:
    """Tells Redis what was counted here, and the limiter what all processes have counted together. The package is loaded when
    there is something to tell, beside the requests.
    """

    def __init__(self, url: str, limiter: Limiter) -> None:
        self._url, self._limiter = url, limiter
        self._silent_until = 0.0

    @cached_property
    def _shared(self) -> "SlidingWindowCounterRateLimiter":
        from limits.storage import RedisStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        storage = RedisStorage(
            self._url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
        )
        return SlidingWindowCounterRateLimiter(storage)

    def exchange(self) -> None:
        """Never raises for a Redis that is away: then each process counts for itself."""
        news = self._limiter.news()
        try:
            for place, count in news.items():
                self._exchange(place, count)
        except (RedisError, OSError) as error:
            if time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + SAY_AGAIN
                logger.warning(
                    "limits are counted by each process for itself, Redis is away: %s",
                    type(error).__name__,
                )

    def _exchange(self, place: Key, count: int) -> None:
        from limits import RateLimitItemPerSecond

        limit, key = place
        item = RateLimitItemPerSecond(limit.most, limit.seconds, namespace=f"roadmap.{limit.name}")
        if self._shared.hit(item, key, cost=min(count, limit.most)):
            return
        room = self._shared.get_window_stats(item, key).remaining
        if room > 0:
            self._shared.hit(item, key, cost=room)
        too_many = max(
            count - room, 1
        )  # they have been let in: what comes next waits for as long as they are worth
        self._limiter.close(
            place, time.time() + min(too_many * limit.seconds / limit.most, limit.seconds)
        )


def whole_seconds(wait: float) -> int:
    """For Retry-After."""
    return max(1, ceil(wait))
