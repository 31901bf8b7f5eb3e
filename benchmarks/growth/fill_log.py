"""Fill the service's execution log with so many records, over four months.

The service is the one whose settings are in the environment.

    python -m benchmarks.growth.fill_log RECORDS
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from core.db import database, session
from core.ids import first_id
from core.postgres import MIGRATION_SECONDS, limit_waiting
from roadmap.operations.execution_log import month_after, month_of

MONTHS = 4  # with this one
ROADMAPS, TRACES = 20_000, 500_000  # of five million records; of fewer in proportion
# Of a thousand records: so many of each category, of each level, and with each word; the others are
# "Wrote the tutorial of ...".
RECORDS = """INSERT INTO {table} (id, at, level, category, step, message, details, duration_ms,
        roadmap_id, concept_id, trace_id)
    SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8'
            || lpad(to_hex(n), 15, '0'))::uuid,
        to_timestamp(ms / 1000.0) AT TIME ZONE 'UTC',
        CASE WHEN n % 1000 < 2 THEN 'error' WHEN n % 1000 < 20 THEN 'warning'
            WHEN n % 10 = 9 THEN 'debug' ELSE 'info' END,
        CASE WHEN n % 20000 = 7 THEN 'webhooks' WHEN n % 10 < 6 THEN 'building'
            WHEN n % 10 < 8 THEN 'planning' ELSE 'api' END,
        CASE WHEN n % 20000 = 7 THEN 'deliver' WHEN n % 10 < 3 THEN 'tutorial'
            WHEN n % 10 < 6 THEN 'quiz' WHEN n % 10 < 8 THEN 'outline' ELSE 'accept' END,
        CASE WHEN n % 25000 = 11 THEN '写好了测验 数据库索引'
            WHEN n % 50000 = 13 THEN 'The upstream answered 503: overloaded'
            WHEN n % 1000 < 2 THEN 'The model refused for the ' || n % 7 || 'th time'
            ELSE 'Wrote the tutorial of concept ' || n % 4999 || ' with gpt-5-mini, '
                || n % 800 || ' tokens' END,
        CASE WHEN n % 4 = 0 THEN json_build_object('tokens', n % 800) END, n % 5000,
        (lpad(to_hex(n::bigint * 7919 % {roadmaps}), 32, '0'))::uuid, NULL,
        (lpad(to_hex(n / 10 % {traces}), 32, 'a'))::uuid
    FROM (SELECT n, ({first} + (n - {begin}) * {step}::numeric)::bigint AS ms
        FROM generate_series({begin}, {end}) n) numbered"""


def fill(rows: int) -> None:
    """The database of this process, so many records evenly over the months up to now."""
    limit_waiting(MIGRATION_SECONDS)
    with session(), unindexed() as tables:
        edges = [
            datetime.now(UTC) if month_after(month) > datetime.now(UTC) else month_after(month)
            for month in tables
        ]
        whole = (
            sum((end - begin).total_seconds() for begin, end in zip(tables, edges, strict=True))
            * 1000
        )
        begin = 1
        for (month, name), edge in zip(tables.items(), edges, strict=True):
            part = round(rows * (edge - month).total_seconds() * 1000 / whole)
            made = {"table": name, "first": round(month.timestamp() * 1000), "step": whole / rows}
            kinds = {
                "roadmaps": max(rows * ROADMAPS // 5_000_000, 20),
                "traces": max(rows * TRACES // 5_000_000, 100),
            }
            database.execute_sql(
                RECORDS.format(**made, **kinds, begin=begin, end=begin + part - 1).replace(
                    "%", "%%"
                )
            )
            begin += part
    with session():
        database.execute_sql("VACUUM ANALYZE execution_log")
    limit_waiting()


@contextmanager
def unindexed() -> Iterator[dict[datetime, str]]:
    """Tables for the months up to this one by their first moments; in the end partitions."""
    database.execute_sql("SET synchronous_commit = off")
    database.execute_sql("SET maintenance_work_mem = '256MB'")
    database.execute_sql("DROP TABLE execution_log_before")
    months = [month_of(datetime.now(UTC))]
    for _ in range(MONTHS - 1):
        months.insert(0, month_of(months[0] - timedelta(days=1)))
    tables = {month: f"execution_log_{month:%Y%m}" for month in months}
    for name in tables.values():
        database.execute_sql(f"CREATE TABLE {name} (LIKE execution_log INCLUDING DEFAULTS)")
    yield tables
    for month, name in tables.items():
        bounds = f"FOR VALUES FROM ('{first_id(month)}') TO ('{first_id(month_after(month))}')"
        database.execute_sql(f"ALTER TABLE execution_log ATTACH PARTITION {name} {bounds}")


if __name__ == "__main__":
    fill(int(sys.argv[1]))
