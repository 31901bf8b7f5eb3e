"""Counts what happens, in the process: a microsecond each, from whatever thread. Who saves it is `roadmap/measures.py`.

Nothing here waits, asks anybody or grows without bound: of each metric so many label sets (`Metric.most`) are told apart,
and what comes after them counts as "other".
"""

import json
import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from core.metrics import METRICS, Kind, Metric

OTHER = "other"
SUM, BEYOND = (
    "sum",
    "+Inf",
)  # parts of a histogram beside its buckets, which are named by their upper bounds

LabelSet = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """What has been added to one number. `labels` is a JSON object of text with its keys in order; `part` is empty for a
    counter, and for a histogram `sum` or the upper bound of a bucket, which does not contain those below it.
    """

    name: str
    labels: str
    part: str
    value: float


class Measuring:
    """Thread-safe. `taken()` gives what was counted since it was last asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, LabelSet], float] = {}
        self._spreads: dict[
            tuple[str, LabelSet], list[float]
        ] = {}  # the sum, then a count for each bucket
        self._known: dict[
            tuple[str, LabelSet], tuple[str, LabelSet]
        ] = {}  # as it was given, and as it is counted
        self._sets: dict[str, int] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter. Raises KeyError or ValueError when there is no such counter with such labels."""
        given = (name, tuple(labels.items()))
        with self._lock:
            key = self._known.get(given) or self._admit(given, Kind.counter)
            self._counts[key] = self._counts.get(key, 0) + value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add to a histogram. Raises KeyError or ValueError when there is no such histogram with such labels."""
        given = (name, tuple(labels.items()))
        bounds = METRICS[name].bounds
        with self._lock:
            key = self._known.get(given) or self._admit(given, Kind.histogram)
            spread = self._spreads.get(key)
            if spread is None:
                spread = self._spreads[key] = [0.0] * (len(bounds) + 2)
            spread[0] += seconds
            spread[1 + bisect_left(bounds, seconds)] += 1

    def taken(self) -> list[Counted]:
        """Sorted, each number once. It is forgotten here then."""
        with self._lock:
            counts, self._counts = self._counts, {}
            spreads, self._spreads = self._spreads, {}
        taken = [
            Counted(name, _text(labels), "", value) for (name, labels), value in counts.items()
        ]
        for (name, labels), (total, *buckets) in spreads.items():
            text, parts = _text(labels), parts_of(METRICS[name])
            taken.append(Counted(name, text, SUM, total))
            taken += [
                Counted(name, text, part, number)
                for part, number in zip(parts, buckets, strict=True)
                if number
            ]
        return sorted(taken)

    def _admit(self, given: tuple[str, LabelSet], kind: Kind) -> tuple[str, LabelSet]:
        """Called with the lock. A set that is one too many is not even remembered."""
        name, labels = given
        metric, told = METRICS[name], dict(labels)
        if metric.kind is not kind or set(told) != set(metric.labels):
            raise ValueError(
                f"{name} is a {metric.kind} with the labels {metric.labels}, not a {kind} with {tuple(told)}"
            )
        key = (name, tuple((label, told[label]) for label in metric.labels))
        if self._known.get(key) is None:
            if self._sets.get(name, 0) >= metric.most:
                return name, tuple((label, OTHER) for label in metric.labels)
            self._sets[name] = self._sets.get(name, 0) + 1
        self._known[given] = self._known[key] = key
        return key


def parts_of(metric: Metric) -> list[str]:
    """The names of a histogram's buckets, from the lowest."""
    return [*(repr(bound) for bound in metric.bounds), BEYOND]


def _text(labels: LabelSet) -> str:
    return json.dumps(dict(labels), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


Gauges = dict[
    str, float
]  # by the name of the metric; the value of a further label stands behind it, after a space

gauges: list[
    Callable[[], Gauges]
] = []  # what this process is just now; whoever knows a part of it adds a function here

measuring = Measuring()
count, observe, taken = measuring.count, measuring.observe, measuring.taken
