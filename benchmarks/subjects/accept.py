"""POST /api/v1/roadmaps: requests a second, latency at 100 a second, and while 500 people watch.

Of the service with an Idempotency-Key on each request, and without one: most peers have none.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.contenders import Bare, Contender, FastApi, Handwritten, Lean, Service
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import Ground, say
from benchmarks.load import Load, Plan, held, load
from benchmarks.targets import (
    ACCEPT,
    ALONE,
    GENERATOR,
    LEAN,
    LEAN_NO_KEY,
    MEDIAN_POSTS,
    NO_KEY,
    OURS,
    POSTS,
    SLOW_POSTS,
    WATCHED,
)

STREAMS = 500
CONNECTIONS = 64
RATE = 100  # requests a second, for their latency


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    service, peers = Service(), (FastApi(), Handwritten(), Lean(), Bare())
    with ExitStack() as ends:
        for contender in (service, *peers):
            ends.enter_context(contender.serving(ground))
        yield from _rates(ground, effort, (service, *peers))
        if effort.latency_seconds:
            yield from _latencies(ground, effort, (service, *peers))
        yield from _watched(ground, effort, service)


def _rates(ground: Ground, effort: Effort, contenders: Sequence[Contender]) -> Iterator[Sample]:
    variants = [(each.name, each) for each in contenders]
    variants.insert(1, (NO_KEY, contenders[0]))
    variants += [(LEAN_NO_KEY, each) for each in contenders if each.name == LEAN]
    for number, (name, contender) in turns(variants, effort.rounds):
        say(f"accept: {name}, round {number + 1} of {effort.rounds}")
        found = _turn(ground, contender, effort.seconds, named=name in (OURS, LEAN))
        yield Sample(ACCEPT, POSTS, name, number, found.rate)
        yield Sample(ACCEPT, GENERATOR, name, number, found.cpu * 100)


def _latencies(ground: Ground, effort: Effort, contenders: Sequence[Contender]) -> Iterator[Sample]:
    """Of the service for the whole time, of each peer for a third of it."""
    for contender in contenders:
        seconds = effort.latency_seconds / (1 if contender.name == OURS else 3)
        say(f"accept: {contender.name}, {RATE} requests a second for {seconds:.0f} s")
        found = _turn(ground, contender, seconds, named=contender.name in (OURS, LEAN), rate=RATE)
        yield Sample(ACCEPT, MEDIAN_POSTS, contender.name, 0, found.latencies["p50"])
        yield Sample(ACCEPT, SLOW_POSTS, contender.name, 0, found.latencies["p99"])


def _watched(ground: Ground, effort: Effort, service: Service) -> Iterator[Sample]:
    for number, name in turns((ALONE, WATCHED), effort.rounds):
        say(f"accept: {name}, round {number + 1} of {effort.rounds}")
        with held(service.port, service.streams(STREAMS)) if name == WATCHED else ExitStack():
            found = _turn(
                ground,
                service,
                effort.seconds,
                named=True,
                others=STREAMS if name == WATCHED else 0,
            )
        service.empty()
        yield Sample(ACCEPT, POSTS, name, number, found.rate)


def _turn(
    ground: Ground,
    contender: Contender,
    seconds: float,
    *,
    named: bool,
    rate: float | None = None,
    others: int = 0,
) -> Load:
    """`others` are there already, and stay."""
    ground.settle()
    plan = Plan(
        contender.port,
        contender.posts(named=named),
        202,
        seconds,
        connections=CONNECTIONS,
        rate=rate,
    )
    found = load(plan)
    contender.check(found.answered + others)
    if not others:
        contender.empty()
    return found
