"""Rows that lists and upkeep read in a table that is mostly others'.

This is the small form of `python -m benchmarks.growth --only roadmaps`.

The account has made a sixth of all roadmaps, and made them first. A scan of the key
from its end passes all the others before the first of these.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from benchmarks.growth.filling import Filling
from benchmarks.growth.plans import most_rows, scanned_whole
from core import clock
from core.db import database, session, transaction
from core.errors import Invalid
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Concept, Roadmap
from roadmap.accounts import sessions
from roadmap.accounts.access import LAST
from roadmap.lifecycle import trash
from roadmap.lifecycle.administration import admin_queries
from roadmap.lifecycle.reading import own_roadmaps, queries, read_states
from roadmap.lifecycle.reading.own_roadmaps import Order, RoadmapFilter
from roadmap.operations.search_filters import RoadmapSearch
from roadmap.plan.statuses import RoadmapStatus
from testing.logbook import own_database
from testing.servers import Postgres

ROWS = 60_000
LIMIT = 20
MOST = 3 * LIMIT  # rows that a list may look at
STATUSES = (None, RoadmapStatus.ready, RoadmapStatus.failed, RoadmapStatus.awaiting_review)


@pytest.fixture(scope="module")
def filling(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filling]:
    with own_database(tmp_path_factory.mktemp("lists"), postgres) as mine:
        with transaction():
            now = clock.now()
            ids = [
                Account.create(email=f"{number}@example.org", password_hash="", created_at=now).id
                for number in range(5)
            ]
        made = Filling(mine.database_url.get_secret_value(), ids[0], ids[1:], whole=2)
        made.fill(ROWS)
        yield made


def plans(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Of all that is read meanwhile, as it is run again."""
    sent: list[tuple[str, Any]] = []
    execute = type(database.obj).execute_sql

    def noted(self: Any, sql: str, params: Any = None) -> Any:
        sent.append((sql, params))
        return execute(self, sql, params)

    with monkeypatch.context() as patched:
        patched.setattr(type(database.obj), "execute_sql", noted)
        run()
    found = []
    for sql, params in sent:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            with session():
                [(plan,)] = database.execute_sql(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params
                ).fetchall()
            found.append((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    assert found
    return found


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("is_deep", [False, True])
def test_a_list_looks_at_what_it_shows(
    filling: Filling, monkeypatch: pytest.MonkeyPatch, status: RoadmapStatus | None, is_deep: bool
) -> None:
    before = filling.middle_of_reader() if is_deep else None
    listed: list[UUID] = []

    def run() -> None:
        listed.extend(
            each.id
            for each in queries.list_roadmaps(
                filling.reader, limit=LIMIT, before=before, status=status
            ).items
        )

    assert max(map(most_rows, plans(run, monkeypatch))) <= MOST
    assert listed == expected(filling, before, status)


def test_states_of_many_look_at_what_they_are_of(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement reads for requests that come together; it could sort all roadmaps first."""
    reader = filling.reader
    with session():
        everybody = [account.id for account in Account.select(Account.id)] * 5
        query = Concept.select(Concept.id, Concept.roadmap, Roadmap.owner).join(Roadmap)
        parts = [(owner, roadmap, each) for each, roadmap, owner in query.limit(20).tuples()]
    roadmaps = [(reader, each) for each in expected(filling, None)]
    middle = filling.middle_of_reader()
    reads: tuple[Callable[[], list[bytes | None]], ...] = (
        lambda: read_states.list_states(LIMIT, [(owner, LAST) for owner in everybody]),
        lambda: read_states.list_states(LIMIT, [(reader, middle)]),
        lambda: read_states.tree_states(roadmaps),
        lambda: read_states.concept_states(parts),
    )
    for read in reads:
        states = read()
        assert None not in states
        [plan] = plans(read, monkeypatch)
        assert most_rows(plan) <= 200 * len(states)  # the tables of contents have no more


@pytest.mark.parametrize("order", [Order.newest, Order.oldest])
@pytest.mark.parametrize("statuses", [(), (RoadmapStatus.ready, RoadmapStatus.failed)])
def test_a_list_of_several_states_or_from_the_oldest_looks_at_what_it_shows(
    filling: Filling,
    monkeypatch: pytest.MonkeyPatch,
    statuses: tuple[RoadmapStatus, ...],
    order: Order,
) -> None:
    listed: list[UUID] = []

    def run() -> None:
        page = own_roadmaps.list_own(
            filling.reader, RoadmapFilter(statuses, order=order), after=None, limit=LIMIT
        )
        listed.extend(each.id for each in page.items)

    assert max(map(most_rows, plans(run, monkeypatch))) <= MOST
    assert listed == expected(
        filling, None, *statuses, order="DESC" if order is Order.newest else "ASC"
    )


def test_several_states_are_read_as_of_one_moment(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A roadmap that gets the other state between the two queries would be listed twice."""
    statuses = (RoadmapStatus.ready, RoadmapStatus.failed)
    newest = expected(filling, None, RoadmapStatus.ready)[0]
    in_order_of_id, asked = own_roadmaps.in_order_of_id, 0

    def become(status: RoadmapStatus) -> None:
        with transaction():
            Roadmap.update(status=status).where(Roadmap.id == newest).execute()

    def between(*given: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            with ThreadPoolExecutor(1) as another:
                another.submit(become, RoadmapStatus.failed).result()
        return in_order_of_id(*given, **more)

    monkeypatch.setattr(own_roadmaps, "in_order_of_id", between)
    try:
        page = own_roadmaps.list_own(
            filling.reader, RoadmapFilter(statuses, text=" "), after=None, limit=LIMIT
        )
        assert [each.id for each in page.items] == expected(filling, None, *statuses)
    finally:
        become(RoadmapStatus.ready)


def test_a_search_that_takes_too_long_is_given_up(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_roadmaps, "SEARCH_SECONDS", 0.001)
    with pytest.raises(Invalid, match="takes too long"):
        own_roadmaps.list_own(
            filling.reader, RoadmapFilter(text="nowhere"), after=None, limit=LIMIT
        )
    usual = own_roadmaps.list_own(filling.reader, RoadmapFilter(), after=None, limit=LIMIT)
    assert [each.id for each in usual.items] == expected(filling, None)


@pytest.mark.parametrize(
    ("order", "sql"),
    [
        (Order.by_title, "lower(substr(CASE title WHEN '' THEN goal ELSE title END, 1, 60)), id"),
        (Order.changed, "updated_at DESC, id DESC"),
    ],
)
def test_pages_of_other_orders_follow_each_other(filling: Filling, order: Order, sql: str) -> None:
    wanted, cursor, seen = (
        RoadmapFilter((RoadmapStatus.ready, RoadmapStatus.failed), order=order),
        None,
        [],
    )
    for _ in range(5):
        page = own_roadmaps.list_own(filling.reader, wanted, after=cursor, limit=LIMIT)
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
    mine = f"owner_id = '{filling.reader}' AND status IN ('ready', 'failed')"
    with session():
        rows = database.execute_sql(
            f"SELECT id FROM roadmap WHERE {mine} ORDER BY {sql} LIMIT {5 * LIMIT}"
        ).fetchall()
    assert seen == [UUID(str(id_)) for (id_,) in rows]
    word = page.items[0].goal.split()[0]
    found = own_roadmaps.list_own(
        filling.reader, RoadmapFilter(text=word.upper(), order=order), after=None, limit=LIMIT
    )
    assert {word in each.goal or word in each.title for each in found.items} == {True}


@pytest.mark.parametrize(
    "statuses", [(), (RoadmapStatus.ready,), (RoadmapStatus.failed, RoadmapStatus.partial)]
)
def test_an_operators_search_for_an_account_looks_at_what_it_shows(
    filling: Filling, monkeypatch: pytest.MonkeyPatch, statuses: tuple[RoadmapStatus, ...]
) -> None:
    listed: list[UUID] = []

    def run() -> None:
        criteria = RoadmapSearch(owner=str(filling.reader), status=",".join(statuses))
        listed.extend(
            each.id for each in admin_queries.search(criteria, before=None, limit=LIMIT).items
        )

    assert max(map(most_rows, plans(run, monkeypatch))) <= MOST
    assert listed == expected(filling, None, *statuses)


def test_upkeep_reads_no_table_of_logins_as_a_whole(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plans(sessions.end_idle_sessions, monkeypatch)
    assert set().union(*(scanned_whole(plan, {"login_session"}) for plan in found)) == set()
    assert max(map(most_rows, found)) <= MOST  # and not every login that is open


def test_the_trash_is_found_without_reading_what_is_not_in_it(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session():
        mine = filling.middle_of_reader()
        Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == mine).execute()
    try:
        for run in (partial(trash.list_trash, filling.reader, limit=LIMIT), trash.purge_expired):
            found = plans(run, monkeypatch)
            assert max(map(most_rows, found)) <= MOST
            assert set().union(*(scanned_whole(plan, {"roadmap"}) for plan in found)) == set()
    finally:
        with session():
            Roadmap.update(trashed_at=None).where(Roadmap.id == mine).execute()


def expected(
    filling: Filling, before: UUID | None, *statuses: RoadmapStatus | None, order: str = "DESC"
) -> list[UUID]:
    below = before or new_id()
    among = [f"'{status}'" for status in statuses if status]
    only = f"AND status IN ({', '.join(among)})" if among else ""
    mine = f"owner_id = '{filling.reader}' AND id < '{below}' {only}"
    with session():
        rows = database.execute_sql(
            f"SELECT id FROM roadmap WHERE {mine} ORDER BY id {order} LIMIT {LIMIT}"
        ).fetchall()
    return [UUID(str(id_)) for (id_,) in rows]
