"""Plans of PostgreSQL for a page of the execution log, for every filter, over several months."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from benchmarks.growth.fill_log import MONTHS, fill
from core.db import database, session
from core.ids import first_id
from roadmap.operations.execution_log import month_of
from roadmap.operations.log_search import page_query
from roadmap.operations.search_filters import LogFilter
from testing.logbook import own_database
from testing.servers import Postgres

ROWS = 20_000
INDEXES = {  # by which each is found, at least
    **{
        "no filter": "pkey",
        "no filter, deep": "pkey",
        "errors": "level",
        "one trace": "trace_id",
        "one roadmap": "roadmap_id",
    },
    **{
        "a rare category": "category_step",
        "a rare step": "category_step",
        "a rare word": "words",
        "Chinese": "words",
    },
}
MANY = 1_000  # rows of a partition that is not to be read as a whole
MOST_BUFFERS = 150  # of 8 kB, for what is found by an index in its order


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


@pytest.fixture(scope="module")
def plans(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Plan]]:
    with own_database(tmp_path_factory.mktemp("plans"), postgres):
        fill(ROWS)
        yield {plan.name: plan for plan in plans_of_pages()}


def test_no_page_reads_a_whole_month(plans: dict[str, Plan]) -> None:
    assert {name: plan.scanned for name, plan in plans.items() if plan.scanned} == {}
    assert len(plans) >= len(INDEXES)


@pytest.mark.parametrize(("name", "index"), INDEXES.items())
def test_a_filter_is_answered_by_its_index(plans: dict[str, Plan], name: str, index: str) -> None:
    assert f"({index})" in plans[name].nodes
    assert plans[name].rows > 0


def test_a_page_in_the_middle_costs_what_the_first_one_does(plans: dict[str, Plan]) -> None:
    assert plans["no filter, deep"].buffers <= MOST_BUFFERS
    assert plans["no filter, deep"].rows == plans["no filter"].rows


def plans_of_pages() -> list[Plan]:
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
        "errors": (LogFilter(level="error"), None),
        "errors and warnings, deep": (LogFilter(level="error,warning"), middle),
        "debug": (LogFilter(level="debug"), None),
        "one day": (LogFilter(since=at, until=at + timedelta(days=1)), None),
        "a rare category": (LogFilter(category="webhooks"), None),
        "a common category, deep": (LogFilter(category="building"), middle),
        "a rare step": (LogFilter(step="deliver"), None),
        "a common step": (LogFilter(step="quiz"), None),
        "a missing step": (LogFilter(step="nowhere"), None),
        "one roadmap": (LogFilter(roadmap_id=roadmap_id), None),
        "errors of one roadmap": (LogFilter(roadmap_id=roadmap_id, level="error"), None),
        "one trace": (LogFilter(trace_id=trace_id), None),
        "a rare word": (LogFilter(text="overloaded"), None),
        "a common word": (LogFilter(text="tutorial"), None),
        "a common word, deep": (LogFilter(text="tutorial"), middle),
        "a missing word": (LogFilter(text="nowhere"), None),
        "a common and a rare word": (LogFilter(text="the overloaded"), None),
        "two common words": (LogFilter(text="tutorial gpt-5-mini"), None),
        "a word of one in 5,000": (LogFilter(text="4242"), None),
        "Chinese": (LogFilter(text="数据库"), None),
        "a word among errors": (LogFilter(text="refused", level="error"), None),
        "errors without a word": (LogFilter(text="-refused", level="error"), None),
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


def middle_of_all() -> UUID:
    now = datetime.now(UTC)
    first = month_of(now)
    for _ in range(MONTHS - 1):
        first = month_of(first - timedelta(days=1))
    return first_id(first + (now - first) / 2)


def ask(sql: str) -> list[tuple[Any, ...]]:
    with session():
        rows: list[tuple[Any, ...]] = database.execute_sql(sql).fetchall()
    return rows
