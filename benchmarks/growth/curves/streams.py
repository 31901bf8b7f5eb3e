"""POST /api/v1/roadmaps and memory of the API while more and more event streams are open."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.contenders import STREAMS_OF_ONE, Service
from benchmarks.figures import number
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.idle import cpu_seconds
from benchmarks.load import Plan, held, load
from benchmarks.processes import pss
from benchmarks.report import filled

RATE, LATENCY, MEMORY, IDLE = "POST, requests/s", "POST, ms", "memory, MB", "idle, % of a core"
ACCEPTED, SLOW, HELD, RESTING = "accepted", "99 %", "PSS", "streams alone"
RATE_OF_LATENCY = 100  # requests a second
RESTS = 5  # seconds for which nothing but the streams is there
ABOUT = """\
One API process, no consumers. Latency is at 100 requests a second, beside streams of roadmaps that
wait for review."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    service = Service(members=-(-max(effort.streams) // STREAMS_OF_ONE))
    with service.serving(ground):
        for count in effort.streams:
            yield from _beside(ground, service, effort, count)
            service.empty()


def _beside(ground: Ground, service: Service, effort: Effort, count: int) -> Iterator[Point]:
    api = service.stack.services["api"].pid
    with ExitStack() as ends:
        if count:
            ends.enter_context(held(service.port, service.streams(count)))
        ground.settle()
        before = cpu_seconds(api)
        time.sleep(RESTS)
        used = cpu_seconds(api) - before
        yield Point(IDLE, RESTING, count, 100 * used / RESTS)
        yield Point(MEMORY, HELD, count, pss([api]))
        accepted = 0
        for turn in range(effort.rounds):
            say(f"streams: {count}, round {turn + 1} of {effort.rounds}")
            for rate in (None, RATE_OF_LATENCY):
                found = load(Plan(service.port, service.posts(), 202, effort.seconds, rate=rate))
                accepted += found.answered
                service.check(accepted + count)
                if rate is None:
                    yield Point(RATE, ACCEPTED, count, found.rate)
                else:
                    yield Point(LATENCY, SLOW, count, found.latencies["p99"])


def summary(found: Found) -> str:
    measured = {name: lines(found.points, name) for name in (RATE, LATENCY, MEMORY, IDLE)}
    least, most = (f(measured[RATE][ACCEPTED]) for f in (min, max))
    rate, slow, memory, idle = (
        measured[name][line]
        for name, line in ((RATE, ACCEPTED), (LATENCY, SLOW), (MEMORY, HELD), (IDLE, RESTING))
    )
    return filled(
        f"With {most:,.0f} open streams the API accepts {rate[most] / rate[least]:.2f} times "
        f"as many goals as with {least:,.0f}, 99 % within {number(slow[most])} ms instead of "
        f"{number(slow[least])}. "
        f"A stream takes {1000 * (memory[most] - memory[least]) / most:.0f} kB, "
        f"and all of them {number(idle[most])} % of a core while nothing happens."
    )


CURVE = Curve("streams", "Open event streams", "streams", ABOUT, measure, summary)
