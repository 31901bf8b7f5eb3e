"""Curves, one module each: `measure(ground, effort)` yields points, `summary` describes them."""

from collections.abc import Mapping

from benchmarks.growth.curves import clients, day, records, roadmaps, workers
from benchmarks.growth.points import Curve

CURVES: Mapping[str, Curve] = {
    each.CURVE.name: each.CURVE for each in (workers, clients, roadmaps, records, day)
}
