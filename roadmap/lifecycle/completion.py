"""When a roadmap is finished, and as what. Everything here runs in a transaction that holds the roadmap's row."""

from functools import partial
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import database
from models.roadmaps import Concept, Content, Roadmap
from roadmap.lifecycle import events
from roadmap.operations.execution_log import record
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job
from roadmap.plan.statuses import ContentStatus, RoadmapStatus


def parts(roadmap_id: UUID, *columns: Any) -> peewee.ModelSelect:
    """Of the concepts that are in the plan."""
    query: peewee.ModelSelect = Content.select(*columns).join(Concept)
    return query.where(Content.roadmap == roadmap_id, ~Concept.removed)


def save_counts(row: Roadmap, **others: Any) -> None:
    """Count a roadmap's parts as they are, into its row. Cancelled parts count as failed."""
    of = dict(
        parts(row.id, Content.status, peewee.fn.COUNT(Content.id)).group_by(Content.status).tuples()
    )
    counts = {
        **others,
        "contents_total": sum(of.values()),
        "contents_ready": of.get(ContentStatus.ready, 0),
        "contents_failed": of.get(ContentStatus.failed, 0) + of.get(ContentStatus.cancelled, 0),
    }
    Roadmap.update(counts).where(Roadmap.id == row.id).execute()
    for name, value in counts.items():
        setattr(row, name, value)


def is_finished(row: Roadmap) -> bool:
    return bool(row.contents_ready + row.contents_failed >= row.contents_total)


def finish_if_last(row: Roadmap) -> list[Job]:
    """The row as it is after the last change: when nothing of it is open any more, it ends here."""
    if row.status == RoadmapStatus.building and is_finished(row):
        return finish(row.id, outcome(row))
    return []


def outcome(row: Roadmap) -> RoadmapStatus:
    """What a roadmap is of which nothing is open: an outline alone is worth something when it was the money that ran out."""
    if row.contents_failed == 0:
        return RoadmapStatus.ready
    if parts(row.id).where(Content.status == ContentStatus.cancelled).exists():
        return RoadmapStatus.cancelled if row.contents_ready == 0 else RoadmapStatus.partial
    if row.contents_ready == 0 and not row.over_budget:
        return RoadmapStatus.failed
    return RoadmapStatus.partial


def finish(
    roadmap_id: UUID, status: RoadmapStatus, *, lacking: str = "could not be written"
) -> list[Job]:
    """End it so, and tell it, with what became of the parts that are `lacking`; a step for each webhook that is told."""
    row = events.bump(roadmap_id, status=status, finished_at=clock.now())
    missing = f"{row.contents_failed} of {row.contents_total} parts"
    reason = f"{missing} {lacking}" if row.contents_failed else ""
    if status == RoadmapStatus.cancelled:
        reason = (
            f"{missing} are not written"
            if row.contents_failed
            else "It was cancelled before anything was written"
        )
    Roadmap.update(error=reason).where(Roadmap.id == roadmap_id).execute()
    steps = events.append(row, EventType(f"roadmap.{status}"), {**progress(row), "reason": reason})
    database.after_commit(
        partial(record, "building", "finish", f"The roadmap is {status}", roadmap_id=roadmap_id)
    )
    return steps


def progress(row: Roadmap) -> dict[str, int]:
    return {"ready": row.contents_ready, "failed": row.contents_failed, "total": row.contents_total}
