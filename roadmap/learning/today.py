"""Reviews and the part of a concept for today, and the week so far."""

from datetime import date
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import session
from core.json_types import LazyModel
from models.accounts import Account
from models.roadmaps import Concept
from roadmap.accounts.zones import zone_named
from roadmap.learning import learning_days, reviews
from roadmap.learning.continue_learning import NextLesson, find_lessons
from roadmap.learning.parts import parts_of
from roadmap.learning.progress import WeeklyGoal
from roadmap.learning.schedule import monday


class NextPart(LazyModel):
    """Part of a concept: a sitting of at most half an hour. The last one ends with the quiz."""

    roadmap_id: UUID
    concept_id: UUID
    concept_title: str = Field(description="Title of the concept.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    section: str = Field(description="Heading where the part begins; empty: the introduction.")
    part: int = Field(description="Number of the part, from 1.")
    parts: int = Field(description="Number of parts of the concept.")
    minutes: int = Field(description="Its share of the hours of the concept.")


class Today(LazyModel):
    """Reviews and the next part for today, in the time zone of the account, and the week so far."""

    today: date = Field(description="The day.")
    time_zone: str = Field(description="Time zone of the account.")
    due: int = Field(description=f"Number of due questions, counted up to {reviews.MOST_COUNTED}.")
    review_minutes: int = Field(description="Estimated time for them.")
    next: NextPart | None = Field(description="The next part; null: nothing is left to learn.")
    days: int = Field(description="Days of this week with learning; weeks begin on Monday.")
    minutes: int = Field(
        description="Time of this week for parts, concepts and reviews, by the plan."
    )
    goal: WeeklyGoal | None = Field(
        description="Goal of the profile, or the hours per week of the roadmap of `next`."
    )
    streak: int = Field(
        description="Days of learning up to today; one missed day in 7 does not end them."
    )


def read_today(owner_id: UUID) -> Today:
    """Return what to learn today."""
    lessons, _ = find_lessons(owner_id, limit=1)
    return today_with(owner_id, next(iter(lessons), None))


def today_with(owner_id: UUID, lesson: NextLesson | None) -> Today:
    """Return what to learn today, of which the lesson to continue with is known."""
    with session():
        stored = Account.select(Account.time_zone, Account.weekly_goal)
        zone, goal = stored.where(Account.id == owner_id).tuples().get()
        now = clock.now().astimezone(zone_named(zone))
        today = now.date()
        due = reviews.count_due(owner_id, now)
        days = learning_days.read(owner_id)
        part = None if lesson is None else _next_part(lesson)
    if goal is None and lesson is not None:
        goal = {"amount": lesson.schedule.hours_per_week, "unit": "hours"}
    week = [days[day] for day in days if monday(day) == monday(today)]
    return Today(
        today=today,
        time_zone=zone or "UTC",
        due=due,
        review_minutes=-(-due * reviews.SECONDS_A_REVIEW // 60),
        next=part,
        days=len(week),
        minutes=sum(week) // 60,
        goal=goal and WeeklyGoal.model_validate(goal),
        streak=learning_days.streak(days, today),
    )


def _next_part(lesson: NextLesson) -> NextPart:
    its = Concept.select(Concept.hours, Concept.studied).where(Concept.id == lesson.next_id)
    hours, studied = its.tuples().get()
    parts = parts_of(lesson.next_id, hours)
    part = next((each for each in parts if each.end > studied), parts[-1])
    return NextPart(
        roadmap_id=lesson.id,
        concept_id=lesson.next_id,
        concept_title=lesson.next_title,
        language=lesson.language,
        section=part.title,
        part=part.number,
        parts=len(parts),
        minutes=part.end - part.begin,
    )
