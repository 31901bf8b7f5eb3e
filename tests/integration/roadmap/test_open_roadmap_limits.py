"""Limits on roadmaps that are being made, for whatever starts work, on both databases."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from peewee import IntegrityError
from pydantic import SecretStr

from core import clock
from core.db import SerializationConflict, is_postgres, session, settings, transaction
from core.errors import RateLimited, RoadmapError, Unauthenticated, Unavailable
from core.ids import new_id
from models.accounts import Account, IdempotentAnswer
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, Revision, Roadmap, RoadmapEvent
from roadmap.accounts.idempotency_store import StoredAnswer
from roadmap.accounts.identity import IdempotencyKey
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.importer import import_roadmap
from roadmap.lifecycle import commands, trash
from roadmap.lifecycle.making import create as create_
from roadmap.lifecycle.making.create import NewRoadmap, create_many, rehearse
from roadmap.plan.edits import AddConcept, Remove, Rewrite
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName, RoadmapStatus
from testing.logbook import MODES, own_database
from testing.stack import GOAL
from testing.waiting import BRIEF, HANG
from tests.portables import FIRST, SECOND, small, whole
from tests.unit.roadmap.lifecycle.test_jobs import rows

pytestmark = pytest.mark.usefixtures("with_model")

OWNER, OTHER = new_id(), new_id()
MADE = ("queued", "planning", "building")
Decide = Callable[[UUID], object]


@pytest.fixture(scope="module", params=MODES)
def base(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path_factory.mktemp("unfinished"), server):
        yield


@pytest.fixture
def limit(base: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change the limits; at first one open roadmap per account. No account has any."""
    with transaction():
        Account.delete().execute()  # everything else hangs on an account
        for id_ in (OWNER, OTHER):
            Account.create(
                id=id_, email=f"{id_}@example.org", password_hash="", created_at=clock.now()
            )

    def change(unfinished: int = 1, queued: int = 1000) -> None:
        changed = {"most_unfinished_roadmaps": unfinished, "most_queued_roadmaps": queued}
        monkeypatch.setattr(create_, "settings", settings.model_copy(update=changed))

    change()
    return change


def test_far_below_the_limit_they_are_counted_once_a_second(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(unfinished=100)
    owner, now = new_id(), [1000.0]
    with transaction():
        Account.create(id=owner, email="a@example.org", password_hash="", created_at=clock.now())
    monkeypatch.setattr(create_, "monotonic", lambda: now[0])
    first = create(owner)
    with transaction():  # another process starts as many as may be under way
        row = Roadmap.select().where(Roadmap.id == first).dicts().get()
        insert_rows(Roadmap, [{**row, "id": new_id()} for _ in range(99)])
    for _ in range(8):  # not counted again in this second, up to a tenth of the limit
        create(owner)
    with pytest.raises(RateLimited):
        create(owner)
    with transaction():
        Roadmap.delete().where(Roadmap.owner == owner, Roadmap.id != first).execute()
    now[0] += 1.5
    create(owner)


def test_a_small_limit_is_exact_for_batches_at_once(limit: Callable[..., None]) -> None:
    limit(unfinished=20)

    def commit(count: int) -> None:
        create_many([NewRoadmap(OWNER, RoadmapRequest(goal=GOAL)) for _ in range(count)])

    other = threading.Thread(target=commit, args=(12,))  # as another process would
    with transaction():
        commit(15)
        other.start()
        other.join(BRIEF)  # it waits for the account
    other.join(HANG)
    assert under_way() == 20


def test_a_rehearsal_stores_nothing(limit: Callable[..., None]) -> None:
    rehearse(RoadmapRequest(goal=GOAL))
    with session():
        assert not Roadmap.select().exists()
    assert create()  # there is room as before


def brought_in(document: dict[str, Any] | None = None) -> UUID:
    """Import a roadmap that no worker builds; by default some parts are missing."""
    return import_roadmap(OWNER, RoadmapFile.model_validate(document or small())).roadmap.id


def create(owner: UUID = OWNER) -> UUID:
    """A roadmap that waits for a worker. Raises what refuses it."""
    (result,) = create_many([NewRoadmap(owner, RoadmapRequest(goal=GOAL))])
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, Job)
    return result.id


