"""Requests a second over the workers of uvicorn (API_WORKERS).

A goal is posted, and a finished roadmap is read. One service for each number of workers runs, all
at once; they take turns, round by round. No consumers run.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.contenders import PATH, Service
from benchmarks.figures import number, turns
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.load import Load, Plan, load, request
from benchmarks.report import filled
from scripts.marked import markdown

RATE, GENERATOR = "requests/s", "load generator, % of a core"
POST, GET = "POST a goal", "GET a roadmap"
CLIENTS = 64
API_CONNECTIONS = 13  # of the pools of a process (core/backends.py)
ENOUGH = 1.1  # times as much, below which more workers do not help
ABOUT = """\
64 clients, no Idempotency-Key, no consumers."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    services = {count: Service(API_WORKERS=str(count)) for count in effort.workers}
    with ExitStack() as ends:
        reads = {}
        for count, service in services.items():
            say(f"workers: {count} are started")
            ends.enter_context(service.serving(ground))
            tree = service.finished_roadmap()
            reads[count] = request(
                "GET", f"{PATH}/{tree['id']}", service.headers(service.tokens[0])
            )
        for turn, count in turns(list(services), effort.rounds):
            say(f"workers: {count}, round {turn + 1} of {effort.rounds}")
            port = services[count].port
            ground.settle()
            read = load(Plan(port, [reads[count]], 200, effort.seconds, connections=CLIENTS))
            yield from _points(GET, count, read)
            posted = load(
                Plan(port, services[count].posts(), 202, effort.seconds, connections=CLIENTS)
            )
            yield from _points(POST, count, posted)
            services[count].empty_queues()


def _points(line: str, count: int, found: Load) -> Iterator[Point]:
    yield Point(RATE, line, count, found.rate)
    yield Point(GENERATOR, line, count, found.cpu * 100)


def summary(found: Found) -> str:
    rows = []
    for name, line in lines(found.points, RATE).items():
        best, first = max(line.values()), line[1]
        enough = min(count for count, rate in line.items() if rate * ENOUGH >= best)
        rows.append((name, number(first), number(best), f"{enough:g}"))
    head = ("requests/s", "one worker", "at most", "nine tenths of that with")
    advice = filled(
        "Give the API one worker for each core of its own "
        f"(`API_WORKERS`), with up to {API_CONNECTIONS} PostgreSQL connections each."
    )
    return f"{markdown(head, rows)}\n\n{advice}"


CURVE = Curve("workers", "Workers of the API", ABOUT, measure, summary)
