"""What becomes of POST /api/v1/roadmaps when ever more clients send at once: requests a second, and how long each waits."""

from collections.abc import Iterator

from benchmarks.contenders import Service
from benchmarks.figures import number, turns
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.load import Plan, load

RATE, LATENCY, NAME = "POST, requests/s", "POST, ms", "one worker"
PERCENTILES = {"p50": "50 %", "p99": "99 %"}
SLOW = 100.0  # ms at 99 %, which the service holds itself to
ABOUT = """\
Each client has a connection and sends its next goal when it has the answer to the one before; 200 accounts, one API process,
no consumers. Every answer was 202, and each has its row, its event, its message and its record of the log."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    service = Service()
    with service.serving(ground):
        for turn, count in turns(effort.clients, effort.rounds):
            say(f"clients: {count}, round {turn + 1} of {effort.rounds}")
            ground.settle()
            found = load(
                Plan(service.port, service.posts(), 202, effort.seconds, connections=count)
            )
            service.check(found.answered)
            service.empty()
            yield Point(RATE, NAME, count, found.rate)
            for percentile, name in PERCENTILES.items():
                yield Point(LATENCY, name, count, found.latencies[percentile])


def said(found: Found) -> str:
    points = found.points
    rates, slow = lines(points, RATE)[NAME], lines(points, LATENCY)["99 %"]
    within = [count for count, ms in slow.items() if ms <= SLOW]
    most = max(slow)
    limit = f"up to {max(within):g} clients" if within else "with no number of clients"
    return (
        f"One process accepts at most {number(max(rates.values()))} goals a second; from there on more clients only wait for "
        f"each other: {number(slow[most])} ms at 99 % with {most:g}, none refused. It stays within {SLOW:g} ms at 99 % {limit}. "
        "What helps then is another worker, where there is a core for it."
    )


CURVE = Curve("clients", "Clients at once", "clients", ABOUT, measure, said)
