"""What happened to a roadmap, numbered without gaps, written in the transaction that changes its state."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from core import clock
from core.runtime import session
from models.bulk import insert_rows
from models.roadmaps import Roadmap, RoadmapEvent
from roadmap.outbox import OFFERED, tell_webhooks
from roadmap.statuses import FINAL
from roadmap.steps import Step
from roadmap.stopping import Lost

MOST_AT_ONCE = 500


class EventType(StrEnum):
    queued = "roadmap.queued"
    imported = "roadmap.imported"
    planning = "roadmap.planning"
    analysed = "roadmap.analysed"
    drafted = "roadmap.drafted"
    outlined = "roadmap.outlined"
    revised = "roadmap.revised"
    revision_failed = "revision.failed"
    revision_cancelled = "revision.cancelled"
    awaiting_review = "roadmap.awaiting_review"
    approved = "roadmap.approved"
    content_queued = "content.queued"
    content_ready = "content.ready"
    content_failed = "content.failed"
    content_restored = "content.restored"
    ready = "roadmap.ready"
    partial = "roadmap.partial"
    failed = "roadmap.failed"
    cancelled = "roadmap.cancelled"


TERMINAL = frozenset(f"roadmap.{status}" for status in FINAL)


class Event(BaseModel):
    """`seq` counts from 1 within its roadmap, without gaps."""

    seq: int
    type: str
    data: dict[str, Any]
    at: datetime

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL


def advance(roadmap_id: UUID, **changes: Any) -> Roadmap:
    """Change the roadmap and take the number of its next event, for `append` in the same transaction.

    The row stays locked until the commit, which keeps the order of commits and the order of numbers the same. Whoever
    changes contents as well does this first, so that two of them never wait for each other. Raises Lost when it is gone.
    """
    update = Roadmap.update(
        {**changes, "last_seq": Roadmap.last_seq + 1, "updated_at": clock.now()}
    )
    rows: list[Roadmap] = list(update.where(Roadmap.id == roadmap_id).returning(Roadmap).execute())
    if not rows:
        raise Lost
    return rows[0]


def append(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> list[Step]:
    """Write the event whose number was taken last; a step for each webhook that is told of it."""
    now = clock.now()
    event = {"roadmap": row.id, "seq": row.last_seq, "type": kind, "data": dict(data), "at": now}
    RoadmapEvent.insert(event).execute()
    return tell_webhooks(row, kind, data, now)


def tell(roadmap_id: UUID, kind: EventType, data: Mapping[str, Any], **changes: Any) -> Roadmap:
    """Both at once, for an event that does not depend on what the row is then, and that no webhook is told of."""
    assert kind not in OFFERED
    row = advance(roadmap_id, **changes)
    append(row, kind, data)
    return row


def was_last(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> bool:
    """Whether the newest event of a locked row says just this."""
    newest = RoadmapEvent.get_or_none(
        RoadmapEvent.roadmap == row.id, RoadmapEvent.seq == row.last_seq
    )
    return newest is not None and (newest.type, newest.data) == (kind, dict(data))


def append_first(roadmap_ids: Sequence[UUID], kind: EventType) -> None:
    """Write event 1 of many new roadmaps in one statement."""
    common = {"seq": 1, "type": kind, "data": {}, "at": clock.now()}
    insert_rows(RoadmapEvent, [{"roadmap": id_} for id_ in roadmap_ids], common=common)


def events_after(roadmap_id: UUID, seq: int) -> list[Event]:
    """The next events of a roadmap, at most 500."""
    with session():
        query = RoadmapEvent.select().where(
            RoadmapEvent.roadmap == roadmap_id, RoadmapEvent.seq > seq
        )
        rows = list(query.order_by(RoadmapEvent.seq).limit(MOST_AT_ONCE))
    return [Event(seq=row.seq, type=row.type, data=row.data, at=row.at) for row in rows]


def last_seqs(roadmap_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], int]:
    """The number of the newest event, by roadmap and owner; one query for all. What is in the trash is left out."""
    there = Roadmap.id.in_(list(roadmap_ids)) & Roadmap.trashed_at.is_null()
    with session():
        found = Roadmap.select(Roadmap.id, Roadmap.owner, Roadmap.last_seq).where(there).tuples()
        return {(roadmap_id, owner_id): seq for roadmap_id, owner_id, seq in found}
