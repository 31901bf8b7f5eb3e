"""Requests a second over the workers of uvicorn (API_WORKERS): a goal is posted, a finished roadmap is read.

A service for each number of workers, all of them there at once; they take turns, round by round. No consumers run.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.contenders import PATH, Service
from benchmarks.figures import number, turns
from benchmarks.ground import Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.load import Load, Plan, load, request

RATE, GENERATOR = "requests/s", "load generator, % of a core"
POST, GET = "POST a goal", "GET a roadmap"
CLIENTS = 64
ENOUGH = 1.1  # times as much, below which more workers bring nothing that counts
ABOUT = """\
64 clients that send their next request when they have an answer, no Idempotency-Key, no consumers; the load generator,
PostgreSQL and Redis have the same cores."""


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


def said(found: Found) -> str:
    points, cores = found.points, found.machine["cores"]
    told = []
    for name, line in lines(points, RATE).items():
        best, first = max(line.values()), line[1]
        enough = min(count for count, rate in line.items() if rate * ENOUGH >= best)
        told.append(
            f"{name}: {number(first)} with one, at most {number(best)}, nine tenths of that with {enough:g}"
        )
    return (
        f"With the {cores} cores that everything shares here: {'; '.join(told)}. Where the API has cores of its own, give it a "
        "worker for each (API_WORKERS), and 11 connections of PostgreSQL to each at most; then a machine for the database."
    )


CURVE = Curve("workers", "Workers of the API", "workers", ABOUT, measure, said, is_even=False)
