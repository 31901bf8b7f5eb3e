"""Home, the page of a roadmap and lessons, against the JSON of the same roadmaps.

They are 20 of the catalogue, with every lesson. In embedded mode all belong to its one owner; in
server mode each belongs to another account, whose browser sends its cookie. Everything is asked for
in turn, after it was asked for once: the figure is that of somebody who comes back.
"""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.contenders import PATH, Service, goal
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import DEFAULTS, BenchmarkFailed, Ground, say
from benchmarks.load import Plan, load, request
from benchmarks.targets import (
    HOME,
    JSON,
    LESSON,
    OF_ACCOUNTS,
    PAGES,
    ROADMAP,
    VISITS,
)
from testing.stack import Stack, answer_to, embedded_stack, running

ROADMAPS = 20
CONNECTIONS = 8
SETTINGS = {**DEFAULTS, "LINK_CHECK_DAYS": "0"}  # no site is visited, and no lesson changes by it

Headers = Mapping[str, str]
Asked = Mapping[str, Sequence[tuple[str, Headers]]]  # by contender: paths, and headers of each


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    with running(embedded_stack(ground.folder("pages"), **SETTINGS)) as stack:
        asked = _asked(stack, [({}, {})] * ROADMAPS)
        yield from _visits(stack, asked, "", effort)
    if effort.is_short:
        return
    service = Service(members=ROADMAPS, LINK_CHECK_DAYS="0")
    with service.serving(ground):
        owners = [
            (service.headers(token), {"Cookie": f"__Host-roadmap={token}"})
            for token in service.tokens
        ]
        with service.consuming():
            asked = _asked(service.stack, owners)
        yield from _visits(service.stack, asked, OF_ACCOUNTS, effort)


def _asked(stack: Stack, owners: Sequence[tuple[Headers, Headers]]) -> Asked:
    """Of a finished roadmap of each owner, whose program and browser send these headers."""
    found: dict[str, list[tuple[str, Headers]]] = {
        name: [] for name in (JSON, HOME, ROADMAP, LESSON)
    }
    for number, (program, browser) in enumerate(owners):
        stack.headers, html = dict(program), {"Accept": "text/html", **browser}
        tree = stack.finished(stack.create(goal(number)))
        if tree["status"] != "ready":
            raise BenchmarkFailed(f"a roadmap of the catalogue ended as {tree['status']}")
        path = f"/roadmaps/{tree['id']}"
        found[JSON].append((f"{PATH}/{tree['id']}", program))
        found[HOME].append(("/", html))
        found[ROADMAP].append((path, html))
        found[LESSON] += [
            (f"{path}/concepts/{concept['id']}", html)
            for stage in tree["stages"]
            for module in stage["modules"]
            for concept in module["concepts"]
        ]
    return found


def _visits(stack: Stack, asked: Asked, of: str, effort: Effort) -> Iterator[Sample]:
    for path, headers in (each for its in asked.values() for each in its):
        if (answer := answer_to("GET", stack.url + path, headers=headers)).status_code != 200:
            raise BenchmarkFailed(f"{path} is answered with {answer.status_code}: {answer.text}")
    for number, (name, its) in turns(list(asked.items()), effort.rounds):
        say(f"pages: {name}{of}, round {number + 1} of {effort.rounds}")
        requests = [request("GET", path, headers) for path, headers in its]
        plan = Plan(stack.port, requests, 200, effort.seconds, connections=CONNECTIONS)
        yield Sample(PAGES, VISITS, f"{name}{of}", number, load(plan).rate)
