"""Measure how quickly operators find a roadmap among many.

Prints for each kind of search over PostgreSQL the milliseconds of all of it, those of its last
statement (EXPLAIN ANALYZE, the median of three), and the indexes that were used by that. The rows
are made up: one in fifty has failed, one in five hundred was over budget, one in a thousand has the
rare word.

    python -m benchmarks.overseeing --rows 200000
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from testing.servers import Postgres

FIRST = (
    1_764_000_000  # seconds: when the first of them was created, and one in each second after it
)
ACCOUNTS = """INSERT INTO account (id, email, name, password_hash, is_admin, created_at)
SELECT gen_random_uuid(), 'person-' || n || '@example.org', '', '', FALSE, now()
FROM generate_series(1, 2000) AS n"""
NUMBERED = "CREATE TEMPORARY TABLE owner AS SELECT id, row_number() OVER () AS number FROM account"
ROADMAPS = """INSERT INTO roadmap (id, owner_id, goal, level, hours_per_week, background,
    motivation, preferences, language, review, approved, revision, title, generator, weeks, hours,
    status, error, attempts, interruptions, due_at, contents_total, contents_ready, contents_failed,
    spent, over_budget, last_seq, created_at, updated_at)
SELECT (lpad(to_hex(({first} + n)::bigint * 1000), 12, '0') || '7000800000'
        || lpad(to_hex(n), 10, '0'))::uuid, owner.id,
    'Learn to ' || (ARRAY['bake','write','draw','build','repair','grow','sing','code'])[1 + n %% 8]
        || ' in lesson ' || n || CASE WHEN n %% 1000 = 0 THEN ' with sourdough' ELSE '' END
        || CASE WHEN n %% 700 = 0 THEN ' 学会烤面包' ELSE '' END,
    'beginner', 8, '', '', '', 'en', FALSE, FALSE, 1, 'Course number ' || n, 'model:m' || n %% 3,
    10, 100, CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 97 = 0 THEN 'partial'
        WHEN n %% 20000 = 7 THEN 'planning' ELSE 'ready' END,
    CASE WHEN n %% 50 = 0 THEN 'The provider answered ' || 400 + n %% 150 ELSE '' END,
    1, 0, now(), 54, 54, 0, 100, n %% 500 = 0, 9, to_timestamp({first} + n), now()
FROM generate_series(1, {rows}) AS n JOIN owner ON owner.number = 1 + n %% 2000"""


def main(rows: int, overseeing: Any, runtime: Any) -> int:
    with runtime.session():
        for statement in (
            ACCOUNTS,
            NUMBERED,
            ROADMAPS.format(rows=rows, first=FIRST),
            "VACUUM ANALYZE roadmap",
        ):
            runtime.database.execute_sql(statement)
    sought = overseeing.RoadmapSearch
    failed, planning, cancelled = (
        overseeing.RoadmapStatus(name) for name in ("failed", "planning", "cancelled")
    )
    wanted = {
        "everything": sought(),
        "failed": sought(statuses=(failed,)),
        "planning (rare)": sought(statuses=(planning,)),
        "cancelled (none)": sought(statuses=(cancelled,)),
        "one owner": sought(owner="person-7@example.org"),
        "another generator (none)": sought(generator="catalogue"),
        "over budget": sought(over_budget=True),
        "an error that is there": sought(error="answered 500"),
        "an error that is not": sought(error="no such words"),
        "a common word": sought(text="bake"),
        "a rare word": sought(text="sourdough"),
        "a word that is not there": sought(text="zzzz"),
        "two words, failed": sought(text="sourdough lesson", statuses=(failed,)),
        "Chinese that is there": sought(text="烤面包"),
        "Chinese that is not": sought(text="量子力学"),
        "an hour long ago": sought(
            since=datetime.fromtimestamp(FIRST, UTC),
            until=datetime.fromtimestamp(FIRST + 3600, UTC),
        ),
    }
    for name, what in wanted.items():
        plans = [explained(overseeing, runtime, what) for _ in range(3)]
        began = monotonic()
        found = len(overseeing.search(what, before=None, limit=50).items)
        whole, took = (monotonic() - began) * 1000, statistics.median(ms for ms, _ in plans)
        print(
            f"{name:26} {found:3} found, {whole:7.1f} ms; statement {took:8.2f} ms  "
            f"{', '.join(sorted(plans[0][1]))}"
        )
    return 0


def explained(overseeing: Any, runtime: Any, sought: Any) -> tuple[float, set[str]]:
    """Milliseconds, and the indexes and scans."""
    with overseeing._limited():
        owner_id = overseeing.account_id(sought.owner) if sought.owner else None
        conditions, status = list(overseeing._conditions(sought)), next(iter(sought.statuses), None)
        sql, values = overseeing._query(conditions, owner_id, None, status).limit(51).sql()
        [(plan,)] = runtime.database.execute_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values
        ).fetchall()
    [found] = plan if isinstance(plan, list) else json.loads(plan)
    return found["Execution Time"], set(ways(found["Plan"]))


def ways(node: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    elif node["Node Type"] == "Seq Scan":
        yield f"Seq Scan on {node['Relation Name']}"
    for below in node.get("Plans", []):
        yield from ways(below)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch:
        postgres = Postgres(Path(scratch))
        postgres.start()
        try:  # the settings are read when the application is imported
            url = postgres.create_database("overseeing")
            os.environ.update(
                {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "x" * 40}
            )
            from core import db
            from core.migrate import migrate
            from roadmap.lifecycle import admin_queries

            migrate(db.settings)
            sys.exit(main(options.rows, admin_queries, db))
        finally:
            postgres.stop()
