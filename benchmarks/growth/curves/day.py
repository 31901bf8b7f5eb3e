"""The memory of the API and both consumers while roadmaps are made, as many as there is time for: a day's work, if one takes
what is made in these minutes for what a small team asks for in a day.
"""

from collections.abc import Iterator
from time import monotonic

from benchmarks.contenders import goal
from benchmarks.figures import number
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.processes import pss
from tests.stack import Stack, running

PSS, ALL = "PSS, MB", "all three"
AT_ONCE = 20  # roadmaps that are made at the same time
LOOKS = 20
LONGEST = 300  # seconds until they are
USUAL = 1_000  # roadmaps that a large team asks for in a day
STEADY = 1.03  # what it may grow by over the second half
ABOUT = """\
Memory is PSS, in millions of bytes; 20 roadmaps of the catalogue are made at the same time, 90 contents each, one after the other
for as long as the form allows, with the settings of a newcomer. Each is asked for until it is finished, and so read often."""


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
                    stack.finished(path, timeout=LONGEST)
                made += AT_ONCE
            say(f"day: {made} roadmaps are made after {monotonic() - began:.0f} s")
            yield from _memory(stack, made)


def _memory(stack: Stack, made: int) -> Iterator[Point]:
    each = {name: pss([service.pid]) for name, service in stack.services.items()}
    for name, megabytes in {**each, ALL: sum(each.values())}.items():
        yield Point(PSS, name, made, megabytes)


def said(found: Found) -> str:
    points = found.points
    line = lines(points, PSS)[ALL]
    made, (first, *_) = max(line), line.values()
    half = min(line, key=lambda x: abs(x - made / 2))
    grown = line[made] / line[half]
    verdict = (
        "It does not grow with the roadmaps that are made, and no process has to be started anew."
        if grown <= STEADY
        else "That is more than chance: look at what keeps it, and start the consumers anew meanwhile, which loses nothing."
    )
    return (
        f"{made:,.0f} roadmaps were made in {found.seconds / 60:.0f} minutes, {made / USUAL:.1f} days of a team that asks for "
        f"{USUAL:,} a day: {number(first)} MB after the first, {number(line[half])} after {half:,.0f}, "
        f"{number(line[made])} in the end; over the last half that is {grown:.3f} times as much. {verdict}"
    )


CURVE = Curve("day", "A day of work", "roadmaps made", ABOUT, measure, said, is_even=False)
