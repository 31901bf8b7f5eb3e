"""Activation of a plan: its rows, then its review, its building, or its end.

Everything but `pending_jobs` runs in a transaction that holds the roadmap's row. Functions that
append an event return a job for each webhook that wants it.
"""

from typing import Any
from uuid import UUID

from core.db import session
from models.roadmaps import Concept, Content, Module, Revision, Roadmap, Stage
from roadmap.budget.cost_report import pending_estimate
from roadmap.learning import reviews
from roadmap.lifecycle import events, plan_rows
from roadmap.lifecycle.making import completion
from roadmap.lifecycle.making.leases import BUILDING
from roadmap.plan.outline import Outline, total_weeks
from roadmap.plan.statuses import ContentStatus, EventType, Job, JobName, RoadmapStatus


def adopt_outline(
    roadmap_id: UUID,
    outline: Outline,
    number: int,
    *,
    as_written: frozenset[str] = frozenset(),
    all_at_once: bool = False,
    **changes: Any,
) -> tuple[Roadmap, list[UUID]]:
    """Make an outline the plan, take the next event's number and count the parts.

    Return the row and the contents that are to be written. Holds the roadmap's row.
    """
    row = events.bump(
        roadmap_id, title=outline.title, hours=outline.hours, revision=number, **changes
    )
    reopen = waits_for_review(row)
    opened, other_quizzes = plan_rows.apply(
        row, outline, as_written=as_written, reopen=reopen, all_at_once=all_at_once
    )
    reviews.follow(other_quizzes)
    completion.save_counts(row, weeks=total_weeks(outline, row.hours_per_week))
    return row, opened


def waits_for_review(row: Roadmap) -> bool:
    """Return whether nothing may be written before a person approves the plan."""
    return bool(row.review and not row.approved)


def finish_or_ask_review(row: Roadmap) -> list[Job]:
    """Finish a plan with nothing to write, or ask for its review if it waits for one."""
    if completion.is_finished(row):
        return completion.finish(row.id, completion.outcome(row))
    if row.status == RoadmapStatus.awaiting_review:
        return ask_for_review(row.id)
    return []


def ask_for_review(roadmap_id: UUID) -> list[Job]:
    """Record that the plan waits for review, with an estimate of its cost."""
    row = events.bump(roadmap_id, status=RoadmapStatus.awaiting_review, error="")
    estimate = pending_estimate(roadmap_id).model_dump(mode="json")
    return events.append(
        row, EventType.awaiting_review, {"revision": row.revision, "estimate": estimate}
    )


def restore_previous(roadmap_id: UUID, revision: Revision) -> list[Job]:
    """Restore the status from before a change was asked for. Holds the row."""
    before = RoadmapStatus(revision.before)
    if before == RoadmapStatus.awaiting_review:
        return ask_for_review(roadmap_id)
    return completion.finish(roadmap_id, before)


@session()
def pending_jobs(roadmap_id: UUID) -> list[Job]:
    """Return jobs for all pending contents that can begin, concept by concept.

    The worker that planned them may have died before it could enqueue them.
    """
    query = (
        Content.select(Content.id)
        .join(Concept)
        .join(Module)
        .join(Stage)
        .where(Content.roadmap == roadmap_id, Content.status == ContentStatus.pending)
        .where(BUILDING.among)
        .order_by(Stage.position, Module.position, Concept.position, Content.id)
    )
    return [Job(JobName.build_content, row.id) for row in query]
