"""Curves, one module each: `measure(ground, effort)` yields points, `summary` describes them."""

from collections.abc import Mapping

from benchmarks.growth.curves import (
    clients,
    day,
    messages,
    modes,
    records,
    roadmaps,
    streams,
    workers,
)
from benchmarks.growth.points import Curve

CURVES: Mapping[str, Curve] = {
    each.CURVE.name: each.CURVE
    for each in (workers, clients, streams, roadmaps, records, day, messages, modes)
}