def set_status(roadmap_id: UUID, status: str, **changes: Any) -> None:
    with transaction():
        Roadmap.update(status=status, **changes).where(Roadmap.id == roadmap_id).execute()


def under_way(owner: UUID = OWNER) -> int:
    with session():
        return int(Roadmap.select().where(Roadmap.owner == owner, Roadmap.status.in_(MADE)).count())


def concept_of(roadmap_id: UUID, key: str = SECOND) -> UUID:
    with session():
        concept = Concept.get(Concept.roadmap == roadmap_id, Concept.key == key)
    return UUID(str(concept.id))


def everything() -> dict[str, Any]:
    return {
        table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content, RoadmapEvent)
    }


ADDED = AddConcept(
    op="add_concept", module="parts", title="Oven", description="Heat.", hours=1, difficulty=1
)


def ready() -> UUID:
    return brought_in(whole())


def without_plan() -> UUID:
    """It failed before it had a plan."""
    roadmap_id = create()
    set_status(roadmap_id, "failed")
    return roadmap_id


def in_review() -> UUID:
    roadmap_id = brought_in()
    with transaction():
        Content.update(status="pending").where(
            Content.roadmap == roadmap_id, Content.status == "failed"
        ).execute()
    set_status(roadmap_id, "awaiting_review", review=True, contents_failed=0)
    return roadmap_id


def edited_since() -> UUID:
    """An earlier revision has a concept that the plan has no more, whose parts are not written."""
    roadmap_id = ready()
    commands.edit(OWNER, roadmap_id, [ADDED], None)
    commands.cancel(OWNER, roadmap_id)
    with session():
        key = next(
            each.key
            for each in Concept.select().where(Concept.roadmap == roadmap_id)
            if each.title == "Oven"
        )
    commands.edit(OWNER, roadmap_id, [Remove(op="remove", what="concept", key=key)], None)
    return roadmap_id


STARTS: dict[str, tuple[Callable[[], UUID], Decide]] = {
    "retry": (brought_in, lambda id_: commands.retry(OWNER, id_)),
    "retry without a plan": (without_plan, lambda id_: commands.retry(OWNER, id_)),
    "retry a part": (
        brought_in,
        lambda id_: commands.retry_part(OWNER, id_, concept_of(id_), ContentKind.quiz),
    ),
    "regenerate": (
        ready,
        lambda id_: commands.regenerate(OWNER, id_, concept_of(id_), ContentKind.quiz, "Shorter."),
    ),
    "revise": (ready, lambda id_: commands.revise(OWNER, id_, "Less theory.")),
    "revise in review": (in_review, lambda id_: commands.revise(OWNER, id_, "Less theory.")),
    "edit": (ready, lambda id_: commands.edit(OWNER, id_, [ADDED], None)),
    "restore": (edited_since, lambda id_: commands.restore(OWNER, id_, 2)),
    "approve": (in_review, lambda id_: commands.approve(OWNER, id_, None)),
}
EACH = pytest.mark.parametrize(("prepare", "decide"), STARTS.values(), ids=STARTS)


@EACH
def test_an_account_at_its_limit_starts_no_more_work(
    limit: Callable[..., None], prepare: Callable[[], UUID], decide: Decide
) -> None:
    roadmap_id = prepare()
    other = create()
    before = everything()
    with pytest.raises(RateLimited, match="1 roadmaps of this account are already in") as refused:
        decide(roadmap_id)
    assert refused.value.retry_after == 60
    assert everything() == before
    commands.cancel(OWNER, other)
    decide(roadmap_id)
    assert under_way() == 1


@EACH
def test_work_of_other_accounts_does_not_count(
    limit: Callable[..., None], prepare: Callable[[], UUID], decide: Decide
) -> None:
    roadmap_id = prepare()
    create(OTHER)
    decide(roadmap_id)
    assert (under_way(), under_way(OTHER)) == (1, 1)


