"""Schedule of a roadmap from what remains of it and hours per week. Pure.

Hours of the plan are spent in its order and evenly over the days of a week; weeks begin on Monday.
The plan is recalculated every day: missed hours move everything behind them, early ones make room.
A week never has more hours than were set for it, with those spent, and a week that has begun no
more than its remaining days can have. Time spent does not move the end; what is done does.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from itertools import accumulate
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel
from roadmap.plan.statuses import ConceptProgress
from roadmap.plan.views import ConceptNode, RoadmapTree, StageNode, concepts_of

MOST_WEEKS = 12  # that are listed
DAYS = 7


class ConceptSpan(LazyModel):
    """First and last day of a concept."""

    concept_id: UUID
    title: str = Field(description="Title.")
    hours: int = Field(description="Hours of the parts that remain.")
    begins_on: date = Field(description="First day.")
    ends_on: date = Field(description="Last day.")


class Share(LazyModel):
    """Share of a concept in a week."""

    concept_id: UUID
    title: str = Field(description="Title.")
    hours: int = Field(description="Hours of the concept in this week.")


class Week(LazyModel):
    begins_on: date = Field(description="Monday of the week.")
    hours_learned: int = Field(
        description="Hours spent on the concepts that were last learned in this week."
    )
    hours_ahead: int = Field(description="Hours planned for the rest of the week.")
    shares: list[Share] = Field(description="Planned concepts, in the order of learning.")


class StageSchedule(LazyModel):
    """Progress in a stage, without skipped concepts."""

    stage_id: UUID
    title: str = Field(description="Title.")
    hours: int = Field(description="Hours of its concepts.")
    hours_learned: int = Field(description="Hours spent on its concepts.")
    hours_left: int = Field(description="Hours of the plan for what is not done.")
    begins_on: date | None = Field(
        description="First day of the remaining concepts; null: none remain."
    )
    ends_on: date | None = Field(description="Expected end; null: finished.")


class Schedule(LazyModel):
    """The schedule as of `today`, compared with the first one.

    Skipped concepts take no hours.
    """

    today: date = Field(description="Today in UTC.")
    begins_on: date = Field(description="First day of the schedule.")
    hours_per_week: int = Field(description="Hours for learning per week.")
    deadline: date | None = Field(description="Target date.")
    hours: int = Field(description="Hours of all concepts that are not skipped.")
    hours_learned: int = Field(description="Hours spent, as the clock or the learner says.")
    minutes_learned: int = Field(description="The same in minutes.")
    hours_left: int = Field(description="Hours of the plan for what is not done.")
    hours_expected: int = Field(description=("Hours due by now according to the first schedule."))
    planned_end: date = Field(description="End according to the first schedule.")
    ends_on: date | None = Field(description="Expected end; null: finished.")
    days_behind: int = Field(description="Days between these two; negative: ahead of schedule.")
    days_late: int | None = Field(
        description="Days between target date and expected end; null: no target date."
    )
    hours_per_week_needed: int | None = Field(
        description=(
            "Hours per week that reach the target date; null: no target date, it has "
            "passed, or nothing remains."
        )
    )
    stages: list[StageSchedule] = Field(description="In the order of learning.")
    spans: list[ConceptSpan] = Field(description="Remaining concepts, in the order of learning.")
    weeks: list[Week] = Field(
        description=f"This week and the following ones, at most {MOST_WEEKS}."
    )


@dataclass(frozen=True, slots=True)
class HourCalendar:
    """Dates of hours of learning. `first`: hours of the week of `begin`."""

    begin: date
    hours_per_week: int
    first: int

    def week_of(self, hour: int) -> int:
        """Return the number of weeks after the first one."""
        return 0 if hour < self.first else 1 + (hour - self.first) // self.hours_per_week

    def day_of(self, hour: int) -> date:
        """Return the day of an hour, counted from 0."""
        week = self.week_of(hour)
        if week == 0:
            return self.begin + timedelta(days=hour * _days_left(self.begin) // self.first)
        offset = (hour - self.first) % self.hours_per_week
        return self.monday_of(week) + timedelta(days=offset * DAYS // self.hours_per_week)

    def monday_of(self, week: int) -> date:
        return monday(self.begin) + timedelta(weeks=week)


def calendar(begin: date, hours_per_week: int, learned: int = 0) -> HourCalendar:
    """Return the calendar from a day on; `learned`: past hours of its week."""
    first = min(hours_per_week * _days_left(begin) // DAYS, hours_per_week - learned)
    return HourCalendar(begin, hours_per_week, max(0, first))


def schedule_of(tree: RoadmapTree, today: date, zone: tzinfo = UTC) -> Schedule:
    """Return the schedule of a roadmap as of a day in a time zone."""
    kept = [concept for concept in concepts_of(tree) if concept.progress != ConceptProgress.skipped]
    ahead = [concept for concept in kept if concept.progress != ConceptProgress.done]
    total, left = sum(each.hours for each in kept), sum(each.hours_left for each in ahead)
    spent = sum(each.spent_minutes for each in kept)
    this_week = sum(
        each.spent_minutes
        for each in kept
        if each.progress_at is not None
        and monday(each.progress_at.astimezone(zone).date()) == monday(today)
    )
    this_week //= 60
    begin = max(today, tree.begins_on)
    over = this_week if monday(begin) == monday(today) else 0
    plan = calendar(begin, tree.hours_per_week, over)
    original = calendar(tree.begins_on, tree.hours_per_week)
    planned_end = original.day_of(max(total - 1, 0))
    spans = [
        ConceptSpan(
            concept_id=concept.id,
            title=concept.title,
            hours=concept.hours_left,
            begins_on=plan.day_of(end - concept.hours_left),
            ends_on=plan.day_of(end - 1),
        )
        for concept, end in zip(ahead, accumulate(each.hours_left for each in ahead), strict=True)
    ]
    ends_on = spans[-1].ends_on if spans else None
    reached = ends_on or max(
        [each.progress_at.astimezone(zone).date() for each in kept if each.progress_at],
        default=planned_end,
    )
    return Schedule(
        today=today,
        begins_on=tree.begins_on,
        hours_per_week=tree.hours_per_week,
        deadline=tree.deadline,
        hours=total,
        hours_learned=spent // 60,
        minutes_learned=spent,
        hours_left=left,
        hours_expected=bisect_left(range(total), today, key=original.day_of),
        planned_end=planned_end,
        ends_on=ends_on,
        days_behind=(reached - planned_end).days if kept else 0,
        days_late=None if tree.deadline is None else (reached - tree.deadline).days if kept else 0,
        hours_per_week_needed=_needed(left, begin, tree.deadline, over),
        stages=[_stage(stage, spans) for stage in tree.stages],
        spans=spans,
        weeks=_weeks(ahead, plan, this_week, monday(today)),
    )


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _days_left(day: date) -> int:
    """Return the number of days of its week from a day on."""
    return DAYS - day.weekday()


def _needed(left: int, begin: date, deadline: date | None, learned: int) -> int | None:
    """Return the fewest hours per week with which the last hour meets the deadline.

    More hours per week bring no hour later, whatever was `learned` in the first week, which then
    has no fewer hours.
    """
    if not left or deadline is None or deadline < begin:
        return None
    return 1 + bisect_left(
        range(1, left * DAYS + learned),  # at most all of them in one day
        True,
        key=lambda hours: calendar(begin, hours, learned).day_of(left - 1) <= deadline,
    )


def _stage(stage: StageNode, spans: Sequence[ConceptSpan]) -> StageSchedule:
    concepts = [concept for module in stage.modules for concept in module.concepts]
    kept = [each for each in concepts if each.progress != ConceptProgress.skipped]
    ids = {each.id for each in concepts}
    planned = [span for span in spans if span.concept_id in ids]
    return StageSchedule(
        stage_id=stage.id,
        title=stage.title,
        hours=sum(each.hours for each in kept),
        hours_learned=sum(each.spent_minutes for each in kept) // 60,
        hours_left=sum(span.hours for span in planned),
        begins_on=planned[0].begins_on if planned else None,
        ends_on=planned[-1].ends_on if planned else None,
    )


def _weeks(
    ahead: Sequence[ConceptNode], plan: HourCalendar, learned: int, this_week: date
) -> list[Week]:
    """Return this week, if it has hours, and those that follow."""
    found = {this_week: _week(this_week, learned)} if learned else {}
    at = 0
    for concept in ahead:
        for week in range(plan.week_of(at), plan.week_of(at + concept.hours_left - 1) + 1):
            ends = plan.first + week * plan.hours_per_week
            begins = ends - plan.hours_per_week if week else 0
            hours = min(ends, at + concept.hours_left) - max(begins, at)
            begins_on = plan.monday_of(week)
            if begins_on not in found:
                if len(found) == MOST_WEEKS:
                    return list(found.values())
                found[begins_on] = _week(begins_on)
            found[begins_on].shares.append(
                Share(concept_id=concept.id, title=concept.title, hours=hours)
            )
            found[begins_on].hours_ahead += hours
        at += concept.hours_left
    return list(found.values())


def _week(begins_on: date, learned: int = 0) -> Week:
    return Week(begins_on=begins_on, hours_learned=learned, hours_ahead=0, shares=[])
