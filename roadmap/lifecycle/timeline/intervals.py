"""Union and difference of intervals of moments or numbers."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

Point = TypeVar("Point", datetime, float)


def union(intervals: Iterable[tuple[Point, Point]]) -> list[tuple[Point, Point]]:
    """Return the same in intervals that do not touch, in order."""
    found: list[tuple[Point, Point]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(
    intervals: Iterable[tuple[Point, Point]], others: Iterable[tuple[Point, Point]]
) -> list[tuple[Point, Point]]:
    """Return what of these is in none of the others; both are unions."""
    taken = list(others)
    found: list[tuple[Point, Point]] = []
    for start, end in intervals:
        at = start
        for other_start, other_end in taken:
            if other_end <= at or other_start >= end:
                continue
            if other_start > at:
                found.append((at, other_start))
            at = max(at, other_end)
        if at < end:
            found.append((at, end))
    return found


def seconds_of(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    return round(sum((end - start).total_seconds() for start, end in intervals), 3)
