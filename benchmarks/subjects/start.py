"""The time of a process from its start until it is of use.

That is for a consumer until it runs a task that waits for it, for the API until it accepts a goal.
The service starts through entrypoint.sh, so that its checks count; both kinds of server are there
already. And how long its first goal takes once it is ready, against the following ones.
"""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import redis

from benchmarks.contenders import Bare, FastApi, Peer, Service, goal
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import BenchmarkFailed, Ground, ask, say, until
from benchmarks.subjects.queue import Turn, huey
from benchmarks.targets import (
    BARE,
    FASTAPI,
    FIRST,
    OURS,
    PREFORK,
    START,
    STOCK,
    THREADS,
    TO_ANSWER,
    TO_TASK,
)
from testing.waiting import HANG

PAUSE = 0.002  # seconds between two tries
FOLLOWING = 24  # goals after the first
READY = "GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
PLANNING = "SELECT extract(epoch FROM at) FROM roadmap_event WHERE type = 'roadmap.planning'"
STARTED = "started"  # of benchmarks/peers/fastapi_celery/worker.py
Measure = Callable[[], float]


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    if not effort.starts:
        return
    service, peer, bare = Service(), FastApi(), Bare()
    with ExitStack() as ends:
        for contender in (service, peer, bare):
            ends.enter_context(contender.serving(ground))
        consumers: list[tuple[str, Measure]] = [
            (OURS, lambda: _consumer(service)),
            (PREFORK, lambda: _worker(ground, peer, "prefork", 2)),
            (THREADS, lambda: _worker(ground, peer, "threads", 4)),
            (STOCK, lambda: _stock(ground)),
        ]
        yield from _samples(TO_TASK, consumers, effort.starts)
        service.stack.api.stop()
        for each in (peer, bare):
            each.program.stop()
        apis: list[tuple[str, Measure]] = [
            (OURS, lambda: _api(service)),
            (FASTAPI, lambda: _server(ground, peer)),
            (BARE, lambda: _server(ground, bare)),
        ]
        yield from _samples(TO_ANSWER, apis, effort.starts)
        yield from _samples(FIRST, [(OURS, lambda: _first(service))], 2 * effort.starts)


def _samples(measured: str, contenders: list[tuple[str, Measure]], rounds: int) -> Iterator[Sample]:
    for number, (name, seconds) in turns(contenders, rounds):
        say(f"start: {name}, {measured}, round {number + 1} of {rounds}")
        yield Sample(START, measured, name, number, seconds())


def _consumer(service: Service) -> float:
    """Until the event that a roadmap is being planned, by its own time."""
    service.empty()
    service.stack.create(goal(1))
    service.check(1)
    began = time.time()
    consumer = service.stack.content.start()
    try:
        return (
            float(until(lambda: ask(service.url, PLANNING), OURS, "a roadmap is planned")[0][0])
            - began
        )
    finally:
        consumer.stop()


def _worker(ground: Ground, peer: FastApi, pool: str, at_once: int) -> float:
    """Until its task began, by the time that it notes itself."""
    peer.empty()
    client = redis.Redis.from_url(peer.environment["REDIS_URL"])
    client.delete(STARTED)
    _ask(peer.port, peer.posts()[0])
    began = time.time()
    with peer.worker(ground, "content", pool=pool, at_once=at_once):
        return (
            float(until(lambda: client.get(STARTED), f"{FASTAPI}, {pool}", "a task has begun"))
            - began
        )


def _stock(ground: Ground) -> float:
    """Of a consumer that has nothing but its empty task to load."""
    turn = Turn(ground, huey(STOCK, "redis-stock"), 1)
    turn.send(0, 1)
    began = time.perf_counter()
    with turn.consumer() as program:
        return float(turn.times(program)["first"]) - began


def _api(service: Service) -> float:
    service.empty()
    began = time.perf_counter()
    api = service.stack.api.start()
    try:
        return _until_answered(service.port, service.posts()[0]) - began
    finally:
        api.stop()


def _first(service: Service) -> float:
    service.empty()
    api = service.stack.api.start()
    try:
        _until_answered(service.port, READY, 200)
        first, *following = (
            _seconds(service.port, request) for request in service.posts()[: 1 + FOLLOWING]
        )
        return first / statistics.median(following)
    finally:
        api.stop()


def _server(ground: Ground, peer: Peer) -> float:
    began = time.perf_counter()
    with peer.program_serving(ground):
        return _until_answered(peer.port, peer.posts()[0]) - began


def _seconds(port: int, request: str) -> float:
    began = time.perf_counter()
    _ask(port, request)
    return time.perf_counter() - began


def _until_answered(port: int, request: str, status: int = 202) -> float:
    """The moment (perf_counter) of the first answer with this status."""
    deadline = time.perf_counter() + HANG
    while time.perf_counter() < deadline:
        try:
            _ask(port, request, status)
        except ConnectionError:
            time.sleep(PAUSE)
            continue
        return time.perf_counter()
    raise BenchmarkFailed(f"nothing was answered within {HANG:g} s of the start")


def _ask(port: int, request: str, status: int = 202) -> None:
    """Raises ConnectionError, and BenchmarkFailed when the status is another."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(4096)
    if not answer.startswith(b"HTTP/1.1 %d" % status):
        raise BenchmarkFailed(f"{request[:30]!r}: {answer[:300].decode(errors='replace')}")
