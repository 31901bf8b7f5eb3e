"""Plans and times of the execution log's pages, with millions of records over several months.

Starts a PostgreSQL of its own, migrates it as the service does, fills it, and explains the queries
of `roadmap/operations/log_search.py` for every filter: no plan may read a whole month. Then it
measures a page in the middle, for few records and for many, and writing records, against COPY.

    make bench-logs ROWS=5000000   or   python benchmarks/log_search.py --rows 5000000 --few 50000
"""

import argparse
import io
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2 import extensions

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if __name__ == "__main__":  # before the settings are read; the database comes later
    settings_folder = tempfile.TemporaryDirectory(
        prefix="roadmap-bench-"
    )  # it is removed at the end
    os.environ |= {"SERVICE_TYPE": "all", "DATA_DIR": settings_folder.name, "LOG_LEVEL": "WARNING"}

from core.db import database, session
from core.ids import first_id, new_id
from core.postgres import MIGRATION_SECONDS, limit_waiting
from roadmap.operations.execution_log import BATCH, LogLevel, store_batch
from roadmap.operations.log_months import month_after, month_of
from roadmap.operations.log_search import LogFilter, page_query, search
from testing.logbook import document, own_database
from testing.servers import Postgres

MONTHS = 4  # with this one
MANY = 1_000  # rows of a partition that is not to be read as a whole
TIMES = 100  # that a page is read
WRITTEN = 20_000  # records to measure how quickly
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of PostgreSQL for one page.

    Rows found, kinds of nodes, milliseconds, pages of 8 kB, and the tables read whole.
    """

    name: str
    rows: int
    nodes: str
    ms: float
    buffers: int
    scanned: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument(
        "--few", type=int, default=50_000, help="rows to compare the time of a page with"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch:
        folder = Path(scratch) / "postgres"
        folder.mkdir()
        postgres = Postgres(folder)
        try:
            postgres.start()
            with own_database(Path(scratch), postgres):
                fill(options.few)
                few = page_ms()
            with own_database(Path(scratch), postgres):
                began = time.perf_counter()
                fill(options.rows)
                progress(
                    f"{options.rows:,} records and their indexes are there "
                    f"after {time.perf_counter() - began:.0f} s"
                )
                found = plans()
                many = page_ms()
                by_us, by_copy = rates()
                version, sizes = ask("SHOW server_version")[0][0], size_of_indexes()
        finally:
            postgres.stop()
    print(f"PostgreSQL {version}, {options.rows:,} records over {MONTHS} months\n")
    print(table(found))
    print(f"\nIndexes: {sizes}")
    of_each = f"{few:.2f} ms of {options.few:,} records, {many:.2f} ms of {options.rows:,}"
    print(f"A page in the middle, as the service reads it: {of_each}: ratio {many / few:.2f}")
    print(
        f"Records a second: {by_us:,.0f} by the logs worker, "
        f"{by_copy:,.0f} by COPY into the same table: {by_us / by_copy:.2f}"
    )
    whole = [
        f"{plan.name} reads {', '.join(plan.scanned)} as a whole" for plan in found if plan.scanned
    ]
    print("\n".join(whole), file=sys.stderr)
    return 1 if whole else 0


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
        progress(f"{name} is indexed")


def plans() -> list[Plan]:
    """Of the first page for every filter, and of one in the middle."""
    middle = middle_of_all()
    [(roadmap_id, trace_id)] = ask(
        "SELECT roadmap_id, trace_id FROM execution_log "
        f"WHERE id < '{middle}' ORDER BY id DESC LIMIT 1"
    )
    at = datetime.now(UTC) - timedelta(days=40)
    cases: dict[str, tuple[LogFilter, UUID | None]] = {
        "no filter": (LogFilter(), None),
        "no filter, deep": (LogFilter(), middle),
        "errors": (LogFilter(levels=(LogLevel.error,)), None),
        "errors and warnings, deep": (LogFilter(levels=(LogLevel.error, LogLevel.warning)), middle),
        "debug": (LogFilter(levels=(LogLevel.debug,)), None),
        "one day": (LogFilter(since=at, until=at + timedelta(days=1)), None),
        "a rare category": (LogFilter(categories=("webhooks",)), None),
        "a common category, deep": (LogFilter(categories=("building",)), middle),
        "a rare step": (LogFilter(step="deliver"), None),
        "a common step": (LogFilter(step="quiz"), None),
        "a missing step": (LogFilter(step="nowhere"), None),
        "one roadmap": (LogFilter(roadmap_id=roadmap_id), None),
        "errors of one roadmap": (LogFilter(roadmap_id=roadmap_id, levels=(LogLevel.error,)), None),
        "one trace": (LogFilter(trace_id=trace_id), None),
        "a rare word": (LogFilter(text="overloaded"), None),
        "a common word": (LogFilter(text="tutorial"), None),
        "a common word, deep": (LogFilter(text="tutorial"), middle),
        "a missing word": (LogFilter(text="nowhere"), None),
        "a common and a rare word": (LogFilter(text="the overloaded"), None),
        "two common words": (LogFilter(text="tutorial gpt-5-mini"), None),
        "a word of one in 5,000": (LogFilter(text="4242"), None),
        "Chinese": (LogFilter(text="数据库"), None),
        "a word among errors": (LogFilter(text="refused", levels=(LogLevel.error,)), None),
        "errors without a word": (LogFilter(text="-refused", levels=(LogLevel.error,)), None),
    }
    return [plan_of(name, wanted, before) for name, (wanted, before) in cases.items()]


def plan_of(name: str, wanted: LogFilter, before: UUID | None) -> Plan:
    with session():
        sql, values = page_query(wanted, before, 51).sql()
        database.execute_sql("SET jit = off")  # it is for long queries, and these are to be short
        [(plan,)] = database.execute_sql(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql, values
        ).fetchall()
    found = (json.loads(plan) if isinstance(plan, str) else plan)[0]
    nodes = list(nodes_of(found["Plan"]))
    large = {
        relation
        for (relation,) in ask(
            f"SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > {MANY}"
        )
    }
    scanned = sorted(
        {node["Relation Name"] for node in nodes if "Seq Scan" in node["Node Type"]} & large
    )
    kinds = dict.fromkeys(
        kind_of(node) for node in nodes if node["Actual Loops"] and "Limit" not in node["Node Type"]
    )
    buffers = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
    ms = found["Execution Time"] + found["Planning Time"]
    return Plan(name, round(found["Plan"]["Actual Rows"]), ", ".join(kinds), ms, buffers, scanned)


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)


def kind_of(node: dict[str, Any]) -> str:
    """With the name of the index as it is called in any month."""
    index = node.get("Index Name")
    return str(node["Node Type"]) + (f" ({short(index)})" if index else "")


def short(index: str) -> str:
    words = ("execution_log_words", "category_step", "roadmap_id", "trace_id", "pkey")
    others = {"execution_log_serious": "serious", "errors": "errors"}
    return next(
        (word.removeprefix("execution_log_") for word in words if word in index),
        others.get(index, "level"),
    )


def page_ms() -> float:
    """The shortest for one in the middle, with all that `search` does for it.

    The connection and the pages are there.
    """
    middle, took = middle_of_all(), []
    search(LogFilter(), before=middle, limit=50)
    for _ in range(TIMES):
        began = time.perf_counter()
        assert len(search(LogFilter(), before=middle, limit=50).items) == 50
        took.append((time.perf_counter() - began) * 1000)
    return min(took)  # what else the machine does only adds to it


def rates() -> tuple[float, float]:
    """Records a second of this month, by the logs worker and by COPY; the best of three each."""
    return max(written() for _ in range(3)), max(copied() for _ in range(3))


def written() -> float:
    batches = [
        [document(message=f"Wrote the quiz of concept {n}") for n in range(BATCH)]
        for _ in range(WRITTEN // BATCH)
    ]
    source = {
        "id": new_id().hex,
        "service": "bench",
        "dropped": 0,
        "traces": [new_id().hex] * BATCH,
    }
    began = time.perf_counter()
    for number, batch in enumerate(batches, 1):
        store_batch(batch, {**source, "last_seq": number * BATCH})
    return WRITTEN / (time.perf_counter() - began)


def copied() -> float:
    rows = (document(message=f"Wrote the quiz of concept {n % BATCH}") for n in range(WRITTEN))
    names = ("id", "at", "level", "category", "step", "message")
    lines = "".join(
        "\t".join((*(row[name] for name in names), new_id().hex)) + "\n" for row in rows
    )
    extensions.set_wait_callback(None)  # with one, psycopg2 knows no COPY
    connection = psycopg2.connect(database.obj.database)
    began = time.perf_counter()
    with connection, connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY execution_log ({', '.join(names)}, trace_id) FROM STDIN", io.StringIO(lines)
        )
    took = time.perf_counter() - began
    connection.close()
    limit_waiting()
    return WRITTEN / took


def middle_of_all() -> UUID:
    now = datetime.now(UTC)
    first = month_of(now)
    for _ in range(MONTHS - 1):
        first = month_of(first - timedelta(days=1))
    return first_id(first + (now - first) / 2)


def size_of_indexes() -> str:
    sql = """SELECT i.relname, pg_relation_size(i.oid) FROM pg_class i
        JOIN pg_index x ON x.indexrelid = i.oid JOIN pg_inherits p ON p.inhrelid = x.indrelid
        WHERE p.inhparent = 'execution_log'::regclass AND i.relkind = 'i'"""
    sizes: dict[str, int] = {}
    for name, size in ask(sql):
        sizes[short(name)] = sizes.get(short(name), 0) + size
    return ", ".join(
        f"{name} {size / 1e6:,.0f} MB"
        for name, size in sorted(sizes.items(), key=lambda each: -each[1])
    )


def way(nodes: str) -> str:
    """Return the indexes of a plan, and whether their rows were sorted."""
    names = re.findall(r"\((\w+)\)", nodes)
    return ", ".join([*names, *(["sorted"] if nodes.startswith("Sort") else [])])


def table(found: list[Plan]) -> str:
    head = "| page of 50 | rows | index | ms | buffers |\n|---|---|---|---|---|\n"
    return head + "\n".join(
        f"| {p.name} | {min(p.rows, 50)} | {way(p.nodes)} | {p.ms:.1f} | {p.buffers:,} |"
        for p in found
    )


def ask(sql: str) -> list[tuple[Any, ...]]:
    with session():
        rows: list[tuple[Any, ...]] = database.execute_sql(sql).fetchall()
    return rows


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
