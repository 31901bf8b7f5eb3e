"""Curves of the benchmarks: plans from the log of PostgreSQL, and the section."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.growth.curves import CURVES
from benchmarks.growth.effort import FULL, QUICK
from benchmarks.growth.plans import (
    MANY,
    Statement,
    complaints,
    most_rows,
    scanned_whole,
    shortened,
    statements,
)
from benchmarks.growth.points import Found, Point, found_of, growth, lines
from benchmarks.growth.report import BEGIN, markdown, noteworthy, read, written
from benchmarks.growth.saying import worst_of
from benchmarks.report import write_section
from testing.stack import ROOT

LARGE = {"roadmap", "execution_log_202611"}


def node(kind: str, table: str = "", rows: float = 1, *below: Any, **more: Any) -> dict[str, Any]:
    named = {"Relation Name": table} if table else {}
    return {
        "Node Type": kind,
        "Actual Rows": rows,
        "Actual Loops": 1,
        **named,
        **more,
        **({"Plans": list(below)} if below else {}),
    }


def entry(ms: float, text: str, plan: Any) -> str:
    """As auto_explain writes it: every line but the first begins with a tab."""
    lines_ = json.dumps({"Query Text": text, "Plan": plan}, indent=2).replace("\n", "\n\t")
    return f"2026-11-26 09:00:00.000 UTC [17] LOG:  duration: {ms} ms  plan:\n\t{lines_}\n"


BY_INDEX = node("Limit", "", 20, node("Index Scan", "roadmap", 20))
WHOLE = node(
    "Limit",
    "",
    20,
    node("Sort", "", 20, node("Seq Scan", "roadmap", 20, **{"Rows Removed by Filter": 999_980})),
)


def test_a_sequential_scan_of_a_large_table_is_found_wherever_it_is_in_the_plan() -> None:
    assert scanned_whole(WHOLE, LARGE) == {"roadmap"}
    assert scanned_whole(
        node("Append", "", 1, BY_INDEX, node("Seq Scan", "execution_log_202611")), LARGE
    ) == {"execution_log_202611"}


@pytest.mark.parametrize(
    "plan",
    [
        BY_INDEX,
        node("Seq Scan", "roadmap_event"),  # a small one
        node("Index Scan", "roadmap", 1, node("Seq Scan", "execution_log_default")),
        node(
            "Append", "", 1, BY_INDEX, {**node("Seq Scan", "roadmap"), "Actual Loops": 0}
        ),  # was planned, and not run
    ],
)
def test_what_goes_by_an_index_or_is_small_may_stay(plan: Any) -> None:
    assert scanned_whole(plan, LARGE) == set()


def test_a_plan_that_was_not_run_counts_as_it_is_planned() -> None:
    assert scanned_whole({"Node Type": "Seq Scan", "Relation Name": "roadmap"}, LARGE) == {
        "roadmap"
    }


def test_rows_are_those_that_a_node_looked_at_in_all_its_loops() -> None:
    assert most_rows(WHOLE) == 1_000_000
    assert (
        most_rows(
            {
                **node("Index Scan", "roadmap", 3, **{"Rows Removed by Index Recheck": 2}),
                "Actual Loops": 10,
            }
        )
        == 50
    )


def test_statements_are_read_from_the_log_each_once_the_slowest_first() -> None:
    log = (
        "2026-11-26 09:00:00.000 UTC [17] LOG:  checkpoint starting: immediate force wait\n"
        + entry(0.1, "SELECT * FROM roadmap\n\tWHERE id = 'a'", BY_INDEX)
        + entry(250.5, "SELECT * FROM roadmap WHERE goal = 'x''y' LIMIT 20", WHOLE)
        + entry(0.3, "SELECT * FROM roadmap WHERE id = 'b'", BY_INDEX)
        + "2026-11-26 09:00:01.000 UTC [17] ERROR:  canceling statement\n"
    )
    found = statements(log, LARGE, place="pages: list", x=1_000)
    assert [(each.text, each.times, each.ms, each.scanned, each.rows) for each in found] == [
        ("SELECT * FROM roadmap WHERE goal = ? LIMIT ?", 1, 250.5, ("roadmap",), 1_000_000),
        ("SELECT * FROM roadmap WHERE id = ?", 2, 0.3, (), 20),
    ]
    assert complaints(found) == [
        "pages: list, at 1,000: reads roadmap as a whole in 250 ms: "
        "SELECT * FROM roadmap WHERE goal = ? LIMIT ?"
    ]
    assert complaints(found[1:]) == []
    assert statements("nothing of a plan\n", LARGE, place="", x=0) == []


def test_the_same_statement_with_other_values_is_the_same() -> None:
    one = "SELECT 1 FROM t WHERE id IN ('a', 'b') AND n > 3.5 AND t1 = 2"
    other = "SELECT 2  FROM t WHERE id IN ('c', 'd', 'e''f')\n AND n > 4 AND t1 = 7"
    assert (
        shortened(one)
        == shortened(other)
        == "SELECT ? FROM t WHERE id IN (?, ...) AND n > ? AND t1 = ?"
    )


def test_statements_of_many_columns_differ_by_what_follows() -> None:
    columns = ", ".join(f'"t1"."column_{number}"' for number in "abcdefghijklmnopqrstuvwxyz" * 3)
    assert (
        shortened(f'SELECT {columns} FROM "t" AS "t1" WHERE a')
        == 'SELECT "t1"."column_a", ... FROM "t" AS "t1" WHERE a'
    )
    assert shortened('SELECT "t1"."a", "t1"."b" FROM "t"') == 'SELECT "t1"."a", "t1"."b" FROM "t"'


def test_a_scan_of_a_table_or_of_many_rows_is_reported_once_at_its_worst() -> None:
    quick = Statement("a", 10, "SELECT 1", 1, 0.1, (), 5)
    few, many = (
        Statement("a", 10, "SELECT 2", 1, 0.1, (), MANY),
        Statement("a", 100, "SELECT 2", 1, 0.2, (), 10 * MANY),
    )
    whole = Statement("b", 100, "SELECT 3", 1, 9.0, ("roadmap",), 5)
    assert noteworthy([quick, few, many, whole, many]) == [whole, many]


def points(measure: str, line: str, *values: float) -> list[Point]:
    return [Point(measure, line, 10.0**power, value) for power, value in enumerate(values)]


def test_lines_are_medians_of_all_rounds() -> None:
    found = [
        *points("ms", "a", 1, 2),
        Point("ms", "a", 10, 4),
        Point("ms", "a", 10, 3),
        *points("s", "a", 9),
    ]
    assert lines(found, "ms") == {"a": {1: 1, 10: 3}}
    assert growth({1: 1, 10: 3}) == 3
    assert growth({0: 0, 10: 3}) == 1


def test_noticeable_growth_is_reported() -> None:
    found = [
        *points("ms", "page", 2, 3, 40),
        *points("ms", "quick", 0.1, 0.1, 3),
        *points("ms", "steady", 50, 50, 60),
    ]
    assert worst_of(found).splitlines() == [
        "| doubles, and takes 5 ms or more | ms at 1 | ms at 100 | times |",
        "| --- | --- | --- | --- |",
        "| page (ms) | 2 | 40 | 20.00 |",
    ]
    assert worst_of(found[3:]) == "Nothing that takes 5 ms or more doubles up to 100: no limit yet."


def found_with(
    *measured: Point, statements: tuple[Statement, ...] = (), explained: int = 0
) -> Found:
    about = {"cores": "2"}
    return Found(
        "2026-01-05",
        "in full",
        about,
        {"Python": "3.11"},
        {"fsync": "on"},
        60,
        measured,
        statements,
        explained,
    )


ROADMAPS = found_with(
    *points("API, ms", "POST a goal", 2, 2.2),
    statements=(Statement("upkeep", 10, "SELECT 1", 1, 0.5, ("roadmap",), 20_000),),
    explained=7,
)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    assert read(file) == {}
    file.write_text(written({"roadmaps": ROADMAPS}))
    assert markdown(read(file), CURVES) == markdown({"roadmaps": ROADMAPS}, CURVES)
    assert found_of(json.loads(file.read_text())["roadmaps"]).statements == list(
        ROADMAPS.statements
    )


def test_a_curve_has_its_statements() -> None:
    section = markdown({"roadmaps": ROADMAPS}, CURVES)
    assert "Accepting a goal takes 1.10 times as long with 10 roadmaps as with 1." in section
    words = " ".join(section.split())
    assert (
        f"1 of 7 statements read a large table as a whole, and 0 more than {MANY:,} rows" in words
    )
    assert "upkeep (20,000 rows, 0.5 ms, roadmap as a whole)." in words
    assert "Measured on 2026-01-05 in full on 2 cores, load up to 0." in words


def test_the_page_has_the_section_of_the_committed_results(tmp_path: Path) -> None:
    found, page = read(ROOT / "benchmarks" / "growth.json"), ROOT / "docs" / "PERFORMANCE.md"
    copy = tmp_path / page.name
    copy.write_text(page.read_text("utf-8"))
    write_section(copy, BEGIN, markdown(found, CURVES))
    assert copy.read_text("utf-8") == page.read_text("utf-8")


def test_every_curve_has_its_points_in_both_forms() -> None:
    assert {name: curve.name for name, curve in CURVES.items()} == {name: name for name in CURVES}
    for effort in (FULL, QUICK):
        for amounts in (
            effort.workers,
            effort.clients,
            effort.roadmaps,
            effort.records,
        ):
            assert list(amounts) == sorted(set(amounts))
            assert len(amounts) > 1
