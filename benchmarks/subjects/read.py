"""GET /api/v1/roadmaps/{id}: a finished roadmap of the catalogue, sent whole, and asked for again by who has it already (304).

The peer stores the same roadmap, so that both answer with as many bytes, and makes its ETag as the service does, of the content.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.contenders import PATH, Contender, FastApi, Service
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import BenchmarkFailed, Ground, say
from benchmarks.load import Plan, load, request
from benchmarks.targets import CONCEPTS, KILOBYTES, READ, TREES, UNCHANGED
from tests.stack import answer_to

CONNECTIONS = 32


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    service, peer = Service(), FastApi()
    with ExitStack() as ends:
        ends.enter_context(service.serving(ground))
        tree = service.finished_roadmap()
        peer.tree = tree
        ends.enter_context(peer.serving(ground))
        path = f"{PATH}/{tree['id']}"
        variants = []
        for contender in (service, peer):
            headers = contender.headers(contender.tokens[0])
            tag, size = _tag(contender, path)
            yield Sample(READ, KILOBYTES, contender.name, 0, size / 1000)
            yield Sample(READ, CONCEPTS, contender.name, 0, service.concepts_of(tree))
            variants += [
                (contender, TREES, 200, headers),
                (contender, UNCHANGED, 304, {**headers, "If-None-Match": tag}),
            ]
        for number, (contender, measured, status, headers) in turns(variants, effort.rounds):
            say(f"read: {contender.name}, {status}, round {number + 1} of {effort.rounds}")
            plan = Plan(
                contender.port,
                [request("GET", path, headers)],
                status,
                effort.seconds,
                connections=CONNECTIONS,
            )
            yield Sample(READ, measured, contender.name, number, load(plan).rate)


def _tag(contender: Contender, path: str) -> tuple[str, int]:
    """The ETag, and how many bytes it is of."""
    headers = contender.headers(contender.tokens[0])
    answer = answer_to(
        "GET",
        f"http://127.0.0.1:{contender.port}{path}",
        headers={**headers, "Accept-Encoding": "identity"},
    )
    if answer.status_code != 200:
        raise BenchmarkFailed(
            f"{contender.name} answers {answer.status_code} instead of a roadmap: {answer.text[:300]}"
        )
    return answer.headers["etag"], len(answer.content)
