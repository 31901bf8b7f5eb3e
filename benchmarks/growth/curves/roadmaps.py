"""Response time and upkeep over the number of roadmaps, with the plan of every statement.

One API process runs, no consumers. Each page is requested on one connection, one time after the
other; the time is the upper bound of the quickest tenth. Plans are read afterwards, in a second
pass.
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
from benchmarks.report import filled

API, PAGES, ADMIN, UPKEEP = (
    "API, ms",
    "pages, ms",
    "admin pages, ms",
    "upkeep, each minute, ms",
)
POST = "POST a goal"
DIFFERENT = 20  # roadmaps that are read in turn
LOOKS = 3  # at the plans of a page
ABOUT = """\
The reader owns up to 10,000 of the roadmaps, with all contents; 20 accounts own the others."""


ADVICE = filled(
    "A word search reads every roadmap with the words and is cancelled after 3 s: narrow it by "
    "account, state or time."
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
    yield Asked(API, "list, middle page", [f"{PATH}?limit=20&cursor={middle}"])
    yield Asked(API, "list, failed", [f"{PATH}?limit=20&status=failed"])
    yield Asked(API, "list, an unused state", [f"{PATH}?limit=20&status=awaiting_review"])
    yield Asked(API, "tree", [f"{PATH}/{each}" for each in whole])
    yield Asked(API, POST, [PATH], body=json.dumps({"goal": goal(1)}), expected=202)
    yield Asked(PAGES, "home", ["/"], HTML)
    yield Asked(PAGES, "list", ["/roadmaps"], HTML)
    yield Asked(PAGES, "roadmap", [f"/roadmaps/{each}" for each in whole], HTML)
    for line, query in (
        ("roadmaps", ""),
        ("failed roadmaps", "?status=failed"),
        ("roadmaps of one account", "?owner={reader}"),
        ("roadmaps with a rare word", "?text=sourdough"),
        ("roadmaps with a common word", "?text=bake"),
        ("roadmaps with an error", "?error=answered+500"),
    ):
        yield Asked(ADMIN, line, ["/admin/roadmaps" + query.format(reader=filling.reader)], HTML)
    yield Asked(ADMIN, "one roadmap", [f"/admin/roadmaps/{each}" for each in whole], HTML)
    yield Asked(ADMIN, "overview", ["/admin"], HTML)
    yield Asked(ADMIN, "/metrics", ["/metrics"], "text/plain")


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


def summary(found: Found) -> str:
    points = found.points
    post = [point for point in points if point.line == POST]
    least, most = min(post, key=lambda point: point.x), max(post, key=lambda point: point.x)
    accepting = filled(
        f"Accepting a goal takes {most.value / least.value:.2f} times as long with {most.x:,.0f} "
        f"roadmaps as with {least.x:,.0f}."
    )
    return f"{accepting}\n\n{worst_of(points)}\n\n{ADVICE}"


CURVE = Curve("roadmaps", "Roadmaps in the table", ABOUT, measure, summary)
