"""What a page of the execution log takes with ever more records in it, over four months: one roadmap's log, and the operator's.

A database for each size, filled as `make bench-logs` does it; one API process, no consumers.
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

LOG, OPERATOR = "one roadmap's log, ms", "operator's log, ms"
LOOKS = 3
ROADMAP = "00000000-0000-0000-0000-000000000001"  # one of those that benchmarks/log_search.py writes records of
OWN = """INSERT INTO roadmap (id, owner_id, goal, level, hours_per_week, background, motivation, preferences, language, title,
    generator, weeks, hours, status, error, attempts, interruptions, due_at, contents_total, contents_ready, contents_failed,
    last_seq, created_at, updated_at) VALUES ('{roadmap}', '{reader}', 'a goal', 'beginner', 8, '', '', '', 'en', 'a title', '',
    1, 1, 'ready', '', 1, 0, now(), 0, 0, 0, 1, now(), now())"""
ABOUT = """\
Milliseconds for one who waits, of the quickest tenth of the answers; the records lie in the partitions of four months, made as
by `make bench-logs`, which tells the plan of each filter. Here, too, each statement was run once more with auto_explain."""


ADVICE = (
    "Words among errors are looked for in every error, and a rare word in every month: narrow such a search by a range of time, "
    "or keep the log for a shorter time (LOG_RETENTION_DAYS)."
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
    yield Asked(LOG, "page of how it was made", [f"/roadmaps/{ROADMAP}/trace"], HTML)
    for line, query in (
        ("no filter", ""),
        ("errors", "?level=error"),
        ("a rare step", "?step=deliver"),
        ("a step that is nowhere", "?step=nowhere"),
        ("one roadmap", f"?roadmap_id={ROADMAP}"),
        ("a rare word", "?text=overloaded"),
        ("a common word", "?text=tutorial"),
        ("a word among errors", "?text=refused&level=error"),
    ):
        yield Asked(OPERATOR, line, [f"/admin/logs{query}"], HTML)


def said(found: Found) -> str:
    return f"{worst_of(found.points)} {ADVICE}"


CURVE = Curve("records", "Records in the execution log", "records", ABOUT, measure, said)
