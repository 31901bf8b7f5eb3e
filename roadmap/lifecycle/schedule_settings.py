"""Schedule of a plan, and its settings: hours per week, deadline and first day."""

from collections import defaultdict
from datetime import date
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import transaction
from core.errors import Conflict, FieldError, Invalid
from core.json_types import LazyModel
from models.roadmaps import Concept, Roadmap
from roadmap.accounts.access import transition
from roadmap.learning.schedule import Schedule, schedule_of
from roadmap.lifecycle.plan_rows import current_outline
from roadmap.lifecycle.reading.queries import roadmap_tree
from roadmap.plan.outline import total_weeks, weeks
from roadmap.plan.schemas import FARTHEST_DEADLINE, HoursPerWeek, ahead
from roadmap.plan.statuses import RoadmapStatus


class ScheduleRequest(LazyModel, frozen=True, extra="forbid"):
    """The new schedule settings."""

    hours_per_week: HoursPerWeek = Field(description="Hours for learning per week.")
    deadline: date | None = Field(
        description="Target date; null: none. A past date can be kept, but not set."
    )
    begins_on: date | None = Field(
        description="First day of the schedule, within ten years of today; null: the day "
        "of the request."
    )


def read_schedule(owner_id: UUID, roadmap_id: UUID) -> Schedule:
    """Return the schedule as of today, in UTC; a roadmap without a plan has no hours.

    Raises NotFound.
    """
    return schedule_of(roadmap_tree(owner_id, roadmap_id), clock.now().date())


@transaction()
def reschedule(owner_id: UUID, roadmap_id: UUID, request: ScheduleRequest) -> None:
    """Set hours, deadline and first day, and recalculate the weeks of the plan.

    Contents, revisions and progress stay. Raises NotFound, Invalid, and Conflict when there is no
    plan yet: it is being made for the original settings.
    """
    row = transition(owner_id, roadmap_id, list(RoadmapStatus), "scheduled")
    if not row.title:
        raise Conflict(
            "The roadmap has no plan yet. Wait until it is ready, then set the schedule."
        )
    broken = []  # of changed fields only: a deadline may have passed meanwhile
    if request.deadline not in (None, row.deadline):
        try:
            ahead(request.deadline)
        except ValueError as error:
            broken.append(FieldError("/deadline", str(error)))
    begins_on, since = request.begins_on, row.begins_on or row.created_at.date()
    if begins_on not in (None, since) and abs(begins_on - clock.now().date()) > FARTHEST_DEADLINE:
        broken.append(FieldError("/begins_on", "must be within ten years"))
    if broken:
        raise Invalid("Some fields are not valid.", fields=tuple(broken))
    outline = current_outline(row)
    Roadmap.update(
        hours_per_week=request.hours_per_week,
        deadline=request.deadline,
        begins_on=None if request.begins_on == row.created_at.date() else request.begins_on,
        weeks=total_weeks(outline, request.hours_per_week),
    ).where(Roadmap.id == row.id).execute()
    # One statement for each week in which another concept is begun.
    planned = (Concept.roadmap == row.id) & ~Concept.removed
    before = dict(Concept.select(Concept.key, Concept.week).where(planned).tuples())
    keys: dict[int, list[str]] = defaultdict(list)
    for key, week in weeks(outline, request.hours_per_week).items():
        if before[key] != week:
            keys[week].append(key)
    for week, changed in keys.items():
        Concept.update(week=week).where(planned, Concept.key.in_(changed)).execute()
