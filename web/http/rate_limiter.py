"""Rate limiter that decides in the process and shares its counts through Redis.

Both count by sliding windows: the process in memory, all processes together in Redis by a script.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import redis
from redis.commands.core import Script

logger = logging.getLogger(__name__)

MOST_KEYS = 100_000  # in memory; beyond it, the least recently used are forgotten
SOCKET_SECONDS = 2.0
SAY_AGAIN = 60.0  # seconds
# Counts as many as fit into the limit, and returns how many. Keys are those of the window before
# and of this one, arguments the limit, the length of the window in milliseconds, and how many.
SHARE = """
local window = tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[2])
if left > 0 and left < window then  -- it is over, and now the one before
  redis.call('RENAME', KEYS[2], KEYS[1])
  redis.call('SET', KEYS[2], 0, 'PX', left + window)
end
local covered = math.max(redis.call('PTTL', KEYS[1]), 0) / window
local before = math.floor((redis.call('GET', KEYS[1]) or 0) * covered)
local room = ARGV[1] - before - (redis.call('GET', KEYS[2]) or 0)
local counted = math.max(math.min(tonumber(ARGV[3]), room), 0)
if counted > 0 then
  redis.call('INCRBY', KEYS[2], counted)
  if left < 0 then redis.call('PEXPIRE', KEYS[2], window * 2) end
end
return counted"""


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
    """Exchanges counts with Redis and closes limits that are reached in total."""

    def __init__(self, url: str, limiter: Limiter) -> None:
        self._url, self._limiter = url, limiter
        self._silent_until = 0.0

    @cached_property
    def _share(self) -> Script:
        client = redis.Redis.from_url(
            self._url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            driver_info=None,  # as in reliable_queue/redis_storage.py
        )
        return client.register_script(SHARE)

    def exchange(self) -> None:
        """Share new counts. While Redis is away each process counts for itself."""
        try:
            for (limit, key), count in self._limiter.take_pending().items():
                name = f"LIMITS:{{roadmap.{limit.name}/{key}/{limit.most}/{limit.seconds}/second}}"
                fitting = min(count, limit.most)
                granted = self._share(
                    [f"{name}/-1", name], [limit.most, limit.seconds * 1000, fitting]
                )
                if granted == fitting:
                    continue
                # Too many were let in: the next ones wait for as long in return.
                wait = max(count - granted, 1) * limit.seconds / limit.most
                self._limiter.block_until((limit, key), time.time() + min(wait, limit.seconds))
        except (redis.RedisError, OSError) as error:
            if time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + SAY_AGAIN
                logger.warning(
                    "Redis is unavailable, so each process counts rate limits alone: %s",
                    type(error).__name__,
                )


def whole_seconds(wait: float) -> int:
    """Return a wait as the value of Retry-After."""
    return max(1, ceil(wait))
