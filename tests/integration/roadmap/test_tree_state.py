"""The state of a roadmap's tree is another one after every change that the tree tells, on both kinds of database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import peewee
import pytest

from core.db import snapshot, transaction
from core.errors import NotFound
from core.ids import new_id
from models.accounts import Account
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.lifecycle.queries import tree_state
from tests.integration.logbook import MODES, own_database

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)
OWNER, OTHER, ROADMAP = new_id(), new_id(), new_id()
OTHER_VALUE = {
    "TEXT": "x",
    "VARCHAR": "x",
    "INT": 77,
    "BIGINT": 77,
    "BOOL": True,
    "UUID": UUID(int=7),
    "JSON": {"x": "x"},
}
OTHER_VALUE |= {"DATETIME": NOW + timedelta(microseconds=1), "DATE": date(2027, 1, 1)}
OWN_KEYS = ("id", "owner")


@pytest.fixture(scope="module", params=MODES)
def tree(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Two concepts with a part each; tests change them back."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    stage, module = new_id(), new_id()
    head = {"roadmap": ROADMAP, "position": 0, "title": "T", "description": ""}
    more = {"week": 1, "hours": 1, "difficulty": 1, "prerequisites": [], "outcomes": []}
    with own_database(tmp_path_factory.mktemp("tree"), server), transaction():
        accounts = [
            {"id": id_, "email": f"{id_}@example.org", "password_hash": "", "created_at": NOW}
            for id_ in (OWNER, OTHER)
        ]
        insert_rows(Account, accounts)
        times = {"due_at": NOW, "created_at": NOW, "updated_at": NOW}
        asked = {
            "goal": "Bake",
            "level": "beginner",
            "hours_per_week": 8,
            "language": "en",
            "status": "ready",
        }
        insert_rows(Roadmap, [{"id": ROADMAP, "owner": OWNER, **asked}], common=times)
        insert_rows(Stage, [{**head, "id": stage, "key": "s"}])
        insert_rows(Module, [{**head, "id": module, "key": "m", "stage": stage}])
        concepts = [{**head, **more, "id": new_id(), "key": key, "module": module} for key in "ab"]
        insert_rows(Concept, concepts)
        parts = [{"id": new_id(), "concept": concept["id"]} for concept in concepts]
        insert_rows(
            Content,
            parts,
            common={"roadmap": ROADMAP, "kind": "quiz", "status": "ready", "due_at": NOW},
        )
        yield


def state() -> bytes | None:
    """None while it is in the trash."""
    try:
        return tree_state(OWNER, ROADMAP)
    except NotFound:
        return None


def changed(table: type[Any], **changes: Any) -> bool:
    """Whether the state is another one when the first row of a table is changed so; changed back, it is the one of before."""
    before = state()
    first = table.select().order_by(table.id).first()
    was = {name: getattr(first, name) for name in changes}
    table.update(**changes).where(table.id == first.id).execute()
    after = state()
    table.update(**was).where(table.id == first.id).execute()
    assert state() == before
    return after != before


@pytest.mark.parametrize(
    "field", [field for field in Roadmap._meta.sorted_fields if field.name not in OWN_KEYS], ids=str
)
def test_it_changes_with_everything_of_the_roadmap(tree: None, field: peewee.Field) -> None:
    assert changed(Roadmap, **{field.name: OTHER_VALUE[field.field_type]})


@pytest.mark.parametrize(
    "change", [{"status": "building"}, {"version": 2}, {"error": "x"}], ids=repr
)
def test_it_changes_with_a_part(tree: None, change: dict[str, Any]) -> None:
    assert changed(Content, **change)


def test_it_changes_with_progress_and_not_with_notes(tree: None) -> None:
    assert changed(Concept, progress="done")
    assert not changed(Concept, notes="x")


def test_other_accounts_have_no_access(tree: None) -> None:
    for owner_id, roadmap_id in ((OTHER, ROADMAP), (OWNER, new_id())):
        with pytest.raises(NotFound):
            tree_state(owner_id, roadmap_id)


def test_what_is_read_in_a_snapshot_inside_of_a_transaction_is_what_that_has_changed(
    tree: None,
) -> None:
    before = tree_state(OWNER, ROADMAP)
    Content.update(status="failed").execute()
    with snapshot():
        assert tree_state(OWNER, ROADMAP) != before
    Content.update(status="ready").execute()
