"""When a plan changes: it is made the roadmap's own, then it waits for review, is built, or is finished already.

Everything but `unstarted` runs in a transaction that holds the roadmap's row. What tells something returns a step for each
webhook that is told.
"""

from typing import Any
from uuid import UUID

from core.db import session
from models.roadmaps import Content, Revision, Roadmap
from roadmap.budget.cost_report import pending_estimate
from roadmap.lifecycle import completion, events, plan_sync
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.outline import Outline, total_weeks
from roadmap.plan.statuses import ContentStatus, RoadmapStatus


def adopt_outline(
    roadmap_id: UUID,
    outline: Outline,
    number: int,
    *,
    as_written: frozenset[str] = frozenset(),
    **changes: Any,
) -> tuple[Roadmap, list[UUID]]:
    """Make an outline the roadmap's plan under the next event's number, and count what there is then. Holds its row.

    Also returns the contents that are to be written for it.
    """
    row = events.bump(
        roadmap_id, title=outline.title, hours=outline.hours, revision=number, **changes
    )
    opened = plan_sync.apply(row, outline, as_written=as_written, anew=waits_for_review(row))
    completion.save_counts(row, weeks=total_weeks(outline, row.hours_per_week))
    return row, opened


def waits_for_review(row: Roadmap) -> bool:
    """Whether nothing of its plan may be written before a person approves it."""
    return bool(row.review and not row.approved)


def start_building(row: Roadmap) -> list[Job]:
    """Behind a new plan comes its review, its end when nothing is to be written, or its building, which needs no word."""
    if completion.is_finished(row):
        return completion.finish(row.id, completion.outcome(row))
    if row.status == RoadmapStatus.awaiting_review:
        return ask_for_review(row.id)
    return []


def ask_for_review(roadmap_id: UUID) -> list[Job]:
    """Tell the person that the plan waits, and what it will cost."""
    estimate = pending_estimate(roadmap_id).model_dump(mode="json")
    row = events.bump(roadmap_id, status=RoadmapStatus.awaiting_review, error="")
    return events.append(
        row, EventType.awaiting_review, {"revision": row.revision, "estimate": estimate}
    )


def restore_previous(roadmap_id: UUID, revision: Revision) -> list[Job]:
    """To what the roadmap was before somebody wanted it changed. Holds its row."""
    before = RoadmapStatus(revision.before)
    if before == RoadmapStatus.awaiting_review:
        return ask_for_review(roadmap_id)
    return completion.finish(roadmap_id, before)


def pending_jobs(roadmap_id: UUID) -> list[Job]:
    """Planned already, perhaps by a worker that died before it could enqueue: say again what is pending."""
    with session():
        pending = (Content.roadmap == roadmap_id) & (Content.status == ContentStatus.pending)
        building = (Roadmap.id == Content.roadmap) & (Roadmap.status == RoadmapStatus.building)
        ids = (
            Content.select(Content.id)
            .join(Roadmap, on=building)
            .where(pending)
            .order_by(Content.id)
            .tuples()
        )
        return [Job(JobName.build_content, content_id) for (content_id,) in ids]
