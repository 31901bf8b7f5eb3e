"""Sentences and tables for several curves. Pure."""

from collections.abc import Iterable, Sequence

from benchmarks.figures import number
from benchmarks.growth.points import Line, Point, growth, lines, measures
from scripts.marked import markdown

SLOWER = 2.0  # times as long, from which on it is reported
NOTICED = 5.0  # ms, below which growth does not matter


def grown(points: Sequence[Point]) -> list[tuple[str, Line]]:
    """Return the lines that at least double and become noticeable, the worst first."""
    all_lines = [
        (f"{name} ({measure.removesuffix(', ms')})", line)
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
    """Return a table of the lines that grow."""
    worse = grown(points)
    least, most = first(points), last(points)
    if not worse:
        return f"Nothing that takes {NOTICED:g} ms or more doubles up to {most:,.0f}: no limit yet."
    head = (
        f"doubles, and takes {NOTICED:g} ms or more",
        f"ms at {least:,.0f}",
        f"ms at {most:,.0f}",
        "times",
    )
    rows = []
    for name, line in worse:
        begin, *_, end = line.values()
        rows.append((name, number(begin), number(end), f"{growth(line):.2f}"))
    return markdown(head, rows)


def first(points: Iterable[Point]) -> float:
    return min(point.x for point in points)


def last(points: Iterable[Point]) -> float:
    return max(point.x for point in points)
