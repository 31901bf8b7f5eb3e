"""Embedded mode, as `make run` starts it: from a goal to its roadmap, by its own events."""

from collections.abc import Iterator
from datetime import datetime
from json import loads

from benchmarks.contenders import goal
from benchmarks.effort import Effort
from benchmarks.figures import Sample
from benchmarks.ground import DEFAULTS, BenchmarkFailed, Ground, say
from benchmarks.targets import EMBEDDED, OURS, TO_READY
from testing.stack import embedded_stack, running


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    if effort.is_short:
        return
    with running(embedded_stack(ground.folder("embedded"), **DEFAULTS)) as stack:
        stack.finished(stack.create(goal(0)))  # every process loads what it needs
        for number in range(effort.rounds):
            say(f"embedded: round {number + 1} of {effort.rounds}")
            path = stack.create(goal(number + 1))
            if (status := stack.finished(path)["status"]) != "ready":
                raise BenchmarkFailed(f"{OURS}: a roadmap of the catalogue ended as {status}")
            at = {
                event["event"]: datetime.fromisoformat(loads(event["data"])["at"])
                for event in stack.events(path)
            }
            yield Sample(
                EMBEDDED,
                TO_READY,
                OURS,
                number,
                (at["roadmap.ready"] - at["roadmap.queued"]).total_seconds(),
            )
