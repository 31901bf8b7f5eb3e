"""The content queue and its worker threads as a discrete-event simulation, seeded.

A thread holds one message while it calls the model. Outlines overtake contents, and contents are
written in the order in which they were enqueued, across accounts. The provider's limits are
not simulated: `Workload.most_a_day` tells what they allow.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice
from math import ceil, inf, sqrt
from random import Random
from typing import Any

import simpy

from benchmarks.capacity.workload import HOUR, Workload

PLAN, CONTENT = 0, 1  # ranks in the queue
SLICE = 400  # threads, or a roadmap's contents: of a larger fleet such a part is simulated
WARM_UP, COUNTED = 100, 300  # roadmaps; those that count: at least
MOST_CALLS = 100_000  # of the roadmaps that count, at most
IDLE = 1.02  # times the busy threads: without room a queue only grows
FINE = 0.01  # of the threads: how exactly the smallest number is found


@dataclass(slots=True, eq=False)
class Roadmap:
    asked: float
    left: int
    planned: float = 0.0
    ready: float = inf


@dataclass(slots=True)
class Found:
    """The roadmaps that count, messages waiting at most, calls in the model at once in the mean."""

    roadmaps: list[Roadmap] = field(default_factory=list)
    waiting: int = 0
    called: float = 0.0
    seconds: float = 0.0

    def ready(self, share: float) -> float:
        """Seconds within which such a share of the roadmaps is ready (nearest rank)."""
        return _rank([each.ready - each.asked for each in self.roadmaps], share)

    @property
    def at_once(self) -> float:
        return self.called / self.seconds


def _rank(values: list[float], share: float) -> float:
    return sorted(values)[max(ceil(round(len(values) * share, 6)) - 1, 0)]


def simulate(
    workload: Workload,
    threads: int,
    arrivals: Iterable[float],
    counted: range,
    *,
    beside: float = 0.0,
    seed: int = 1,
) -> Found:
    """Run until the counted roadmaps are ready.

    A call takes `beside` seconds more than the model's.
    """
    env, sizes, numbers = simpy.Environment(), Random(seed), count()
    queue, found, finished = simpy.PriorityStore(env), Found(), env.event()
    missing = len(counted)

    def put(rank: int, roadmap: Roadmap, calls: list[float]) -> None:
        queue.put((rank, next(numbers), roadmap, calls))
        found.waiting = max(found.waiting, len(queue.items))

    def ask() -> Generator[Any, Any, None]:
        for number, at in enumerate(arrivals):
            yield env.timeout(max(0.0, at - env.now))  # the sum can lie a rounding past `at`
            roadmap = Roadmap(env.now, workload.contents)
            if number in counted:
                found.roadmaps.append(roadmap)
            calls = int(workload.outline_calls) + (sizes.random() < workload.outline_calls % 1)
            put(PLAN, roadmap, [workload.outline.drawn(sizes) for _ in range(calls)])

    def work() -> Generator[Any, Any, None]:
        nonlocal missing
        while True:
            rank, _, roadmap, calls = yield queue.get()
            if rank == PLAN:
                roadmap.planned = env.now
            for seconds in calls:
                found.called += seconds
                yield env.timeout(seconds + beside)
            if rank == PLAN:
                for _ in range(workload.contents):
                    put(CONTENT, roadmap, [workload.content.drawn(sizes)])
                continue
            roadmap.left -= 1
            if roadmap.left == 0:
                roadmap.ready = env.now
                missing -= roadmap in found.roadmaps
                if not missing and not finished.triggered:
                    finished.succeed()

    env.process(ask())
    for _ in range(threads):
        env.process(work())
    env.run(finished)
    found.seconds = env.now
    return found


def stream(rate: float, seed: int) -> Iterator[float]:
    """Times of random arrivals, so many a second in the mean; the first at 0."""
    gaps, at = Random(f"{seed} arrivals"), 0.0
    while True:
        yield at
        at += gaps.expovariate(rate)


def of_fleet(workload: Workload, threads: int, beside: float) -> Found:
    """The busiest hour with so many threads. A large fleet is simulated as a slice of itself."""
    slices = ceil(threads / max(SLICE, workload.contents))
    in_slice = ceil(threads / slices)
    rate = workload.rate * in_slice / threads
    measured = max(COUNTED, ceil(rate * HOUR))  # the busiest hour, if it has enough
    measured = max(3, min(measured, int(MOST_CALLS / workload.calls)))
    warm_up = min(WARM_UP, measured)
    arrivals = islice(stream(rate, 1), 3 * (warm_up + measured))
    counted = range(warm_up, warm_up + measured)
    found = simulate(workload, in_slice, arrivals, counted, beside=beside)
    found.waiting = round(found.waiting * threads / in_slice)
    return found


def offered(workload: Workload, beside: float) -> float:
    """Threads that are busy in the mean of the busiest hour."""
    return workload.rate * (workload.seconds_of_calls + workload.calls * beside)


def smallest(workload: Workload, beside: float) -> tuple[int, Found] | None:
    """The smallest number of threads that is quick enough, to within 1 %; None if none is."""
    least = ceil(offered(workload, beside) * IDLE)
    most = 8 * least + 4 * workload.contents
    if workload.at_once:
        least, most = min(least, workload.at_once), min(most, workload.at_once)

    def tried(threads: int) -> Found | None:
        found = of_fleet(workload, threads, beside)
        return found if found.ready(workload.share) <= workload.within else None

    best, found = most, tried(most)
    if found is None:
        return None
    too_few, threads = least - 1, least
    while best - too_few > max(1, FINE * best):
        if (quick := tried(threads)) is not None:
            best, found = threads, quick
        else:
            too_few = threads
        threads = max(too_few + 1, round(sqrt(too_few * best)))
    return best, found


def keeping_up(workload: Workload, beside: float) -> tuple[int, Found]:
    """Threads that keep up, however long each roadmap takes, and without the provider's limits."""
    free = replace(workload, at_once=0)
    threads = ceil(offered(free, beside) * IDLE)
    return threads, of_fleet(free, threads, beside)
