"""Rows that a review reads among many cards, most of them others': those that it shows."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.growth.plans import most_rows
from core import clock
from core.db import database, session, transaction
from models.accounts import Account
from models.roadmaps import Concept, ReviewCard, Roadmap
from roadmap.learning import reviews
from roadmap.learning.daily_limits import ReviewLimits
from roadmap.learning.today import (
    LOOKED_AT,
    NEWEST,
    find_lessons,
    home_state,
)
from testing.logbook import own_database
from testing.servers import Postgres
from tests.integration.roadmap.test_reviews import made

ACCOUNTS, ROADMAPS, CARDS = 4, 25, 400  # of each one before
CONCEPTS = 40  # of a roadmap
LIMIT = 20
FILL = """INSERT INTO review_card (id, owner_id, roadmap_id, concept_id, question, version, number,
    state, reviews, lapses, reviewed_at, due_at, created_at)
    SELECT gen_random_uuid(), r.owner_id, r.id, c.id, md5(n::text), 1, n %% 4,
    1, CASE WHEN n %% 10 = 0 THEN 0 ELSE 1 END, 0,
    CASE WHEN n %% 10 > 0 THEN now() AT TIME ZONE 'UTC' - interval '3 days' END,
    now() AT TIME ZONE 'UTC' + (%s - n) * interval '1 minute', now()
    FROM roadmap r JOIN concept c ON c.roadmap_id = r.id, generate_series(1, %s) AS n
    WHERE r.owner_id = %s"""
SAME = """roadmap_id, module_id, title, description, hours, week, difficulty, prerequisites,
    outcomes, position, notes, removed"""
MORE = f"""INSERT INTO concept (id, key, progress, {SAME})
    SELECT gen_random_uuid(), 'c' || n::text, progress, {SAME}
    FROM concept, generate_series(2, %s) AS n"""
LIKE = """owner_id, goal, level, hours_per_week, background, motivation, preferences, language,
    title, generator, weeks, hours, status, error, attempts, interruptions, due_at, contents_total,
    contents_failed, last_seq, created_at, updated_at, revision, review, approved, spent,
    over_budget"""
UNDER_WAY = f"""INSERT INTO roadmap (id, contents_ready, {LIKE})
    SELECT ('ffffffff' || substr(gen_random_uuid()::text, 9))::uuid, 0, {LIKE}
    FROM generate_series(1, %s), (SELECT * FROM roadmap WHERE owner_id = %s LIMIT 1) AS r"""
TABLES = (
    "account",
    "roadmap",
    "stage",
    "module",
    "concept",
    "content",
    "content_version",
    "review_card",
)


@pytest.fixture(scope="module")
def reader(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Three of four of whose cards are due, one of ten is new."""
    with own_database(tmp_path_factory.mktemp("cards"), postgres):
        with transaction():
            now = clock.now()
            people = [
                Account.create(email=f"{n}@example.org", password_hash="", created_at=now)
                for n in range(ACCOUNTS)
            ]
        for number in range(ACCOUNTS * ROADMAPS):
            made(people[number % ACCOUNTS])
        with transaction():
            for person in people:
                database.execute_sql(FILL, (CARDS // 4, CARDS, person.id))
        with session():
            for table in TABLES:
                database.execute_sql(f"ANALYZE {table}")
        yield people[0]


def looked_at(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """The most rows that one of its statements looks at in one place."""
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
        if sql.startswith("SELECT"):
            with session():
                [(plan,)] = database.execute_sql(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params
                ).fetchall()
            found.append(
                most_rows((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
            )
    return max(found)


def test_one_question_is_found_without_looking_at_the_others(
    reader: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reviews.list_due(reader.id, limit=LIMIT)
    limits = ReviewLimits()
    assert (len(found.items), found.due) == (LIMIT, limits.reviews + limits.new)
    assert reviews.list_due(reader.id, limit=LIMIT, beyond=True).due == reviews.MOST_COUNTED
    most = looked_at(lambda: reviews.list_due(reader.id, limit=LIMIT), monkeypatch)
    assert most <= 2 * reviews.MOST_COUNTED
    now = clock.now()
    assert reviews.count_due(reader.id, now) == found.due
    most = looked_at(lambda: reviews.count_due(reader.id, now), monkeypatch)
    assert most <= 2 * reviews.MOST_COUNTED
    assert looked_at(lambda: reviews.forecast(reader.id), monkeypatch) <= ROADMAPS * CARDS


def test_new_questions_are_found_without_looking_at_the_others(
    reader: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    with transaction():
        ReviewCard.update(reviewed_at=now).where(
            ReviewCard.owner == reader.id, ReviewCard.reviews > 0, ReviewCard.due_at > now
        ).execute()
        Account.update(review_limits={"reviews": 1, "new": LIMIT}).where(
            Account.id == reader.id
        ).execute()
    try:
        items = reviews.list_due(reader.id, limit=LIMIT).items
        assert [item.reviews for item in items] == [0] * LIMIT
        most = looked_at(lambda: reviews.list_due(reader.id, limit=LIMIT), monkeypatch)
        assert most <= ROADMAPS * CARDS // 4 + reviews.MOST_COUNTED  # rated today, and the new ones
    finally:
        with transaction():
            Account.update(review_limits=None).execute()


@pytest.fixture(scope="module")
def learner(reader: Account) -> Account:
    """The same, when roadmaps have many concepts."""
    with transaction():
        database.execute_sql(MORE, (CONCEPTS,))
    with session():
        database.execute_sql("ANALYZE concept")
    return reader


def test_where_one_goes_on_is_found_among_the_newest(
    learner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(find_lessons(learner.id, limit=3)[0]) == 3
    assert looked_at(lambda: find_lessons(learner.id, limit=3), monkeypatch) < ROADMAPS * CONCEPTS
    assert NEWEST < ROADMAPS


def test_whether_that_has_changed_is_found_without_looking_at_more(
    learner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, read = find_lessons(learner.id, limit=3)
    assert [lesson.id for lesson in found] == read
    seen = looked_at(lambda: home_state(learner.id, clock.now(), latest=6, read=read), monkeypatch)
    assert seen <= ROADMAPS * CARDS  # those of the account


def test_what_was_learned_last_is_found_without_looking_at_the_rest(
    learner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        Concept.update(progress="learning", progress_at=clock.now()).execute()
        oldest = (
            Roadmap.select(Roadmap.id)
            .where(Roadmap.owner == learner.id)
            .order_by(Roadmap.id)
            .limit(1)
            .scalar()
        )
        Concept.update(progress_at=clock.now() + timedelta(minutes=1)).where(
            Concept.roadmap == oldest
        ).execute()
    with session():
        database.execute_sql("ANALYZE concept")
    assert find_lessons(learner.id, limit=3)[0][0].id == oldest
    assert looked_at(lambda: find_lessons(learner.id, limit=3), monkeypatch) < ROADMAPS * CONCEPTS


def test_of_very_many_roadmaps_under_way_the_newest_are_looked_at(
    learner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        database.execute_sql(UNDER_WAY, (3 * LOOKED_AT, learner.id))
    with session():
        database.execute_sql("ANALYZE roadmap")
    most = looked_at(lambda: find_lessons(learner.id, limit=3), monkeypatch)
    assert most <= LOOKED_AT
    assert find_lessons(learner.id, limit=3)[0] == []
