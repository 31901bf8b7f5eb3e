"""Figures, and medians with their spread, ratios within a round and percentiles of them. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Contender = TypeVar("Contender")
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure: subject, measure of it (in its unit), of whom, and the round, from 0."""

    subject: str
    measure: str
    contender: str
    round: int
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are none."""
    if not values:
        raise ValueError("there are no figures")
    return Spread(statistics.median(values), min(values), max(values))


def values_of(
    samples: Iterable[Sample], subject: str, measure: str, contender: str
) -> dict[int, float]:
    """By round."""
    return {
        sample.round: sample.value
        for sample in samples
        if (sample.subject, sample.measure, sample.contender) == (subject, measure, contender)
    }


def ratio(ours: dict[int, float], theirs: dict[int, float]) -> Spread:
    """Of what was measured in the same round. Raises ValueError when no round has both."""
    return spread(
        [
            ours[number] / theirs[number]
            for number in sorted(ours.keys() & theirs.keys())
            if theirs[number]
        ]
    )


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """By name: the smallest value that so large a share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there are no figures")
    return {
        name: ordered[max(-(-len(ordered) * round(share * 1000) // 1000) - 1, 0)]
        for name, share in PERCENTILES.items()
    }


def number(value: float) -> str:
    """With as many digits as it can mean."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def turns(contenders: Sequence[Contender], rounds: int) -> Iterator[tuple[int, Contender]]:
    """Yield each contender once a round, in the opposite order every other round."""
    for count in range(rounds):
        for contender in contenders if count % 2 == 0 else reversed(contenders):
            yield count, contender
