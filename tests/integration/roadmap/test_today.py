"""Today, its parts, days of learning and time zone, as both kinds of database keep them."""

from datetime import UTC, date, datetime, timedelta
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from core import clock
from core.db import session, transaction
from core.errors import Conflict
from models.accounts import LearningDay
from models.roadmaps import Content, ContentVersion
from roadmap.accounts.zones import today_of, zone_of
from roadmap.learning import learning_days, progress, reviews
from roadmap.learning.progress import PartRequest, ProfilePatch, WeeklyGoal
from roadmap.learning.reviews import ReviewRequest, UndoRequest
from roadmap.learning.spaced_repetition import ReviewRating
from roadmap.learning.today import Today, home_state, read_today
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import ProgressRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from tests.integration.roadmap.test_reviews import Place, cards, lesson

__all__ = ["lesson"]
SECTION = "\n".join(["word " * 100] * 9)  # six minutes
TUTORIAL = (
    f"{SECTION}\n\n## Middle\n\n{SECTION}\n\n## End\n\n{SECTION}\n\n"
    "## Exercise\n\nTry.\n\n## Solution\n\nSo.\n"
)


def write_tutorial(place: Place) -> None:
    _, roadmap, concept = place
    now = clock.now()
    with transaction():
        content = Content.create(
            roadmap=roadmap, concept=concept, kind=ContentKind.tutorial, version=1, due_at=now,
            status=ContentStatus.ready,
        )  # fmt: skip
        ContentVersion.insert(
            content=content.id,
            version=1,
            body={"markdown": TUTORIAL},
            generator="t",
            created_at=now,
        ).execute()


def seconds() -> dict[date, int]:
    with session():
        return dict(LearningDay.select(LearningDay.day, LearningDay.seconds).tuples())


def mark(place: Place, status: ConceptProgress) -> None:
    progress.set_progress(*place, ProgressRequest(progress=status))


def finish(place: Place, part: int) -> Today:
    progress.finish_part(*place, PartRequest(part=part))
    return read_today(place[0])


def pass_minutes(count: int) -> None:
    clock.travel(timedelta(minutes=count))


def test_parts_are_done_one_after_the_other_and_the_last_with_the_concept(lesson: Place) -> None:
    write_tutorial(lesson)
    owner, _, concept = lesson
    first = read_today(owner)
    assert first.next is not None
    assert first.next.concept_id == concept
    assert (first.next.part, first.next.parts, first.minutes, first.streak) == (1, 3, 0, 0)
    assert (first.next.minutes, first.next.practice_minutes) == (6, 3 * 60 - 18)
    states = {home_state(owner, clock.now(), latest=2, read=[lesson[1]])}
    learning_days.begin_sitting(owner)
    for part in range(1, 3):
        pass_minutes(4)
        then = finish(lesson, part)
        assert then.next is not None
        assert (then.next.part, then.minutes, then.streak) == (part + 1, 4 * part, 1)
        states.add(home_state(owner, clock.now(), latest=2, read=[lesson[1]]))
    assert len(states) == 3
    assert then.next.section == "End"
    with pytest.raises(Conflict):
        finish(lesson, 3)
    pass_minutes(60)
    mark(lesson, ConceptProgress.done)
    end = read_today(owner)
    assert (end.minutes, end.next, end.goal) == (68, None, None)
    pass_minutes(60)
    assert finish(lesson, 1).minutes == 68  # it is done


def test_marking_by_mistake_takes_no_time(lesson: Place) -> None:
    learning_days.begin_sitting(lesson[0])
    for progress_ in (ConceptProgress.done, ConceptProgress.todo, ConceptProgress.done):
        mark(lesson, progress_)
    assert [*seconds().values()] == [0]


def test_of_two_clicks_at_once_one_has_the_time(lesson: Place) -> None:
    write_tutorial(lesson)
    learning_days.begin_sitting(lesson[0])
    pass_minutes(5)
    threads = [
        Thread(target=finish, args=(lesson, 1)),
        Thread(target=mark, args=(lesson, ConceptProgress.done)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5 * 60 <= sum(seconds().values()) < 6 * 60
    assert progress.read_learner(*lesson).spent_minutes == 5


def test_time_is_credited_from_the_opening_of_a_lesson(lesson: Place) -> None:
    owner = lesson[0]
    for pause, credited in ((60 * 24, 10), (20, 35)):  # a short pause goes on counting
        pass_minutes(pause)
        learning_days.begin_sitting(owner)
        pass_minutes(10 if pause > 60 else 5)
        mark(lesson, ConceptProgress.done)
        mark(lesson, ConceptProgress.learning)
        assert read_today(owner).minutes == credited


def test_a_day_has_an_end_however_often_something_is_done(lesson: Place) -> None:
    for _ in range(22):  # else more than the column can hold
        with transaction():
            learning_days.note(lesson[0], learning_days.MOST_SECONDS)
    assert [*seconds().values()] == [learning_days.MOST_SECONDS]


def test_reviews_count_and_the_goal_is_that_of_the_profile(lesson: Place) -> None:
    owner = lesson[0]
    goal = WeeklyGoal(amount=4, unit="days")
    assert read_today(owner).goal == WeeklyGoal(amount=8, unit="hours")  # of the schedule
    progress.change_profile(owner, ProfilePatch(weekly_goal=goal))
    mark(lesson, ConceptProgress.done)
    before = read_today(owner)
    assert (before.due, before.review_minutes, before.goal) == (4, 3, goal)
    for number, pause in enumerate((10, 600)):
        clock.travel(timedelta(seconds=pause))
        good = ReviewRequest(rating=ReviewRating.good, reviews=0)
        reviews.review(owner, cards()[number].id, good)
    counted = sum(seconds().values())
    assert 10 + reviews.SECONDS_A_REVIEW <= counted < 20 + reviews.SECONDS_A_REVIEW
    reviews.undo(owner, cards()[1].id, UndoRequest(reviews=1))
    assert sum(seconds().values()) == counted - reviews.SECONDS_A_REVIEW


def test_days_are_those_of_the_persons_zone(lesson: Place) -> None:
    owner, noon = lesson[0], datetime(2026, 11, 30, 12, tzinfo=UTC)
    clock.travel(noon - clock.now())
    assert zone_of(owner) is UTC
    assert today_of(owner) == noon.date()
    for zone, day in (("Pacific/Kiritimati", 1), ("America/New_York", 30)):
        progress.change_profile(owner, ProfilePatch(time_zone=zone))
        assert zone_of(owner) == ZoneInfo(zone)
        assert today_of(owner).day == day == read_today(owner).today.day
    state = home_state(owner, clock.now(), latest=2, read=[])
    clock.travel(timedelta(hours=13))  # tomorrow in UTC, not in New York
    tomorrow = clock.now()
    assert home_state(owner, tomorrow, latest=2, read=[]) == state
    mark(lesson, ConceptProgress.learning)
    assert [*seconds()] == [date(2026, 11, 30)]


@pytest.mark.parametrize(
    "name", ["", "Nope/Here", "localtime", "../etc/passwd", "Europe", "posixrules"]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time_zone"):
        ProfilePatch(time_zone=name)
