"""Cards in both kinds of database: a stored memory goes on, and two at once make no second."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import clock
from core.db import session, transaction
from core.errors import Conflict
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Concept, Content, ContentVersion, Module, ReviewCard, Roadmap, Stage
from roadmap.learning import mixed_test, progress, reviews
from roadmap.learning.mixed_test import MixedTestRequest
from roadmap.learning.progress import AttemptRequest
from roadmap.learning.reviews import KEPT, ReviewRequest
from roadmap.learning.spaced_repetition import Memory, ReviewRating, rated
from roadmap.learning.today import find_lessons, read_today
from roadmap.lifecycle import schedule_settings
from roadmap.lifecycle.schedule_settings import ScheduleRequest
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import ProgressRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus, RoadmapStatus
from roadmap.plan.views import TEST_AFTER
from testing.logbook import MODES, own_database

QUESTIONS = [
    {
        "type": "single",
        "prompt": f"{number} + 1?",
        "options": ["1", "2", "3", "4"],
        "answers": [number],
        "explanation": "Count.",
    }
    for number in range(4)
]
RIGHT = ((0,), (1,), (2,), (3,))
Place = tuple[UUID, UUID, UUID]


@pytest.fixture(params=MODES)
def lesson(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The ids of a person, a roadmap and a concept with a quiz."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield made()
    clock.reset()


def made(owner: Account | None = None) -> Place:
    now = clock.now()
    values = {"description": "", "position": 0}
    with transaction():
        email = f"{new_id()}@example.org"
        owner = owner or Account.create(
            email=email, name="", password_hash="", is_admin=False, created_at=now
        )
        asked = {
            "goal": "Count",
            "title": "Counting",
            "level": "beginner",
            "hours_per_week": 8,
            "language": "en",
        }
        times = {"due_at": now, "created_at": now, "updated_at": now}
        roadmap = Roadmap.create(
            owner=owner, status=RoadmapStatus.ready, contents_ready=1, revision=1, **asked, **times
        )
        stage = Stage.create(roadmap=roadmap, key="s", title="S", **values)
        module = Module.create(roadmap=roadmap, stage=stage, key="m", title="M", **values)
        more = {"week": 1, "hours": 3, "difficulty": 1, "prerequisites": [], "outcomes": []}
        concept = Concept.create(
            roadmap=roadmap, module=module, key="c", title="Plus one", **values, **more
        )
        parts = {"status": ContentStatus.ready, "version": 1, "due_at": now}
        content = Content.create(roadmap=roadmap, concept=concept, kind=ContentKind.quiz, **parts)
    write(content.id, 1, QUESTIONS)
    return owner.id, roadmap.id, concept.id


def write(content_id: UUID, version: int, questions: list[dict[str, Any]]) -> None:
    with transaction():
        body = {"questions": questions}
        ContentVersion.insert(
            content=content_id, version=version, body=body, generator="t", created_at=clock.now()
        ).execute()
        Content.update(version=version).where(Content.id == content_id).execute()


def cards() -> list[ReviewCard]:
    with session():
        return list(ReviewCard.select().order_by(ReviewCard.number))


steps = st.tuples(st.sampled_from(ReviewRating), st.timedeltas(timedelta(), timedelta(days=60)))


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=st.lists(steps, min_size=1, max_size=8))
def test_what_is_stored_goes_on_as_a_memory_that_never_was(
    lesson: Place, story: list[tuple[ReviewRating, timedelta]]
) -> None:
    owner, *_ = place = made()
    progress.set_progress(*place, ProgressRequest(progress=ConceptProgress.done))
    card = reviews.list_due(owner, limit=1).items[0]
    memory = Memory(due_at=card.due_at)
    for rating, pause in story:
        clock.travel(pause)
        found = reviews.review(owner, card.id, ReviewRequest(rating=rating, reviews=memory.reviews))
        assert found.reviewed_at is not None
        memory = rated(memory, rating, found.reviewed_at)
        with session():
            row = ReviewCard.get_by_id(card.id)
        assert Memory(**{name: getattr(row, name) for name in KEPT}) == memory
        assert (found.due_at, found.reviews, found.lapses, found.state) == (
            row.due_at,
            row.reviews,
            row.lapses,
            memory.name,
        )


def test_attempts_at_the_same_moment_make_each_card_once(lesson: Place) -> None:
    request = AttemptRequest(version=1, answers=RIGHT)
    with ThreadPoolExecutor(8) as threads:
        for answer in [threads.submit(progress.attempt, *lesson, request) for _ in range(8)]:
            assert answer.result().score == len(QUESTIONS)
    assert [(card.number, card.reviews) for card in cards()] == [(number, 1) for number in range(4)]


def test_a_review_that_is_sent_twice_counts_once(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, ProgressRequest(progress=ConceptProgress.done))
    card = reviews.list_due(owner, limit=1).items[0].id

    def rate() -> bool:
        try:
            reviews.review(owner, card, ReviewRequest(rating=ReviewRating.good, reviews=0))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(rate) for _ in range(8)]
        assert sum(each.result() for each in done) == 1
    assert sum(each.reviews for each in cards()) == 1


def test_of_a_new_version_what_was_asked_before_keeps_its_memory(lesson: Place) -> None:
    owner, *_ = lesson
    progress.attempt(*lesson, AttemptRequest(version=1, answers=RIGHT))
    before = {card.question: card for card in cards()}
    with session():
        content = Content.get().id
    write(content, 2, [QUESTIONS[3], {**QUESTIONS[0], "prompt": "Another?"}])
    clock.travel(timedelta(days=400))
    assert (
        reviews.list_due(owner, limit=10).items == []
    )  # the version that is shown was not answered yet
    clock.travel(timedelta(days=-400))
    progress.attempt(*lesson, AttemptRequest(version=2, answers=((3,), ())))
    clock.travel(timedelta(days=400))
    due = reviews.list_due(owner, limit=10)
    assert [(item.question.prompt, item.question.id) for item in due.items] == [
        ("3 + 1?", 0),
        ("Another?", 1),  # which is new
    ]
    kept = next(card for card in cards() if (card.version, card.number) == (2, 0))
    assert (kept.id, kept.stability, kept.reviews) == (
        before[kept.question].id,
        before[kept.question].stability,
        1,
    )

    with transaction():
        Content.update(version=1).where(Content.id == content).execute()
    assert [item.question.prompt for item in reviews.list_due(owner, limit=10).items] == [
        "0 + 1?",
        "1 + 1?",
        "2 + 1?",
    ]


def test_the_list_has_what_is_due_and_when_the_others_are(lesson: Place) -> None:
    owner, roadmap, _ = lesson
    assert reviews.list_due(owner, limit=5).model_dump() == {
        "items": [],
        "due": 0,
        "waiting": 0,
        "next_due_at": None,
        "limits": {"reviews": 60, "new": 15},
        "last_rating": None,
    }
    progress.attempt(*lesson, AttemptRequest(version=1, answers=((0,), (0,), (0,), (3,))))
    first, second = (sorted({card.due_at for card in cards()}))[:2]
    found = reviews.list_due(owner, limit=1, roadmap_id=roadmap)
    assert (found.items, found.due, found.next_due_at) == ([], 0, first)
    clock.travel(timedelta(minutes=2))
    found = reviews.list_due(owner, limit=1)
    assert ([item.question.id for item in found.items], found.due, found.next_due_at) == (
        [1],
        2,
        second,
    )
    now = clock.now()
    assert reviews.count_due(owner, now) == 2
    clock.travel(timedelta(minutes=20))
    assert [item.question.id for item in reviews.list_due(owner, limit=50).items] == [1, 2, 0, 3]


def test_where_one_goes_on_is_what_one_has_learned_from_last(lesson: Place) -> None:
    owner, roadmap, concept = lesson
    (found,) = find_lessons(owner, limit=3)[0]
    assert (found.id, found.next_id, found.next_title, found.schedule.hours_learned) == (
        roadmap,
        concept,
        "Plus one",
        0,
    )
    progress.set_progress(*lesson, ProgressRequest(progress=ConceptProgress.learning))
    assert [each.id for each in find_lessons(owner, limit=3)[0]] == [roadmap]
    progress.set_progress(*lesson, ProgressRequest(progress=ConceptProgress.done))
    assert find_lessons(owner, limit=3)[0] == []


def test_hours_and_days_are_changed(lesson: Place) -> None:
    owner, roadmap, _ = lesson
    today = clock.now().date()
    wish = ScheduleRequest(
        hours_per_week=1, deadline=today + timedelta(days=9), begins_on=today + timedelta(days=2)
    )
    schedule_settings.reschedule(owner, roadmap, wish)
    found = schedule_settings.read_schedule(owner, roadmap)
    assert (found.hours_per_week, found.deadline, found.begins_on) == (
        1,
        wish.deadline,
        wish.begins_on,
    )
    with session():
        row = Roadmap.get_by_id(roadmap)
    assert (row.weeks, row.begins_on) == (3, wish.begins_on)


def test_of_two_answers_to_a_mixed_test_at_once_one_counts(lesson: Place) -> None:
    owner, roadmap, concept = lesson
    progress.set_progress(*lesson, ProgressRequest(progress=ConceptProgress.done))
    clock.travel(TEST_AFTER)
    assert read_today(owner).test_of == roadmap
    found = mixed_test.take(owner, roadmap, roadmap, MixedTestRequest())
    assert found.concept_ids == [concept] * 2
    request = MixedTestRequest(answers=tuple([] for _ in found.questions))

    def take() -> bool:
        try:
            mixed_test.take(owner, roadmap, roadmap, request)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        answered = [threads.submit(take) for _ in range(4)]
        assert sum(each.result() for each in answered) == 1
    assert read_today(owner).test_of is None
    assert reviews.list_due(owner, limit=1).due == len(cards())