@EACH
def test_where_too_many_wait_for_a_worker_no_work_is_started(
    limit: Callable[..., None], prepare: Callable[[], UUID], decide: Decide
) -> None:
    roadmap_id = prepare()
    create(OTHER)
    limit(unfinished=100, queued=1)
    before = everything()
    with pytest.raises(Unavailable, match="1 roadmaps are already waiting for a worker") as refused:
        decide(roadmap_id)
    assert refused.value.retry_after == 30
    assert everything() == before
    limit(unfinished=100, queued=2)
    decide(roadmap_id)


def test_a_roadmap_that_is_being_made_does_not_count_against_its_own_change(
    limit: Callable[..., None],
) -> None:
    roadmap_id = brought_in()
    commands.retry_part(OWNER, roadmap_id, concept_of(roadmap_id), ContentKind.quiz)
    limit(queued=1)
    create(OTHER)
    commands.retry_part(OWNER, roadmap_id, concept_of(roadmap_id), ContentKind.resources)
    commands.regenerate(
        OWNER, roadmap_id, concept_of(roadmap_id, FIRST), ContentKind.quiz, "Shorter."
    )
    commands.edit(OWNER, roadmap_id, [ADDED], None)
    assert under_way() == 1


def test_what_starts_no_work_is_free(limit: Callable[..., None]) -> None:
    complete, partial, thrown = ready(), brought_in(), brought_in()
    trash.put(OWNER, thrown)
    create()
    commands.edit(
        OWNER, complete, [Rewrite(op="rewrite", what="concept", key=SECOND, hours=5)], None
    )
    commands.restore(OWNER, complete, 1)
    trash.restore(OWNER, thrown)
    brought_in(whole())
    assert under_way() == 1
    with session():
        assert Roadmap.get_by_id(partial).status == RoadmapStatus.partial


def test_in_the_trash_nothing_is_being_made(limit: Callable[..., None]) -> None:
    roadmap_id = brought_in()
    commands.retry(OWNER, roadmap_id)
    trash.put(OWNER, roadmap_id)
    create()
    trash.restore(OWNER, roadmap_id)
    with pytest.raises(RateLimited):
        commands.retry(OWNER, roadmap_id)


def test_an_account_at_its_limit_brings_in_nothing_that_is_unfinished(
    limit: Callable[..., None],
) -> None:
    create()
    before = everything()
    with pytest.raises(RateLimited):
        brought_in()
    limit(unfinished=100, queued=1)
    with pytest.raises(Unavailable):
        brought_in()
    assert everything() == before


def test_work_of_the_service_itself_is_not_refused(limit: Callable[..., None]) -> None:
    roadmap_id = ready()
    create()
    with session():
        resources = Content.get(
            Content.concept == concept_of(roadmap_id), Content.kind == ContentKind.resources
        )
    commands.replace_links(OWNER, roadmap_id, resources.id)
    assert under_way() == 2


def at_once(acts: Sequence[Callable[[], object]]) -> Counter[str]:
    """Count the outcomes of acts that begin together: `done`, or the name of an error."""
    got: list[str] = []
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        together.wait()
        try:
            act()
            got.append("done")
        except (RoadmapError, SerializationConflict) as error:
            got.append(type(error).__name__)

    running = [threading.Thread(target=run, args=(act,)) for act in acts]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return Counter(got)


def test_of_retries_at_once_as_many_start_as_there_is_room_for(limit: Callable[..., None]) -> None:
    ids = [brought_in() for _ in range(6)]
    limit(unfinished=2)
    assert at_once([lambda id_=id_: commands.retry(OWNER, id_) for id_ in ids]) == {
        "done": 2,
        "RateLimited": 4,
    }  # type: ignore[misc]
    assert under_way() == 2


def test_of_conditional_retries_at_once_none_counts_what_was_before(
    limit: Callable[..., None],
) -> None:
    """Each looks at everything as it was at its beginning, as a request with If-Match does."""
    ids = [brought_in() for _ in range(6)]
    looked = threading.Barrier(len(ids))

    def retry(roadmap_id: UUID) -> None:
        with transaction(as_it_was=True):
            Roadmap.get_by_id(roadmap_id)
            if is_postgres():  # on SQLite one comes after the other
                looked.wait(HANG)
            commands.retry(OWNER, roadmap_id)

    got = at_once([lambda id_=id_: retry(id_) for id_ in ids])  # type: ignore[misc]
    assert got["done"] == under_way() == 1


