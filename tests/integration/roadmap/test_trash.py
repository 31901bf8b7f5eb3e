"""The trash on both kinds of database: its list, and several processes that empty it at once."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from core import clock
from core.db import session, transaction
from core.errors import NotFound
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Roadmap, RoadmapEvent
from roadmap.lifecycle import trash
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.making.leases import PLANNING
from roadmap.lifecycle.reading import queries
from roadmap.plan.schemas import RoadmapRequest
from testing.logbook import MODES, own_database
from testing.stack import GOAL

OWNER = new_id()


@pytest.fixture(params=MODES)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        with transaction():
            Account.create(
                id=OWNER, email="somebody@example.org", password_hash="", created_at=clock.now()
            )
        yield
    clock.reset()


def made(count: int) -> list[UUID]:
    steps = create_many([NewRoadmap(OWNER, RoadmapRequest(goal=GOAL)) for _ in range(count)])
    return [step.id for step in steps]  # type: ignore[union-attr]  # nothing was asked before


def at_once(do: Callable[[], object], threads: int) -> list[object]:
    """Do it in threads at the same time; return the results, and the kinds of errors."""
    got: list[object] = []
    together = threading.Barrier(threads)

    def run() -> None:
        together.wait()
        try:
            got.append(do())
        except NotFound as error:
            got.append(type(error))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return got


def test_what_was_thrown_away_last_comes_first_page_by_page(base: None) -> None:
    ids = made(5)
    for at in (2, 0, 4, 1, 3):
        trash.put(OWNER, ids[at])
        clock.travel(timedelta(seconds=1))
    found: list[UUID] = []
    cursor: UUID | None = None
    for _ in range(5):
        page = trash.list_trash(OWNER, limit=2, before=cursor)
        found += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = UUID(page.next_cursor)
    assert found == [ids[at] for at in (3, 1, 4, 0, 2)]


def test_in_the_trash_it_is_not_there_and_out_of_it_it_is(base: None) -> None:
    (roadmap_id,) = made(1)
    before = queries.tree_state(OWNER, roadmap_id)
    trash.put(OWNER, roadmap_id)
    for read in (queries.tree_state, queries.roadmap_tree, queries.last_event):
        with pytest.raises(NotFound, match="in the trash"):
            read(OWNER, roadmap_id)
    assert trash.restore(OWNER, roadmap_id).status == "cancelled"
    assert queries.tree_state(OWNER, roadmap_id) != before


def test_of_several_who_throw_it_away_restore_it_or_delete_it_one_does(base: None) -> None:
    (roadmap_id,) = made(1)
    for do in (trash.put, trash.restore, trash.put, trash.delete):
        got = at_once(lambda do=do: do(OWNER, roadmap_id), 4)  # type: ignore[misc]
        assert (
            len([each for each in got if isinstance(each, type) and issubclass(each, NotFound)])
            == 3
        ), do


def test_who_plans_it_meanwhile_has_lost_it(base: None) -> None:
    (roadmap_id,) = made(1)
    with transaction():
        token = leases.claim(PLANNING, roadmap_id)
    assert token is not None
    trash.put(OWNER, roadmap_id)
    with pytest.raises(leases.LeaseLost), transaction():
        leases.save(Roadmap, roadmap_id, token, error="late")


def test_several_empty_it_at_once_and_each_is_deleted_once(base: None) -> None:
    kept, *old = made(60)
    for each in old:
        trash.put(OWNER, each)
    clock.travel(trash.KEPT + timedelta(minutes=1))
    trash.put(OWNER, kept)
    deleted = at_once(trash.purge_expired, 4)
    rest = trash.purge_expired()  # what one was deleting, the others have passed over
    assert sum(int(str(each)) for each in deleted) + rest == len(old)
    with session():
        assert [row.id for row in Roadmap.select(Roadmap.id)] == [kept]
        assert {row.roadmap_id for row in RoadmapEvent.select(RoadmapEvent.roadmap)} == {kept}
