"""Response time of the execution log's pages over its size, for four months of records.

One roadmap's log and the admin log. Each size has a database, filled by `fill_log`.
One API process runs, no consumers.
"""

from collections.abc import Iterator

from benchmarks.contenders import PATH, output_of
from benchmarks.ground import Ground, ask, python, say
from benchmarks.growth.asking import HTML, Asked, answers
from benchmarks.growth.effort import Effort
from benchmarks.growth.explaining import ExplainedService
from benchmarks.growth.plans import Statement
from benchmarks.growth.points import Curve, Found, Point
from benchmarks.growth.saying import worst_of
from benchmarks.load import ROOT
from benchmarks.report import filled

LOG, ADMIN_LOG = "one roadmap's log, ms", "admin log, ms"
LOOKS = 3
ROADMAP = "00000000-0000-0000-0000-000000000001"  # fill_log.py writes records of it
OWN = """INSERT INTO roadmap (id, owner_id, goal, level, hours_per_week, background, motivation,
    preferences, language, title, generator, weeks, hours, status, error, attempts, interruptions,
    due_at, contents_total, contents_ready, contents_failed, last_seq, created_at, updated_at)
    VALUES ('{roadmap}', '{reader}', 'a goal', 'beginner', 8, '', '', '', 'en', 'a title', '',
    1, 1, 'ready', '', 1, 0, now(), 0, 0, 0, 1, now(), now())"""
ABOUT = """\
The records are of four months."""


ADVICE = filled(
    "A word among errors is searched in every error, and a rare word in every month. Narrow such a "
    "search by time, or shorten `LOG_RETENTION_DAYS`."
)


def measure(ground: Ground, effort: Effort) -> Iterator[Point | Statement]:
    for records in effort.records:
        service = ExplainedService(members=1, with_admin=True)
        with service.serving(ground):
            headers = service.headers(service.tokens[0])
            ask(service.url, OWN.format(roadmap=ROADMAP, reader=service.account()))
            say(f"records: {records:,} are written")
            environment = {
                **service.stack.environment,
                "SERVICE_TYPE": "huey_logs",
                "PYTHONPATH": str(ROOT),
            }
            output_of(
                python("-m", "benchmarks.growth.fill_log", str(records)),
                environment,
                seconds=LONGEST_FILL,
            )
            ground.settle()
            for asked in pages():
                say(f"records: {asked.line} of {records:,}")
                yield Point(
                    asked.measure,
                    asked.line,
                    records,
                    answers(service.port, headers, asked, effort.tries).ms,
                )
            for asked in pages():
                with service.explained.looking(asked.line, records) as found:
                    answers(service.port, headers, asked, LOOKS)
                yield from found
        ground.clear()


LONGEST_FILL = 900  # seconds


def pages() -> Iterator[Asked]:
    yield Asked(LOG, "API", [f"{PATH}/{ROADMAP}/logs"])
    yield Asked(LOG, "API, errors", [f"{PATH}/{ROADMAP}/logs?level=error"])
    yield Asked(LOG, "timeline page", [f"/roadmaps/{ROADMAP}/trace"], HTML)
    for line, query in (
        ("no filter", ""),
        ("errors", "?level=error"),
        ("a rare step", "?step=deliver"),
        ("a missing step", "?step=nowhere"),
        ("one roadmap", f"?roadmap_id={ROADMAP}"),
        ("a rare word", "?text=overloaded"),
        ("a common word", "?text=tutorial"),
        ("a word among errors", "?text=refused&level=error"),
    ):
        yield Asked(ADMIN_LOG, line, [f"/admin/logs{query}"], HTML)


def summary(found: Found) -> str:
    return f"{worst_of(found.points)}\n\n{ADVICE}"


CURVE = Curve("records", "Records in the execution log", ABOUT, measure, summary)
