"""Sentences that several curves need. Pure."""

from collections.abc import Sequence

from benchmarks.figures import number
from benchmarks.growth.points import Line, Point, growth, lines, measures

SLOWER = 2.0  # times as long, from which on it is told
NOTICED = 5.0  # ms, below which nobody notices


def grown(points: Sequence[Point]) -> list[tuple[str, Line]]:
    """What takes at least twice as long at the end as at the begin, and long enough to be noticed: the worst first."""
    all_lines = [
        (f"{name} ({measure})", line)
        for measure in measures(points)
        for name, line in lines(points, measure).items()
    ]
    worse = [
        (name, line)
        for name, line in all_lines
        if growth(line) >= SLOWER and list(line.values())[-1] >= NOTICED
    ]
    return sorted(worse, key=lambda each: -growth(each[1]))


def worst_of(points: Sequence[Point]) -> str:
    """Which of them grow."""
    worse = grown(points)
    most = max(point.x for point in points)
    if not worse:
        return f"Nothing that takes {NOTICED:g} ms takes {SLOWER:g} times as long up to {most:,.0f}: there is no limit here yet."
    told = [
        f"{name} {number(next(iter(line.values())))} to {number(list(line.values())[-1])}"
        for name, line in worse
    ]
    most_said = f"What takes at least {SLOWER:g} times as long at {most:,.0f}: {'; '.join(told)}."
    return f"{most_said} All else takes less than that, or less than {NOTICED:g} ms."
