"""The memory of all processes of a service, as PSS: what they share counts once.

Measured after a first roadmap was made, so that all that is loaded on demand is there, and a time
without work; with the model client loaded; and while many roadmaps are made.

The API and both consumers run in one instance (SERVICE_TYPE=all), as the processes of the peers do,
and once as three services that share nothing but files.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.contenders import FastApi, goal
from benchmarks.effort import Effort
from benchmarks.figures import Sample
from benchmarks.ground import Ground, say, until
from benchmarks.load import Plan, load
from benchmarks.processes import has_mapped, pss
from benchmarks.targets import (
    AFTER_MANY,
    APART,
    FASTAPI,
    GROWTH,
    MADE,
    MEANWHILE,
    MEMORY,
    ONE_WORKER,
    OURS,
    PREFORK,
    PSS,
    THREADS,
    WITH_MODEL,
)
from testing.servers import free_port
from testing.stack import FINAL, Stack, running

AT_ONCE = 20  # roadmaps that are made at the same time
LOOKS = 10  # at most, at the memory, while the second half of them is made


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    yield from _ours(ground, effort)
    if not effort.is_short:
        yield from _with_model(ground, effort)
    yield from _peers(ground, effort)


def _ours(ground: Ground, effort: Effort) -> Iterator[Sample]:
    say(f"memory: {OURS}")
    with running(ground.stack(single_process=True)) as stack:
        stack.finished(stack.create(goal(0)))
        time.sleep(effort.idle_seconds)
        yield Sample(MEMORY, PSS, OURS, 0, _of(stack))
        if effort.roadmaps:
            yield from _many(stack, effort.roadmaps)
    if effort.is_short:
        return
    say(f"memory: {APART}")
    with running(ground.stack()) as stack:
        stack.finished(stack.create(goal(0)))
        time.sleep(effort.idle_seconds)
        yield Sample(MEMORY, PSS, APART, 0, _of(stack))
        for name, service in stack.services.items():
            yield Sample(MEMORY, PSS, f"{OURS}: {name}", 0, pss([service.pid]))


def _many(stack: Stack, roadmaps: int) -> Iterator[Sample]:
    """Figures of the first half and of the second, as rounds; and the last of them.

    The last is given alone and as a multiple of the first.
    """
    half, looks = roadmaps // 2, max(min(LOOKS, roadmaps // 2 // AT_ONCE), 1)
    found, made = [], 0
    for look in range(looks + 1):
        until_then = half + (roadmaps - half) * look // looks
        for first in range(made, until_then, AT_ONCE):
            paths = [
                stack.create(goal(number))
                for number in range(first, min(first + AT_ONCE, until_then))
            ]
            for path in paths:
                stack.finished(path)
        made = until_then
        found.append(_of(stack))
        say(f"memory: {made} of {roadmaps} roadmaps are made: {found[-1]:.0f} MB")
    for number, megabytes in enumerate(found):
        yield Sample(MEMORY, PSS, MEANWHILE, number, megabytes)
    yield Sample(MEMORY, PSS, AFTER_MANY, 0, found[-1])
    yield Sample(MEMORY, MADE, AFTER_MANY, 0, made)
    yield Sample(MEMORY, GROWTH, AFTER_MANY, 0, found[-1] / found[0])


def _with_model(ground: Ground, effort: Effort) -> Iterator[Sample]:
    """With a key for a model without a server: the first call loads the client, and fails."""
    say(f"memory: {WITH_MODEL}")
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    model = {
        "OPENAI_API_KEY": "sk-benchmark",
        "OPENAI_BASE_URL": nowhere,
        "RETRY_BASE_SECONDS": "60",
    }
    with running(ground.stack(single_process=True, **model)) as stack:
        path, consumer = stack.create(goal(0)), stack.content.child("content_queue")
        until(
            lambda: has_mapped(consumer, "jiter"),
            WITH_MODEL,
            "the content consumer has loaded the client",
        )
        until(
            lambda: stack.get(path).json()["status"] in (*FINAL, "queued"),
            WITH_MODEL,
            "the first try has failed",
        )
        time.sleep(effort.idle_seconds)
        yield Sample(MEMORY, PSS, WITH_MODEL, 0, _of(stack))


def _peers(ground: Ground, effort: Effort) -> Iterator[Sample]:
    """The peer's service: two workers with two processes or with four threads each, or smaller.

    Flower shows what the service shows by itself. Smaller than any of them is one worker with
    threads alone.
    """
    peer = FastApi()
    variants = {
        PREFORK: ("prefork", 2, ("content", "logs")),
        THREADS: ("threads", 4, ("content", "logs")),
        ONE_WORKER: ("threads", 4, ("content,logs",)),
    }
    with peer.serving(ground):
        for name, (pool, at_once, workers) in variants.items():
            if effort.is_short and name != PREFORK:
                continue
            say(f"memory: {name}")
            with ExitStack() as ends:
                programs = [
                    ends.enter_context(peer.worker(ground, each, pool=pool, at_once=at_once))
                    for each in workers
                ]
                pids = [program.pid for program in (peer.program, *programs)]
                load(Plan(peer.port, peer.posts(), 202, 0.5, connections=4))
                until(lambda: not peer.waiting(), FASTAPI, "what was accepted has been done")
                time.sleep(effort.idle_seconds)
                yield Sample(MEMORY, PSS, name, 0, pss(pids))
                if name == PREFORK and not effort.is_short:
                    flower = ends.enter_context(peer.flower(ground))
                    time.sleep(effort.idle_seconds)
                    yield Sample(MEMORY, PSS, f"{name}, with Flower", 0, pss([*pids, flower.pid]))


def _of(stack: Stack) -> float:
    return pss(service.pid for service in stack.services.values())
