"""Size of each curve: in full for docs/PERFORMANCE.md, or quick for a first look."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """The points of each curve, seconds of a turn under load, and requests for a page."""

    form: str
    seconds: float
    rounds: int
    tries: int  # of each page, one after the other
    workers: Sequence[int]
    clients: Sequence[int]
    roadmaps: Sequence[int]
    whole: int  # roadmaps that have contents, at most
    records: Sequence[int]  # of the log
    day_seconds: float  # for which roadmaps are made, while memory is measured


FULL = Effort(
    form="in full",
    seconds=4,
    rounds=3,
    tries=60,
    workers=(1, 2, 3, 4),
    clients=(1, 10, 100, 300, 1000),
    roadmaps=(10, 1_000, 100_000, 1_000_000),
    whole=10_000,
    records=(10_000, 1_000_000, 10_000_000),
    day_seconds=420,
)
QUICK = Effort(
    form="the quick form",
    seconds=1,
    rounds=2,
    tries=20,
    workers=(1, 2, 4),
    clients=(1, 10, 100, 300),
    roadmaps=(10, 1_000, 50_000),
    whole=1_000,
    records=(10_000, 200_000),
    day_seconds=40,
)
