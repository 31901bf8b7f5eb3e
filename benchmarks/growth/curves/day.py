"""Memory of the API and both consumers while roadmaps are made without a pause.

Some minutes of this are a day's work of a team.
"""

from collections.abc import Iterator
from time import monotonic

from benchmarks.contenders import goal
from benchmarks.figures import number
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.processes import pss
from benchmarks.report import filled
from testing.stack import Stack, running

PSS, ALL = "PSS, MB", "all"
AT_ONCE = 20  # roadmaps that are made at the same time
LOOKS = 20
STEADY = 1.03  # what it may grow by over the second half
ABOUT = """\
Memory is PSS. Roadmaps with 90 contents each are made with default settings, 20 at a time."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    with running(ground.stack()) as stack:
        stack.finished(stack.create(goal(0)))
        made, began = 1, monotonic()
        yield from _memory(stack, made)
        while (passed := monotonic() - began) < effort.day_seconds:
            until_then = passed + effort.day_seconds / LOOKS
            while monotonic() - began < until_then:
                paths = [stack.create(goal(number)) for number in range(made, made + AT_ONCE)]
                for path in paths:
                    stack.finished(path)
                made += AT_ONCE
            say(f"day: {made} roadmaps are made after {monotonic() - began:.0f} s")
            yield from _memory(stack, made)


def _memory(stack: Stack, made: int) -> Iterator[Point]:
    each = {name: pss([service.pid]) for name, service in stack.services.items()}
    for name, megabytes in {**each, ALL: sum(each.values())}.items():
        yield Point(PSS, name, made, megabytes)


def summary(found: Found) -> str:
    points = found.points
    line = lines(points, PSS)[ALL]
    made, (first, *_) = max(line), line.values()
    half = min(line, key=lambda x: abs(x - made / 2))
    grown = line[made] / line[half]
    verdict = (
        "Memory does not grow with roadmaps, and no process needs a restart."
        if grown <= STEADY
        else "That is more than noise: find the cause. Restarting the consumers loses nothing."
    )
    return filled(
        f"{made:,.0f} roadmaps were made in {found.seconds / 60:.0f} minutes. "
        f"API and both consumers used {number(first)} MB after the first, "
        f"{number(line[half])} after {half:,.0f} and {number(line[made])} at the end: "
        f"{grown:.3f} times as "
        f"much over the second half. {verdict}"
    )


CURVE = Curve("day", "A day of work", ABOUT, measure, summary)
