"""The most open connections to PostgreSQL when everybody is busy at once.

Goals are accepted, roadmaps are read, streams followed, and the consumers make roadmaps and write
the log.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contenders import PATH, Contender, FastApi, Service
from benchmarks.effort import Effort
from benchmarks.figures import Sample
from benchmarks.ground import Ground, say
from benchmarks.load import Plan, held, load, request
from benchmarks.processes import most_connections
from benchmarks.targets import CONNECTIONS, FASTAPI, OPEN, OURS

CLIENTS, STREAMS = 32, 50


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    seconds = max(effort.seconds, 3.0)
    service = Service()
    say(f"connections: {OURS}, for {seconds:g} s")
    with service.serving(ground):
        tree = service.finished_roadmap()
        streams = service.streams(STREAMS)
        with (
            service.consuming(),
            held(service.port, streams),
            most_connections(service.url) as most,
        ):
            _busy(service, (PATH, f"{PATH}/{tree['id']}"), seconds)
    yield from _samples(OURS, most)
    if not effort.is_short:
        say(f"connections: {FASTAPI}, for {seconds:g} s")
        peer = FastApi()
        peer.trees = [[tree]]
        with (
            peer.serving(ground),
            peer.consuming(ground),
            most_connections(peer.environment["DATABASE_URL"]) as most,
        ):
            _busy(peer, (f"{PATH}/{tree['id']}",), seconds)
        yield from _samples(FASTAPI, most)


def _busy(contender: Contender, paths: Sequence[str], seconds: float) -> None:
    """Goals are sent, and these are read by the first account."""
    headers = contender.headers(contender.tokens[0])
    reads = [request("GET", path, headers) for path in paths]
    loads = (
        Plan(contender.port, contender.posts(), 202, seconds, connections=CLIENTS),
        Plan(contender.port, reads, 200, seconds, connections=CLIENTS),
    )
    with ThreadPoolExecutor(len(loads)) as pool:
        list(pool.map(load, loads))


def _samples(name: str, most: Counter[str]) -> Iterator[Sample]:
    """All together, and by the name that each process gives itself."""
    yield Sample(CONNECTIONS, OPEN, name, 0, most.total())
    for application, count in sorted(most.items()):
        yield Sample(CONNECTIONS, OPEN, f"{name}: {application}", 0, count)
