"""GETs of roadmaps of the catalogue, and of a list, a concept and a schedule each.

Sent whole, and asked for again by who has them already (304). They are many, of many accounts, so
that no single answer is all that a contender has to keep.

The peer stores the same roadmaps, so that both answer with as many bytes, and makes its ETag as the
service once did, of the content. Bare Starlette answers a few bytes without any work.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import httpx2

from benchmarks.contenders import PATH, Bare, Contender, FastApi, Service, answered
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import Ground, say
from benchmarks.load import Plan, load, request
from benchmarks.targets import (
    CONCEPT,
    CONCEPTS,
    KILOBYTES,
    LIST,
    READ,
    SCHEDULE,
    TREES,
    WITH_TAG,
)

CONNECTIONS = 32
ACCOUNTS, EACH = 20, 3  # roadmaps
Variant = tuple[Contender, Sequence[str], int, list[str]]  # what is measured, by which requests


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    service, peer, bare = Service(LINK_CHECK_DAYS="0"), FastApi(), Bare()
    with ExitStack() as ends:
        ends.enter_context(service.serving(ground))
        trees = service.copies_of(service.finished_roadmap(), ACCOUNTS, EACH)
        peer.trees = trees
        for other in (peer, bare):
            ends.enter_context(other.serving(ground))
        same: tuple[Contender, ...] = (service, peer)
        for contender in same:
            tree = _answer(contender, f"{PATH}/{trees[0][0]['id']}", 0)
            yield Sample(READ, KILOBYTES, contender.name, 0, len(tree.content) / 1000)
            yield Sample(READ, CONCEPTS, contender.name, 0, service.concepts_of(tree.json()))
        paths = {
            TREES: lambda tree: f"{PATH}/{tree['id']}",
            LIST: lambda _: PATH,
            CONCEPT: lambda tree: (
                f"{PATH}/{tree['id']}/concepts/"
                f"{tree['stages'][0]['modules'][0]['concepts'][0]['id']}"
            ),
            SCHEDULE: lambda tree: f"{PATH}/{tree['id']}/schedule",
        }
        variants: list[Variant] = [
            *_variants(service, trees, paths),
            *_variants(peer, trees, {TREES: paths[TREES]}),
            (bare, list(WITH_TAG.values()), 200, [request("GET", "/health", {})]),
        ]
        for number, (contender, measured, status, requests) in turns(variants, effort.rounds):
            say(f"read: {contender.name}, {measured[0]}, round {number + 1} of {effort.rounds}")
            plan = Plan(contender.port, requests, status, effort.seconds, connections=CONNECTIONS)
            rate = load(plan).rate
            for each in measured:
                yield Sample(READ, each, contender.name, number, rate)


def _variants(
    contender: Contender, trees: Sequence[Sequence[Any]], paths: Mapping[str, Any]
) -> Iterator[Variant]:
    for measured, path_of in paths.items():
        whole, tagged = [], []
        for account, own in enumerate(trees):
            for tree in own:
                path, headers = path_of(tree), contender.headers(contender.tokens[account])
                tag = _answer(contender, path, account).headers["etag"]
                whole.append(request("GET", path, headers))
                tagged.append(request("GET", path, {**headers, "If-None-Match": tag}))
        yield contender, [measured], 200, whole
        yield contender, [WITH_TAG[measured]], 304, tagged


def _answer(contender: Contender, path: str, account: int) -> httpx2.Response:
    """The uncompressed answer to a GET of the account. Raises BenchmarkFailed."""
    headers = {**contender.headers(contender.tokens[account]), "Accept-Encoding": "identity"}
    return answered("GET", f"http://127.0.0.1:{contender.port}{path}", 200, headers=headers)
