"""Plans of PostgreSQL for a page of the execution log: the small form of `make bench-logs`."""

from collections.abc import Iterator

import pytest
from benchmarks.log_search import Plan

from benchmarks import log_search as bench
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
MOST_BUFFERS = 150  # of 8 kB, for what is found by an index in its order


@pytest.fixture(scope="module")
def plans(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Plan]]:
    with own_database(tmp_path_factory.mktemp("plans"), postgres):
        bench.fill(ROWS)
        yield {plan.name: plan for plan in bench.plans()}


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
