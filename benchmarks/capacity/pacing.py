"""What `roadmap/pace.py` and a model's provider decide, by the clock of a simulation and with its dice; a test compares."""

from collections import deque
from random import Random

from benchmarks.capacity.workload import Limits
from roadmap.pace import (
    FIRST_PAUSE,
    LONGEST_OWN_PAUSE,
    LONGEST_PAUSE,
    LONGEST_TURN,
    REFUSED_A_SECOND,
    RESERVED,
    WHEN_FULL,
)

NEVER = float("-inf")
COME_BACK = 1.0  # seconds that a provider says when too many calls run at once


class Pacing:
    """Of one process. What waits is told the seconds; 0.0: it may begin."""

    def __init__(self, limit: int, random: Random) -> None:
        self.limit = self.slots = limit
        self.running = self.slowdowns = self._successes = self._pauses = self._refused = 0
        self._closed_until = self._reserved_until = self._second = NEVER
        self._random = random

    def admit(self, now: float, *, first: bool) -> float:
        """A slot; whoever gets one gives it back by `running -= 1`."""
        if wait := self.begin(now):
            return wait
        if self.running < self.slots and (first or now >= self._reserved_until):
            if first:
                self._reserved_until = NEVER
            self.running += 1
            return 0.0
        if first:
            self._reserved_until = now + RESERVED
            return WHEN_FULL / 2 * self._random.uniform(0.75, 1.25)
        if now - self._second >= 1:
            self._second, self._refused = now, 0
        self._refused += 1
        return min(
            max(WHEN_FULL, self._refused / REFUSED_A_SECOND), LONGEST_TURN
        ) * self._random.uniform(0.75, 1.25)

    def begin(self, now: float) -> float:
        """A call of whoever has a slot."""
        left = self._closed_until - now
        return left + self._random.uniform(0, 1 + left / 4) if left > 0 else 0.0

    def slow_down(self, now: float, began: int, retry_after: float | None) -> int:
        """A call that began after so many slow-downs was refused; after how many its thread stands now."""
        is_fresh = began == self.slowdowns
        if is_fresh:
            self.slots, self._successes = max(1, self.slots // 2), 0
            self.slowdowns += 1
        if is_fresh or retry_after is not None:
            self._closed_until = max(self._closed_until, now + self._pause(retry_after))
        return self.slowdowns if is_fresh else began

    def went_well(self, began: int) -> None:
        if began != self.slowdowns:
            return
        self._pauses = 0
        self._successes += 1
        if self._successes >= self.slots:
            self.slots, self._successes = min(self.limit, self.slots + 1), 0

    def _pause(self, retry_after: float | None) -> float:
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_PAUSE)
        pause = min(FIRST_PAUSE * 2.0**self._pauses, LONGEST_OWN_PAUSE)
        self._pauses = min(self._pauses + 1, 10)
        return pause


class Provider:
    """Refuses what is beyond its limits: of requests and of tokens in any window, and of calls at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self.running = limits, 0
        self._begun: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def refuses(self, now: float, tokens: int) -> float:
        """The seconds after which to come back; 0.0: the call has begun."""
        limits, begun = self._limits, self._begun
        while begun and begun[0][0] <= now - limits.window:
            self._tokens -= begun.popleft()[1]
        if limits.at_once and self.running >= limits.at_once:
            return COME_BACK
        too_many = limits.requests and len(begun) + 1 > limits.requests
        if begun and (too_many or (limits.tokens and self._tokens + tokens > limits.tokens)):
            return max(begun[0][0] + limits.window - now, 0.01)
        begun.append((now, tokens))
        self._tokens += tokens
        self.running += 1
        return 0.0
