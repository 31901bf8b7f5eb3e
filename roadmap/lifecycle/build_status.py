"""What is being done for a roadmap now: who is before it, what is being written, and how long it will probably take.

Every duration comes from times that were measured: of this roadmap, or before there are any, of its owner's last ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean
from uuid import UUID

from core import clock
from core.db import session
from models.roadmaps import Concept, Content, Roadmap, RoadmapEvent
from roadmap.accounts.access import get_owned
from roadmap.plan.event_types import EventType
from roadmap.plan.statuses import ContentStatus, RoadmapStatus
from roadmap.plan.views import Activity, Writing

MOST_AHEAD = 1000  # counted no further
RECENT = 5  # finished roadmaps of the owner whose times are looked at, among the last LOOKED_AT
LOOKED_AT = 20
ENOUGH = 3  # parts that were written since it was begun, before its own times count
WRITTEN = (EventType.content_ready, EventType.content_failed)
GONE_ON = (
    EventType.imported,
    EventType.revised,
    EventType.content_queued,
    EventType.content_restored,
)  # not made in one go
BEGUN = (EventType.outlined, EventType.approved, EventType.revised, EventType.content_queued)


@dataclass(frozen=True, slots=True)
class MeanDurations:
    """Means of finished roadmaps, in seconds."""

    planning: float
    part: float
    parts: float


def activity(owner_id: UUID, roadmap_id: UUID) -> Activity:
    """Raises NotFound."""
    with session():
        row = get_owned(owner_id, roadmap_id)
        status = RoadmapStatus(row.status)
        writing = _writing(roadmap_id) if status == RoadmapStatus.building else []
        ahead, left = None, None
        if status == RoadmapStatus.queued:
            ahead = _roadmaps_before(row)
        elif status == RoadmapStatus.building and not writing:
            ahead = _parts_before(roadmap_id)
        if status in (RoadmapStatus.queued, RoadmapStatus.planning):
            left = _left_with_planning(row)
        elif status == RoadmapStatus.building:
            left = _left_of_writing(row)
    return Activity(
        status=status, seq=row.last_seq, ahead=ahead, writing=writing, seconds_left=left
    )


def _writing(roadmap_id: UUID) -> list[Writing]:
    query = Content.select(Content.kind, Concept.id, Concept.title).join(Concept)
    at_it = (
        (Content.roadmap == roadmap_id)
        & (Content.status == ContentStatus.building)
        & ~Concept.removed
    )
    rows = query.where(at_it).order_by(Content.lease_until, Content.id).tuples()
    return [
        Writing(kind=kind, concept_id=concept_id, title=title) for kind, concept_id, title in rows
    ]


def _roadmaps_before(row: Roadmap) -> int:
    waiting = Roadmap.select(Roadmap.id).where(
        Roadmap.status == RoadmapStatus.queued, Roadmap.due_at < row.due_at
    )
    return int(waiting.limit(MOST_AHEAD).count())


def _parts_before(roadmap_id: UUID) -> int:
    """Parts of others that are due before the first of this one."""
    pending = Content.status == ContentStatus.pending
    mine = Content.select(Content.due_at).where(Content.roadmap == roadmap_id, pending)
    first = mine.order_by(Content.due_at).limit(1).scalar()
    if first is None:
        return 0
    others = (
        Content.select(Content.id)
        .join(Roadmap)
        .where(pending, Content.due_at < first, Content.roadmap != roadmap_id)
    )
    others = others.where(
        Roadmap.status == RoadmapStatus.building
    )  # what waits for review is not in line
    return int(others.limit(MOST_AHEAD).count())


def _left_with_planning(row: Roadmap) -> int | None:
    pace = _recent_pace(row)
    if pace is None:
        return None
    if row.review and not row.approved:  # it stops then, for its owner to look at the plan
        return round(pace.planning)
    return round(pace.planning + pace.part * pace.parts)


def _left_of_writing(row: Roadmap) -> int | None:
    left = row.contents_total - row.contents_ready - row.contents_failed
    per_part = _own_pace(row) or (pace.part if (pace := _recent_pace(row)) else None)
    return None if per_part is None else round(left * per_part)


def _own_pace(row: Roadmap) -> float | None:
    """Seconds for a part of this roadmap, since it was begun the last time."""
    at = RoadmapEvent.select(RoadmapEvent.type, RoadmapEvent.at).where(
        RoadmapEvent.roadmap == row.id, RoadmapEvent.type.in_((*BEGUN, *WRITTEN))
    )
    told: Sequence[tuple[str, datetime]] = list(at.order_by(RoadmapEvent.seq).tuples())
    begun = max((number for number, (type_, _) in enumerate(told) if type_ in BEGUN), default=None)
    if begun is None or len(told) - begun - 1 < ENOUGH:
        return None
    return (clock.now() - told[begun][1]).total_seconds() / (len(told) - begun - 1)


def _recent_pace(row: Roadmap) -> MeanDurations | None:
    """Of the owner's last roadmaps that the same writer has finished in one go."""
    done = _finished_before(row)
    told = _times([each.id for each in done])
    planning, part, parts = [], [], []
    for each in done:
        outlined = told.get((each.id, EventType.outlined))
        if outlined is None or any((each.id, kind) in told for kind in GONE_ON):
            continue
        begun = told.get((each.id, EventType.approved), outlined)
        planning.append(
            (outlined - told.get((each.id, EventType.planning), each.created_at)).total_seconds()
        )
        part.append(max((each.finished_at - begun).total_seconds(), 0) / each.contents_total)
        parts.append(each.contents_total)
    return MeanDurations(mean(planning), mean(part), mean(parts)) if part else None


def _finished_before(row: Roadmap) -> list[Roadmap]:
    columns = (
        Roadmap.id,
        Roadmap.created_at,
        Roadmap.finished_at,
        Roadmap.contents_total,
        Roadmap.status,
        Roadmap.generator,
    )
    mine = Roadmap.select(*columns).where(Roadmap.owner == row.owner_id, Roadmap.id != row.id)
    last = mine.order_by(Roadmap.id.desc()).limit(LOOKED_AT)
    writers = {row.generator} if row.generator else {each.generator for each in last}
    return [
        each
        for each in last
        if each.status == RoadmapStatus.ready and each.contents_total and each.generator in writers
    ][:RECENT]


def _times(roadmap_ids: Sequence[UUID]) -> dict[tuple[UUID, str], datetime]:
    """When each of them reached its last step of each kind."""
    steps = (EventType.planning, EventType.outlined, EventType.approved, *GONE_ON)
    columns = (RoadmapEvent.roadmap, RoadmapEvent.type, RoadmapEvent.at)
    query = RoadmapEvent.select(*columns).where(
        RoadmapEvent.roadmap.in_(roadmap_ids), RoadmapEvent.type.in_(steps)
    )
    return {
        (roadmap, type_): at for roadmap, type_, at in query.order_by(RoadmapEvent.seq).tuples()
    }
