"""What is asked for: how many roadmaps, of what, from which model, and how soon. All times are seconds."""

import math
from dataclasses import dataclass, field
from random import Random

DAY, HOUR = 86_400.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Of a call, lognormal: half of them take longer than the median; `spread` is the deviation of the logarithm, 0: constant."""

    median: float
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.median < math.inf and 0 <= self.spread < math.inf):
            raise ValueError("a latency is a finite time above 0, and its spread not negative")

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.spread**2 / 2)

    def drawn(self, random: Random) -> float:
        return (
            self.median * math.exp(self.spread * random.normalvariate(0.0, 1.0))
            if self.spread
            else self.median
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the model's provider, in any `window` seconds: requests and tokens that may be begun; and calls at once. 0: no limit."""

    requests: float = 0
    tokens: float = 0
    at_once: int = 0
    window: float = 60.0

    @property
    def exist(self) -> bool:
        return bool(self.requests or self.tokens or self.at_once)


@dataclass(frozen=True, slots=True)
class Workload:
    """`busiest` is how many times as much as in the mean is asked for in the busiest hour. Of an outline there are so many calls
    in the mean (an analysis, a draft, and now and then a repair). `share` of the roadmaps should be ready `within` seconds.
    """

    a_day: float
    busiest: float = 3.0
    contents: int = 90
    outline_calls: float = 2.2
    outline: Latency = field(default_factory=lambda: Latency(20.0, 0.4))
    content: Latency = field(default_factory=lambda: Latency(8.0, 0.5))
    outline_tokens: int = 6_000
    content_tokens: int = 2_500
    limits: Limits = Limits()
    within: float = 600.0
    share: float = 0.9

    def __post_init__(self) -> None:
        limits = self.limits
        if not 1 <= self.busiest <= DAY / HOUR:
            raise ValueError("the busiest hour has between 1 and 24 times as much as the mean")
        if not (
            0 < self.a_day < math.inf and self.contents >= 1 and 1 <= self.outline_calls < math.inf
        ):
            raise ValueError("a day needs roadmaps, a roadmap a call for its outline and contents")
        if not (0 < self.share < 1 and self.within > 0):
            raise ValueError(
                "what should be ready needs a share between 0 and 1, and a time above 0"
            )
        if not (
            limits.requests >= 0
            and limits.tokens >= 0
            and limits.at_once >= 0
            and limits.window > 0
        ):
            raise ValueError("a limit is not negative, and 0 where there is none")

    @property
    def rate(self) -> float:
        """Roadmaps a second in the busiest hour."""
        return self.a_day * self.busiest / DAY

    @property
    def calls(self) -> float:
        """Of a roadmap, in the mean."""
        return self.outline_calls + self.contents

    @property
    def tokens(self) -> float:
        """Of a roadmap, in the mean."""
        return self.outline_calls * self.outline_tokens + self.contents * self.content_tokens

    @property
    def seconds_of_calls(self) -> float:
        """That the model works for a roadmap, in the mean."""
        return self.outline_calls * self.outline.mean + self.contents * self.content.mean

    def most_a_day(self) -> float:
        """How many roadmaps a day of this shape the provider's limits allow, in its busiest hour; infinite without limits."""
        limits, most = self.limits, math.inf
        if limits.requests:
            most = min(most, limits.requests / limits.window / self.calls)
        if limits.tokens:
            most = min(most, limits.tokens / limits.window / self.tokens)
        if limits.at_once:
            most = min(most, limits.at_once / self.seconds_of_calls)
        return most * DAY / self.busiest
