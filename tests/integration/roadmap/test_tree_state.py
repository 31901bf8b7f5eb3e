"""States of a roadmap, a concept and a list: each change that these tell makes another."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import peewee
import pytest

from core.db import session, settings, snapshot, transaction
from core.errors import NotFound
from core.ids import new_id
from models.accounts import Account
from models.base import Leased
from models.bulk import insert_rows
from models.roadmaps import CheckedLink, Concept, Content, LinkUse, Module, Roadmap, Stage
from roadmap.accounts.access import LAST
from roadmap.lifecycle.reading import read_states
from roadmap.lifecycle.reading.queries import tree_state
from roadmap.lifecycle.reading.read_states import concept_states, list_states, tree_states
from testing.logbook import MODES, own_database

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
LEASE = Leased._meta.fields.keys() - {"id"}
SHOWN = [field for field in Roadmap._meta.sorted_fields if field.name not in (*OWN_KEYS, *LEASE)]


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


def changed(table: type[Any], state: Callable[[], bytes | None] = state, **changes: Any) -> bool:
    """Whether a change of the first row makes another state, and undoing it the one before."""
    before = state()
    first = table.select().order_by(table.id).first()
    was = {name: getattr(first, name) for name in changes}
    table.update(**changes).where(table.id == first.id).execute()
    after = state()
    table.update(**was).where(table.id == first.id).execute()
    assert state() == before
    return after != before


@pytest.mark.parametrize("field", SHOWN, ids=str)
def test_it_changes_with_everything_of_the_roadmap(tree: None, field: peewee.Field) -> None:
    assert changed(Roadmap, **{field.name: OTHER_VALUE[field.field_type]})


def test_it_does_not_change_with_the_lease(tree: None) -> None:
    """It is renewed every few seconds: a tag would be out of date before it is used."""
    for name in LEASE:
        field = Roadmap._meta.fields[name]
        assert not changed(Roadmap, **{name: OTHER_VALUE[field.field_type]})


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


def test_of_many_each_has_its_own(tree: None) -> None:
    places = [(OTHER, ROADMAP), (OWNER, ROADMAP), (OWNER, new_id()), (OWNER, ROADMAP)]
    mine = tree_state(OWNER, ROADMAP)
    assert tree_states(places) == [None, mine, None, mine]


def state_of_concept() -> bytes | None:
    """Of the first concept."""
    with session():
        first = Concept.select().order_by(Concept.id).first()
    [found] = concept_states([(OWNER, ROADMAP, first.id)])
    return found


FACTS = [
    field
    for field in Concept._meta.sorted_fields
    if not isinstance(field, peewee.ForeignKeyField) and field.name != "id"
]


class TestConcept:
    @pytest.mark.parametrize(
        "field",
        FACTS,
        ids=str,
    )
    def test_it_changes_with_everything_of_the_concept(
        self, tree: None, field: peewee.Field
    ) -> None:
        assert changed(Concept, state_of_concept, **{field.name: OTHER_VALUE[field.field_type]})

    @pytest.mark.parametrize(
        "change", [{"status": "building"}, {"version": 2}, {"error": "x"}], ids=repr
    )
    def test_it_changes_with_a_part(self, tree: None, change: dict[str, Any]) -> None:
        assert changed(Content, state_of_concept, **change)

    @pytest.mark.parametrize(
        "change", [{"state": "dead"}, {"reason": "x"}, {"checked_at": NOW}], ids=repr
    )
    def test_it_changes_with_a_check_of_its_links(self, tree: None, change: dict[str, Any]) -> None:
        with transaction():
            CheckedLink.create(
                digest="d" * 64, url="https://example.org/", state="alive", due_at=NOW
            )
            LinkUse.create(content=Content.select().order_by(Content.id).first().id, link="d" * 64)
        before = state_of_concept()
        CheckedLink.update(**change).execute()
        assert state_of_concept() not in (None, before)
        CheckedLink.delete().execute()

    @pytest.mark.parametrize("is_checked", [True, False])
    def test_it_is_not_known_before_its_links_are_registered_for_checks(
        self, tree: None, monkeypatch: pytest.MonkeyPatch, is_checked: bool
    ) -> None:
        mine = settings.model_copy(update={"link_check_days": 30 if is_checked else 0})
        monkeypatch.setattr(read_states, "settings", mine)
        content = Content.select().order_by(Content.id).first()
        its = Content.id == content.id
        Content.update(kind="resources", version=1).where(its).execute()
        assert (state_of_concept() is None) is is_checked
        Content.update(links_noted=1).where(its).execute()
        assert state_of_concept() is not None
        Content.update(kind="quiz", version=content.version, links_noted=None).where(its).execute()

    def test_other_accounts_and_other_roadmaps_have_none(self, tree: None) -> None:
        with session():
            first = Concept.select().first().id
        places = [(OTHER, ROADMAP, first), (OWNER, new_id(), first), (OWNER, ROADMAP, new_id())]
        assert concept_states(places) == [None] * 3


def state_of_list() -> bytes | None:
    [found] = list_states(20, [(OWNER, LAST)])
    return found


class TestList:
    @pytest.mark.parametrize("field", SHOWN, ids=str)
    def test_it_changes_with_everything_of_a_roadmap(self, tree: None, field: peewee.Field) -> None:
        assert changed(Roadmap, state_of_list, **{field.name: OTHER_VALUE[field.field_type]})

    def test_it_changes_with_another_roadmap_on_the_page_or_behind_it(self, tree: None) -> None:
        assert list_states(1, [(OWNER, LAST), (OWNER, ROADMAP)]) == list_states(
            20, [(OWNER, LAST), (OWNER, ROADMAP)]
        )
        before = list_states(1, [(OWNER, LAST), (OWNER, ROADMAP), (OTHER, LAST)])
        with session():
            row = Roadmap.get_by_id(ROADMAP).__data__
        insert_rows(Roadmap, [{**row, "id": UUID(int=1)}])
        after = list_states(1, [(OWNER, LAST), (OWNER, ROADMAP), (OTHER, LAST)])
        Roadmap.delete().where(Roadmap.id == UUID(int=1)).execute()
        assert [now == then for now, then in zip(after, before, strict=True)] == [
            False,
            False,
            True,
        ]
