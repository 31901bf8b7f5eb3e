"""POST /api/v1/roadmaps from more and more clients at once: rate and latency."""

from collections.abc import Iterator

from benchmarks.contenders import Service
from benchmarks.figures import number, turns
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.load import Plan, load
from benchmarks.report import filled
from scripts.marked import markdown

RATE, LATENCY, NAME = "POST, requests/s", "POST, ms", "one worker"
PERCENTILES = {"p50": "50 %", "p99": "99 %"}
SLOW = 100.0  # ms at 99 %: the bound of the service
ABOUT = """\
One API process, no consumers; each client sends its next goal when it has an answer. Every answer
was 202 and has its row, event, message and log record."""


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


def summary(found: Found) -> str:
    points = found.points
    rates, (median, slow) = lines(points, RATE)[NAME], lines(points, LATENCY).values()
    within = [count for count, ms in slow.items() if ms <= SLOW]
    most = max(slow)
    limit = f"up to {max(within):g} clients" if within else "with no number of clients"
    head = ("clients", "requests/s", "50 %, ms", "99 %, ms")
    rows = [(f"{x:,.0f}", *(number(line[x]) for line in (rates, median, slow))) for x in rates]
    limits = filled(
        f"One process accepts at most {number(max(rates.values()))} goals a second. More clients "
        f"wait longer, {number(slow[most])} ms at 99 % with {most:,.0f}; none is refused. "
        "The bound of "
        f"{SLOW:g} ms at 99 % holds {limit}. Beyond that, add a worker where a core is free."
    )
    return f"{markdown(head, rows)}\n\n{limits}"


CURVE = Curve("clients", "Clients at once", ABOUT, measure, summary)
