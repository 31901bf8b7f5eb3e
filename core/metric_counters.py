"""Counters and histograms of the process.

`roadmap/operations/metrics_store.py` saves them. A count takes a microsecond, from any thread, and
never waits. Each metric has a limited number of label sets (`Metric.most`); further ones count as
"other".
"""

import json
import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from core.metric_definitions import METRICS, Kind, Metric

OTHER = "other"
SUM, BEYOND = "sum", "+Inf"  # parts of a histogram beside the buckets, named by upper bounds

LabelSet = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class MetricDelta:
    """Amount added to a number since the last look.

    `labels` is a JSON object of text with sorted keys. `part` is empty for a counter; for a
    histogram it is `sum` or the upper bound of a bucket, which does not contain the lower ones.
    """

    name: str
    labels: str
    part: str
    value: float


class MetricCounters:
    """Counters and histograms. Thread-safe. `taken()` returns and clears the counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, LabelSet], float] = {}
        # The sum, then a count for each bucket
        self._spreads: dict[tuple[str, LabelSet], list[float]] = {}
        # Name and labels as given: as counted
        self._known: dict[tuple[str, LabelSet], tuple[str, LabelSet]] = {}
        self._sets: dict[str, int] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter. Raises KeyError or ValueError for an unknown name or labels."""
        given = (name, tuple(labels.items()))
        with self._lock:
            key = self._known.get(given) or self._admit(given, Kind.counter)
            self._counts[key] = self._counts.get(key, 0) + value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add to a histogram. Raises KeyError or ValueError for an unknown name or labels."""
        given = (name, tuple(labels.items()))
        bounds = METRICS[name].bounds
        with self._lock:
            key = self._known.get(given) or self._admit(given, Kind.histogram)
            spread = self._spreads.get(key)
            if spread is None:
                spread = self._spreads[key] = [0.0] * (len(bounds) + 2)
            spread[0] += seconds
            spread[1 + bisect_left(bounds, seconds)] += 1

    def taken(self) -> list[MetricDelta]:
        """Return all counts, sorted, and clear them."""
        with self._lock:
            counts, self._counts = self._counts, {}
            spreads, self._spreads = self._spreads, {}
        taken = [
            MetricDelta(name, _text(labels), "", value) for (name, labels), value in counts.items()
        ]
        for (name, labels), (total, *buckets) in spreads.items():
            text, parts = _text(labels), parts_of(METRICS[name])
            taken.append(MetricDelta(name, text, SUM, total))
            taken += [
                MetricDelta(name, text, part, number)
                for part, number in zip(parts, buckets, strict=True)
                if number
            ]
        return sorted(taken)

    def _admit(self, given: tuple[str, LabelSet], kind: Kind) -> tuple[str, LabelSet]:
        """Return the key to count under. Requires the lock."""
        name, labels = given
        metric, values = METRICS[name], dict(labels)
        if metric.kind is not kind or set(values) != set(metric.labels):
            raise ValueError(
                f"{name} is a {metric.kind} with the labels {metric.labels}, "
                f"not a {kind} with {tuple(values)}"
            )
        key = (name, tuple((label, values[label]) for label in metric.labels))
        if self._known.get(key) is None:
            if self._sets.get(name, 0) >= metric.most:
                return name, tuple((label, OTHER) for label in metric.labels)
            self._sets[name] = self._sets.get(name, 0) + 1
        self._known[given] = self._known[key] = key
        return key


def parts_of(metric: Metric) -> list[str]:
    """Return the names of a histogram's buckets, from the lowest."""
    return [*(repr(bound) for bound in metric.bounds), BEYOND]


def _text(labels: LabelSet) -> str:
    return json.dumps(dict(labels), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


Gauges = dict[str, float]  # by metric; the value of a further label follows after a space

gauges: list[Callable[[], Gauges]] = []  # each module adds a function for its present values

counters = MetricCounters()
count, observe, taken = counters.count, counters.observe, counters.taken
