"""Embedded mode (SQLite) against server mode (PostgreSQL and Redis).

Rates of goals accepted, roadmaps read and roadmaps built. Nothing is built while goals are accepted
and roadmaps read: server mode has no consumers then, and those of embedded mode are paused.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter

from benchmarks.contenders import PATH, Service, goal
from benchmarks.figures import number, turns
from benchmarks.ground import BenchmarkFailed, Ground, say
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, lines
from benchmarks.idle import DEFAULTS
from benchmarks.load import Plan, load, request
from benchmarks.report import filled
from scripts.marked import markdown
from testing.stack import FINAL, Stack, embedded_stack, running
from testing.stack_queues import queue_of

RATE, BUILT = "requests/s", "roadmaps built/s"
POST, GET = "POST a goal", "GET a roadmap"
SERVER, EMBEDDED = "server mode", "embedded mode"
CLIENTS = (1, 32)
ABOUT = """\
One API process and both consumers with default settings in each mode; the better rate of one and of
32 clients while consumers rest."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    service = Service()
    with (
        service.serving(ground),
        running(embedded_stack(ground.folder("embedded"), **DEFAULTS)) as embedded,
    ):
        service.stack.headers = service.headers(service.tokens[0])
        for turn, name in turns((SERVER, EMBEDDED), effort.rounds):
            say(
                f"modes: {name}, {effort.built} roadmaps are built, "
                f"round {turn + 1} of {effort.rounds}"
            )
            with service.consuming() if name == SERVER else ExitStack():
                yield Point(
                    BUILT,
                    name,
                    1,
                    _built(service.stack if name == SERVER else embedded, effort.built),
                )
        with _paused(embedded):
            modes = {
                SERVER: (service.stack, service.posts()),
                EMBEDDED: (embedded, _posts(service)),
            }
            reads = {name: _read(stack) for name, (stack, _) in modes.items()}
            for turn, name in turns(list(modes), effort.rounds):
                stack, posts = modes[name]
                ground.settle()
                for count in CLIENTS:
                    say(f"modes: {name}, {count} clients, round {turn + 1} of {effort.rounds}")
                    read = load(
                        Plan(stack.port, [reads[name]], 200, effort.seconds, connections=count)
                    )
                    posted = load(Plan(stack.port, posts, 202, effort.seconds, connections=count))
                    yield Point(RATE, f"{GET}, {name}", count, read.rate)
                    yield Point(RATE, f"{POST}, {name}", count, posted.rate)


def _built(stack: Stack, count: int) -> float:
    """Roadmaps a second. Raises BenchmarkFailed."""
    stack.finished(stack.create(goal(0)))  # every process loads what it needs
    began = perf_counter()
    paths = [stack.create(goal(number)) for number in range(count)]
    ended = [stack.finished(path)["status"] for path in paths]
    if other := set(ended) - {"ready"}:
        raise BenchmarkFailed(
            f"roadmaps of the catalogue ended as {', '.join(sorted(other))} in {stack.mode} mode"
        )
    return count / (perf_counter() - began)


@contextmanager
def _paused(stack: Stack) -> Iterator[None]:
    """Its consumers take no contents from the queue, and afterwards none are left there."""
    with queue_of(stack) as queue:
        queue.storage.pause()
        yield
        queue.storage.flush_queue()
        queue.storage.resume()


def _posts(service: Service) -> list[str]:
    """The same goals, by the person at this machine."""
    return [
        post.replace(
            f"Authorization: {post.partition('Authorization: ')[2].partition(chr(13))[0]}\r\n", ""
        )
        for post in service.posts()
    ]


def _read(stack: Stack) -> str:
    """A request for a roadmap that is ready."""
    items = stack.get(f"{PATH}?status=ready&limit=1").json()["items"]
    if not items or items[0]["status"] not in FINAL:
        raise BenchmarkFailed("there is no finished roadmap to read")
    return request(
        "GET", f"{PATH}/{items[0]['id']}", {**stack.headers, "Accept": "application/json"}
    )


def summary(found: Found) -> str:
    rates, built = (lines(found.points, each) for each in (RATE, BUILT))
    kinds = {
        "goals accepted": (rates[f"{POST}, {mode}"] for mode in (SERVER, EMBEDDED)),
        "roadmaps read": (rates[f"{GET}, {mode}"] for mode in (SERVER, EMBEDDED)),
        "roadmaps built": (built[mode] for mode in (SERVER, EMBEDDED)),
    }
    rows = []
    for name, both in kinds.items():
        server, embedded = (max(line.values()) for line in both)
        rows.append((name, number(server), number(embedded), f"{embedded / server:.2f}"))
    advice = filled(
        "Speed does not limit embedded mode; one writer and one machine do. Use server mode for "
        "accounts or for a second machine."
    )
    return f"{markdown(('a second', SERVER, EMBEDDED, 'ratio'), rows)}\n\n{advice}"


CURVE = Curve("modes", "SQLite and PostgreSQL", "clients", ABOUT, measure, summary)