class TestOneStatement:
    """PostgreSQL inserts in one statement the rows that are inserted step by step elsewhere."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(create_, "EXACT_BELOW", 0)

    def keyed(self, name: str) -> NewRoadmap:
        request = RoadmapRequest(goal=GOAL, preferences="日本語 '%' \\", hours_per_week=3)
        new = NewRoadmap(OWNER, request)
        key = IdempotencyKey(OWNER, name * 64, "f" * 64)
        answer = StoredAnswer(key, 202, {"location": str(new.id)}, f'{{"é":"{new.id}"}}'.encode())
        return replace(new, answer=answer)

    @pytest.mark.parametrize("is_pooled", [False, True])
    def test_rows_are_the_same(
        self, limit: Callable[..., None], is_pooled: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit(10)
        if is_pooled:  # behind a transaction pooler the statement is not prepared
            pooled = settings.model_copy(update={"direct_database_url": SecretStr("postgresql:")})
            monkeypatch.setattr("core.db.settings", pooled)
        one, other = self.keyed("a"), self.keyed("b")
        create_many([one])
        with monkeypatch.context() as patch:
            patch.setattr(create_, "is_postgres", lambda: False)
            create_many([other])
        with session():
            found = [
                [
                    list(Roadmap.select().where(Roadmap.id == new.id).dicts()),
                    list(RoadmapEvent.select().where(RoadmapEvent.roadmap == new.id).dicts()),
                    list(
                        IdempotentAnswer.select()
                        .where(IdempotentAnswer.key_hash == new.key_hash)
                        .dicts()
                    ),
                ]
                for new in (one, other)
            ]
        times = {"at", "created_at", "updated_at", "due_at"}
        for part, same in zip(*found, strict=True):
            assert len(part) == len(same) == 1
            assert part[0].keys() == same[0].keys()
            for name in part[0].keys() - times - {"key_hash"}:
                given, expected = (
                    bytes(value).decode() if isinstance(value, bytes | memoryview) else str(value)
                    for value in (part[0][name], same[0][name])
                )
                assert given == expected.replace(str(other.id), str(one.id)), name
            for name in part[0].keys() & times:
                assert abs(same[0][name] - part[0][name]) < timedelta(seconds=60)

    def test_each_of_a_mixed_batch_gets_its_own_result(self, limit: Callable[..., None]) -> None:
        limit(3)
        known = self.keyed("a")
        create_many([known])
        again, new, twice = (self.keyed(name) for name in "abb")
        plain = replace(self.keyed("c"), answer=None)
        results = create_many([again, new, twice, plain, self.keyed("d")])
        assert results[0] == known.answer
        assert results[1] == Job(JobName.plan_roadmap, new.id, trace=new.trace)
        assert results[2] == new.answer
        assert results[3] == Job(JobName.plan_roadmap, plain.id, trace=plain.trace)
        assert isinstance(results[4], RateLimited)
        with session():
            assert Roadmap.select().count() == 3
            assert RoadmapEvent.select().count() == 3
            assert IdempotentAnswer.select().count() == 2

    @pytest.mark.parametrize(
        "error",
        [Unavailable("away", retry_after=1), IntegrityError("gone"), RuntimeError("unexpected")],
    )
    def test_stored_goals_are_accepted_whatever_becomes_of_the_others(
        self, limit: Callable[..., None], error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit(3)
        create_many([self.keyed("a")])

        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(create_, "insert_rows", refuse)  # of those that are left out
        again, new = self.keyed("a"), replace(self.keyed("b"), answer=None)
        if isinstance(error, RuntimeError) and not is_postgres():
            with pytest.raises(RuntimeError):  # nothing is stored
                create_many([again, new])
            return
        results = create_many([again, new])
        assert isinstance(results[0], Unavailable | Unauthenticated | RuntimeError)
        with session():
            is_stored = Roadmap.select().where(Roadmap.id == new.id).exists()
        assert isinstance(results[1], Job) == is_stored == is_postgres()
