"""Completion of a roadmap: counts of its parts, its outcome and its last event.

Everything here runs in a transaction that holds the roadmap's row.
"""

from functools import partial
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import database
from models.roadmaps import Concept, Content, Roadmap
from roadmap.lifecycle import events
from roadmap.operations.execution_log import record
from roadmap.plan.statuses import ContentStatus, EventType, Job, RoadmapStatus


def parts(roadmap_id: UUID, *columns: Any) -> peewee.ModelSelect:
    """Select parts of the concepts that are in the plan."""
    query: peewee.ModelSelect = Content.select(*columns).join(Concept)
    return query.where(Content.roadmap == roadmap_id, ~Concept.removed)


def save_counts(row: Roadmap, **others: Any) -> None:
    """Save the numbers of parts into the row. Cancelled parts count as failed."""
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
    """Finish a roadmap that is building and has no open part left."""
    if row.status == RoadmapStatus.building and is_finished(row):
        return finish(row.id, outcome(row))
    return []


def outcome(row: Roadmap) -> RoadmapStatus:
    """Return the final status of a roadmap without open parts.

    An outline alone counts as partial if the budget ran out.
    """
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
    """Set the final status, with why parts are missing, and record it."""
    row = events.bump(roadmap_id, status=status, finished_at=clock.now())
    is_cancelled = status == RoadmapStatus.cancelled
    reason = "It was cancelled before anything was written" if is_cancelled else ""
    if row.contents_failed:
        missing = "are not written" if is_cancelled else lacking
        reason = f"{row.contents_failed} of {row.contents_total} parts {missing}"
    Roadmap.update(error=reason).where(Roadmap.id == roadmap_id).execute()
    database.after_commit(
        partial(record, "building", "finish", f"The roadmap is {status}", roadmap_id=roadmap_id)
    )
    return events.append(row, EventType(f"roadmap.{status}"), {**progress(row), "reason": reason})


def progress(row: Roadmap) -> dict[str, int]:
    return {"ready": row.contents_ready, "failed": row.contents_failed, "total": row.contents_total}
