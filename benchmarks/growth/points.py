"""The points of a curve, and what is found by it. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import spread
from benchmarks.ground import Ground
from benchmarks.growth.effort import Effort
from benchmarks.growth.plans import Statement


@dataclass(frozen=True, slots=True)
class Point:
    """One figure: a measure (with its unit), of what, and its place on the curve.

    Rounds repeat it.
    """

    measure: str
    line: str
    x: float
    value: float


Line = Mapping[float, float]  # the medians by x, in order


@dataclass(frozen=True, slots=True)
class Curve:
    """Definition of a curve.

    `measure` yields points, and statements where it reads plans. `summary` names the limit that the
    points show, and the remedy.
    """

    name: str
    title: str
    about: str
    measure: Callable[[Ground, Effort], Iterator[Point | Statement]]
    summary: Callable[["Found"], str]


@dataclass(frozen=True, slots=True)
class Found:
    """Of one run of one curve. `statements` are those that read a table whole, or many rows."""

    date: str
    form: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    seconds: float
    points: Sequence[Point]
    statements: Sequence[Statement]
    explained: int  # different statements whose plans were looked at


def found_of(document: Mapping[str, Any]) -> Found:
    """Of what was written as JSON."""
    points = [Point(**point) for point in document["points"]]
    statements = [
        Statement(**{**each, "scanned": tuple(each["scanned"])}) for each in document["statements"]
    ]
    return Found(**{**document, "points": points, "statements": statements})


def lines(points: Iterable[Point], measure: str) -> dict[str, Line]:
    """By name, in the order in which they came first."""
    found: dict[str, dict[float, list[float]]] = {}
    for point in points:
        if point.measure == measure:
            found.setdefault(point.line, {}).setdefault(point.x, []).append(point.value)
    return {
        name: {x: spread(values).median for x, values in sorted(line.items())}
        for name, line in found.items()
    }


def measures(points: Iterable[Point]) -> list[str]:
    return list(dict.fromkeys(point.measure for point in points))


def growth(line: Line) -> float:
    """The last point as a multiple of the first; 1.0 for a line of one point, or from nothing."""
    values = list(line.values())
    return values[-1] / values[0] if values[0] else 1.0
