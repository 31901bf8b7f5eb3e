"""What an answer takes with ever more roadmaps in the table, and what upkeep takes; every statement with its plan.

One API process, no consumers. A page is asked for on one connection, one time after the other: milliseconds as its reader sees
them, of the quickest tenth. The plans are looked at afterwards, in another pass.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from benchmarks.contenders import PATH, Service, goal, output_of
from benchmarks.ground import Ground, ask, python, say
from benchmarks.growth.asking import HTML, Asked, answers
from benchmarks.growth.effort import Effort
from benchmarks.growth.explaining import ExplainedService
from benchmarks.growth.filling import OTHERS, Filling
from benchmarks.growth.plans import Statement
from benchmarks.growth.points import Curve, Found, Point
from benchmarks.growth.saying import worst_of
from benchmarks.load import ROOT

API, PAGES, OPERATOR, UPKEEP = (
    "API, ms",
    "pages, ms",
    "operator's room, ms",
    "upkeep, each minute, ms",
)
POST = "POST a goal"
DIFFERENT = 20  # roadmaps that are read in turn
LOOKS = 3  # at the plans of a page
ABOUT = """\
Milliseconds for one who waits, of the quickest tenth of the answers. The reader has up to 10,000 of them, made first; the others
are of 20 accounts. The first 10,000 have all contents (270,000 concepts, 810,000 contents); for each ten there are a login, a
first answer, a delivery of a webhook and an entry of the audit log. Upkeep finds nothing to do. Each statement of each of these
was run once more with auto_explain."""


ADVICE = (
    "A search for words reads every roadmap that has them, and is given up after 3 s: narrow it by account, state or time. "
    "Upkeep looks at every login that is open, each minute. Neither is a limit up to here."
)


def measure(ground: Ground, effort: Effort) -> Iterator[Point | Statement]:
    service = ExplainedService(members=OTHERS + 1, with_admin=True)
    with service.serving(ground):
        headers = service.headers(service.tokens[0])
        reader = service.account()
        others = [
            UUID(str(each))
            for (each,) in ask(service.url, f"SELECT id FROM account WHERE id <> '{reader}'")
        ]
        filling = Filling(service.url, reader, others, effort.whole)
        for rows in effort.roadmaps:
            filling.fill(rows)
            asked = list(pages(filling))
            for each in asked:
                say(f"roadmaps: {each.line} of {rows:,}")
                yield Point(
                    each.measure, each.line, rows, _answered(service, headers, each, effort.tries)
                )
            for name, ms in _upkeep(service, 5).items():
                yield Point(UPKEEP, name, rows, ms)
            yield from _plans(service, headers, asked, rows)


def pages(filling: Filling) -> Iterator[Asked]:
    middle, whole = filling.middle_of_reader(), filling.whole_of_reader(DIFFERENT)
    yield Asked(API, "list", [f"{PATH}?limit=20"])
    yield Asked(API, "list, from the middle", [f"{PATH}?limit=20&cursor={middle}"])
    yield Asked(API, "list, those that failed", [f"{PATH}?limit=20&status=failed"])
    yield Asked(API, "list, a state that none has", [f"{PATH}?limit=20&status=awaiting_review"])
    yield Asked(API, "tree", [f"{PATH}/{each}" for each in whole])
    yield Asked(API, POST, [PATH], body=json.dumps({"goal": goal(1)}), expected=202)
    yield Asked(PAGES, "first page", ["/"], HTML)
    yield Asked(PAGES, "list", ["/roadmaps"], HTML)
    yield Asked(PAGES, "roadmap", [f"/roadmaps/{each}" for each in whole], HTML)
    for line, query in (
        ("roadmaps", ""),
        ("roadmaps that failed", "?status=failed"),
        ("roadmaps of one account", "?owner={reader}"),
        ("roadmaps with a rare word", "?text=sourdough"),
        ("roadmaps with a common word", "?text=bake"),
        ("roadmaps with an error", "?error=answered+500"),
    ):
        yield Asked(OPERATOR, line, ["/admin/roadmaps" + query.format(reader=filling.reader)], HTML)
    yield Asked(OPERATOR, "one roadmap", [f"/admin/roadmaps/{each}" for each in whole], HTML)
    yield Asked(OPERATOR, "overview", ["/admin"], HTML)
    yield Asked(OPERATOR, "/metrics", ["/metrics"], "text/plain")


def _answered(service: Service, headers: Mapping[str, str], asked: Asked, tries: int) -> float:
    """Milliseconds. What was made by it is gone afterwards."""
    found = answers(service.port, headers, asked, tries)
    if found.locations:
        made = ",".join(f"'{location.rpartition('/')[2]}'" for location in found.locations)
        ask(service.url, f"DELETE FROM roadmap WHERE id IN ({made})")
        service.empty_queues()
    return found.ms


def _upkeep(service: Service, times: int) -> dict[str, float]:
    environment = {
        **service.stack.environment,
        "SERVICE_TYPE": "huey_logs",
        "PYTHONPATH": str(ROOT),
    }
    found: dict[str, float] = json.loads(
        " ".join(output_of(python("-m", "benchmarks.growth.upkeep", str(times)), environment))
    )
    return found


def _plans(
    service: ExplainedService, headers: Mapping[str, str], asked: Sequence[Asked], rows: int
) -> Iterator[Statement]:
    for each in asked:
        with service.explained.looking(
            f"{each.measure.rpartition(',')[0]}: {each.line}", rows
        ) as found:
            _answered(service, headers, each, LOOKS)
        yield from found
    with service.explained.looking("upkeep", rows) as found:
        _upkeep(service, 1)
    yield from found


def said(found: Found) -> str:
    points = found.points
    post = [point for point in points if point.line == POST]
    least, most = min(post, key=lambda point: point.x), max(post, key=lambda point: point.x)
    return (
        f"To accept a goal takes {most.value / least.value:.2f} times as long at {most.x:,.0f} as at {least.x:,.0f}. "
        f"{worst_of(points)} {ADVICE}"
    )


CURVE = Curve("roadmaps", "Roadmaps in the table", "roadmaps", ABOUT, measure, said)
