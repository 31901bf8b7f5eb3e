"""Limits of a day, the undo of a rating, and "I don't know", on both kinds of database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import session, transaction
from core.errors import Conflict, Invalid
from models.roadmaps import Concept, Content, ReviewCard
from roadmap.accounts.zones import today_of
from roadmap.learning import progress, reviews
from roadmap.learning.daily_limits import ReviewLimits
from roadmap.learning.progress import AttemptRequest, ProfilePatch
from roadmap.learning.reviews import SITTING, ReviewCheck, ReviewRequest, UndoRequest
from roadmap.learning.spaced_repetition import ReviewRating
from roadmap.learning.today import home_state, read_today
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import ProgressRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from testing.logbook import MODES, own_database
from tests.integration.roadmap.test_reviews import QUESTIONS, RIGHT, Place, made, write

DONE = ProgressRequest(progress=ConceptProgress.done)
DAY = timedelta(days=1)


@pytest.fixture(params=MODES)
def lesson(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A concept with a quiz, at noon, so that no test crosses the end of a day by itself."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        noon = datetime.now(UTC).replace(hour=12, minute=0) + DAY
        clock.travel(noon - clock.now())
        yield made()
    clock.reset()


def more_concepts(place: Place, count: int) -> list[UUID]:
    """Add concepts with the same quiz to the course, behind the first one."""
    _, roadmap, first = place
    found = [first]
    for number in range(1, count):
        with transaction():
            row = Concept.select().where(Concept.id == first).dicts().get()
            row |= {"key": f"c{number}", "position": number, "title": f"{number}"}
            del row["id"]
            concept = Concept.create(**row)
            parts = {"status": ContentStatus.ready, "version": 1, "due_at": clock.now()}
            content = Content.create(
                roadmap=roadmap, concept=concept, kind=ContentKind.quiz, **parts
            )
        write(content.id, 1, QUESTIONS)
        found.append(concept.id)
    return found


def row_of(card_id: UUID) -> dict[str, Any]:
    with session():
        return dict(ReviewCard.select().where(ReviewCard.id == card_id).dicts().get())


def rate(owner: UUID, card_id: UUID, rating: str = "good") -> int:
    request = ReviewRequest(rating=ReviewRating(rating), reviews=row_of(card_id)["reviews"])
    return reviews.review(owner, card_id, request).reviews


def works(act: Callable[..., object], *values: Any) -> bool:
    try:
        act(*values)
    except Conflict:
        return False
    return True


def test_concepts_marked_as_done_are_asked_over_days_in_the_order_of_the_course(
    lesson: Place,
) -> None:
    owner, roadmap, _ = lesson
    concepts = more_concepts(lesson, 8)
    for concept in reversed(concepts):
        progress.set_progress(owner, roadmap, concept, DONE)
    most = ReviewLimits().new
    asked: list[UUID] = []
    for day, (new, left) in enumerate(((most, 17), (most, 2), (2, 0))):
        found = reviews.list_due(owner, limit=50)
        fresh = [item for item in found.items if item.reviews == 0]
        assert (len(fresh), found.waiting) == (new, left)
        assert [item.concept_id for item in fresh] == sorted(
            (item.concept_id for item in fresh), key=concepts.index
        )
        now = clock.now()
        assert reviews.count_due(owner, now) == found.due == len(found.items)
        assert [each.new for each in reviews.forecast(owner).days[: 3 - day]] == [15, 15, 2][day:]
        asked += [item.concept_id for item in fresh]
        for item in found.items:
            rate(owner, item.id, "easy")
        over = reviews.list_due(owner, limit=50)
        assert (over.items, over.due, over.waiting) == ([], 0, left)
        beyond = reviews.list_due(owner, limit=50, beyond=True)
        assert (len(beyond.items), beyond.due, beyond.waiting) == (left, left, 0)
        clock.travel(DAY)
    assert asked == [concept for concept in concepts for _ in QUESTIONS]


def test_known_questions_above_the_limit_wait_and_forgotten_ones_come_back_today(
    lesson: Place,
) -> None:
    owner, *_ = lesson
    progress.attempt(*lesson, AttemptRequest(version=1, answers=RIGHT))
    reviews.save_limits(owner, ReviewLimits(reviews=2, new=0))
    assert reviews.read_limits(owner) == ReviewLimits(reviews=2, new=0)
    clock.travel(2 * DAY)
    found = reviews.list_due(owner, limit=50)
    assert (len(found.items), found.due, found.waiting) == (2, 2, 2)
    assert [each.reviews for each in reviews.forecast(owner).days[:3]] == [2, 2, 0]
    for item in found.items:
        rate(owner, item.id, "again")
    assert reviews.list_due(owner, limit=50).due == 0
    clock.travel(timedelta(minutes=30))
    back = reviews.list_due(owner, limit=50)
    assert {item.id for item in back.items} == {item.id for item in found.items}
    assert (back.due, back.waiting) == (2, 2)
    assert reviews.list_due(owner, limit=1).items[0].id == back.items[0].id
    clock.travel(DAY)
    assert reviews.list_due(owner, limit=50).due == 2


def test_the_limit_is_that_of_the_day_in_the_persons_zone(lesson: Place) -> None:
    owner, *_ = lesson
    progress.change_profile(owner, ProfilePatch(time_zone="Pacific/Kiritimati"))
    clock.travel(timedelta(hours=-3))  # to 23:00 there
    progress.set_progress(*lesson, DONE)
    reviews.save_limits(owner, ReviewLimits(reviews=5, new=1))
    rate(owner, reviews.list_due(owner, limit=1).items[0].id, "easy")
    states = set()
    for due, is_later in ((0, False), (1, True)):
        clock.travel(timedelta(hours=2 * is_later))  # the same day in UTC
        states.add(home_state(owner, clock.now(), latest=2, read=[]))
        assert reviews.list_due(owner, limit=50).due == read_today(owner).due == due
        days = reviews.forecast(owner).days
        assert (days[0].day, days[0].new) == (today_of(owner), due)
        utc = clock.now().date()
        assert today_of(owner) - utc == is_later * DAY
    assert len(states) == 2


def test_an_undone_rating_leaves_no_trace(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    card = reviews.list_due(owner, limit=1).items[0].id
    for rating in ("again", "good", "easy", "again", "hard"):  # from each state of a memory
        before = row_of(card)
        count = rate(owner, card, rating)
        assert row_of(card) != before
        last = reviews.list_due(owner, limit=1).last_rating
        assert last is not None
        assert (last.id, last.reviews) == (card, count)
        assert reviews.undo(owner, card, UndoRequest(reviews=count)).reviews == before["reviews"]
        assert row_of(card) == before
        assert reviews.list_due(owner, limit=1).last_rating is None
        assert not works(reviews.undo, owner, card, UndoRequest(reviews=count))
        rate(owner, card, rating)
        clock.travel(5 * DAY)


def test_only_the_last_rating_of_a_sitting_is_undone(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    first, second = (item.id for item in reviews.list_due(owner, limit=2).items)
    rate(owner, first)
    rate(owner, second)
    assert not works(reviews.undo, owner, first, UndoRequest(reviews=1))  # another came after it
    progress.attempt(*lesson, AttemptRequest(version=1, answers=((1,), (0,), (0,), (0,))))
    again = row_of(second)
    if again["reviews"] > 1:  # the attempt has rated it
        assert not works(reviews.undo, owner, second, UndoRequest(reviews=1))
        assert row_of(second) == again
    count = rate(owner, second)
    clock.travel(SITTING)
    assert reviews.list_due(owner, limit=1).last_rating is None
    assert not works(reviews.undo, owner, second, UndoRequest(reviews=count))
    assert row_of(second)["reviews"] == count


def test_two_windows_that_rate_and_undo_have_one_outcome(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    first, second = (item.id for item in reviews.list_due(owner, limit=2).items)
    before = row_of(first)
    rate(owner, first)
    good = ReviewRequest(rating=ReviewRating.good, reviews=0)
    with ThreadPoolExecutor(8) as threads:
        undone = [
            threads.submit(works, reviews.undo, owner, first, UndoRequest(reviews=1))
            for _ in range(6)
        ]
        rated = threads.submit(works, reviews.review, owner, second, good)
        repeated = threads.submit(works, reviews.review, owner, first, good)
        count = sum(each.result() for each in undone)
    assert rated.result()
    assert count <= 1 + repeated.result()
    assert row_of(second)["reviews"] == 1
    reviewed = row_of(first)["reviews"]
    assert reviewed == 1 + repeated.result() - count
    if not reviewed:
        assert row_of(first) == before


def test_without_an_answer_only_again_may_follow(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    item = reviews.list_due(owner, limit=1).items[0]
    right = ReviewCheck(chosen=RIGHT[item.question.id])
    assert reviews.check(owner, item.id, right).ratings == list(ReviewRating)
    shown = reviews.check(owner, item.id, ReviewCheck(chosen=()), is_shown=True)
    assert shown.ratings == [ReviewRating.again]
    assert row_of(item.id)["gave_up_at"] is None  # looking changes nothing
    reviews.check(owner, item.id, ReviewCheck(chosen=()))
    before = row_of(item.id)
    for rating in ("hard", "good", "easy"):
        with pytest.raises(Invalid):
            rate(owner, item.id, rating)
    assert row_of(item.id) == before
    assert reviews.check(owner, item.id, right).ratings == [ReviewRating.again]  # it was seen
    count = rate(owner, item.id, "again")
    assert reviews.check(owner, item.id, right).ratings == list(ReviewRating)
    reviews.undo(owner, item.id, UndoRequest(reviews=count))
    with pytest.raises(Invalid):
        rate(owner, item.id, "easy")
    clock.travel(SITTING)  # on another day it is asked as ever
    assert rate(owner, item.id, "easy") == 1
