"""The curves, each a module: `measure(ground, effort)` gives points as they are found, `said` a sentence about all of them."""

from collections.abc import Mapping

from benchmarks.growth.curves import clients, day, messages, modes, records, roadmaps, workers
from benchmarks.growth.points import Curve

CURVES: Mapping[str, Curve] = {
    each.CURVE.name: each.CURVE
    for each in (workers, clients, roadmaps, records, day, messages, modes)
}
