"""Workload: roadmaps a day, their calls of a model, and how soon (seconds)"""

import math
from dataclasses import dataclass, field
from random import Random

DAY, HOUR = 86_400.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Lognormal latency of a call; `spread` is the deviation of the logarithm, 0: constant."""

    median: float
    spread: float = 0.0

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.spread**2 / 2)

    def drawn(self, random: Random) -> float:
        return self.median * math.exp(self.spread * random.normalvariate(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Workload:
    """A day of roadmaps and the model that writes them.

    `busiest` is how many times the mean the busiest hour has. An outline takes so many calls in the
    mean (an analysis, a draft, and now and then a repair). `share` of the roadmaps should be ready
    `within` seconds. The provider allows so many requests and tokens a minute, and calls `at_once`;
    0: no limit.
    """

    a_day: float
    busiest: float = 3.0
    contents: int = 90
    outline_calls: float = 2.2
    outline: Latency = field(default_factory=lambda: Latency(20.0, 0.4))
    content: Latency = field(default_factory=lambda: Latency(8.0, 0.5))
    outline_tokens: int = 6_000
    content_tokens: int = 2_500
    requests: float = 30_000  # what a provider allows a large customer; ask yours
    tokens: float = 180_000_000
    at_once: int = 0
    within: float = 600.0
    share: float = 0.9

    @property
    def rate(self) -> float:
        """Roadmaps a second in the busiest hour."""
        return self.a_day * self.busiest / DAY

    @property
    def calls(self) -> float:
        """Calls of a roadmap, in the mean."""
        return self.outline_calls + self.contents

    @property
    def tokens_of_roadmap(self) -> float:
        return self.outline_calls * self.outline_tokens + self.contents * self.content_tokens

    @property
    def seconds_of_calls(self) -> float:
        """Time for which the model works for a roadmap, in the mean."""
        return self.outline_calls * self.outline.mean + self.contents * self.content.mean

    def most_a_day(self) -> float:
        """Roadmaps a day of this shape that the provider allows; infinite without limits."""
        used = (
            (self.requests, self.calls * 60),
            (self.tokens, self.tokens_of_roadmap * 60),
            (self.at_once, self.seconds_of_calls),
        )
        rate = min((limit / each for limit, each in used if limit), default=math.inf)
        return rate * DAY / self.busiest
