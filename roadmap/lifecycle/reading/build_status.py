"""Work on a roadmap: position in the queue, parts in work, time left.

Every duration comes from measured times: of this roadmap, or at first of its owner's last ones.
"""

from dataclasses import dataclass
from datetime import datetime
from statistics import mean
from uuid import UUID

from core import clock
from core.db import session
from models.roadmaps import Concept, Content, Roadmap, RoadmapEvent
from roadmap.accounts.access import get_owned
from roadmap.lifecycle.making.activate_plan import waits_for_review
from roadmap.lifecycle.making.completion import parts
from roadmap.lifecycle.making.create import count_queued
from roadmap.plan.statuses import ContentStatus, EventType, RoadmapStatus
from roadmap.plan.views import Activity, Writing

MOST_AHEAD = 1000  # counted no further
RECENT = 5  # finished roadmaps of the owner whose times count, among the last LOOKED_AT
LOOKED_AT = 20
ENOUGH = 3  # parts that were written since it was begun, before its own times count
WRITTEN = (EventType.content_ready, EventType.content_failed)
# Events of roadmaps that were not made in one go.
GONE_ON = (
    EventType.imported,
    EventType.revised,
    EventType.content_queued,
    EventType.content_restored,
)
BEGUN = (EventType.outlined, EventType.approved, EventType.revised, EventType.content_queued)


@dataclass(frozen=True, slots=True)
class MeanDurations:
    """Means of finished roadmaps, in seconds."""

    planning: float
    part: float
    parts: float


@session()
def activity(owner_id: UUID, roadmap_id: UUID) -> Activity:
    """Raises NotFound."""
    writing: list[Writing] = []
    ahead, left = None, None
    row = get_owned(owner_id, roadmap_id)
    status = RoadmapStatus(row.status)
    if status == RoadmapStatus.building:
        in_work = (
            parts(roadmap_id, Content.kind, Concept.id, Concept.title)
            .where(Content.status == ContentStatus.building)
            .order_by(Content.lease_until, Content.id)
        )
        writing = [
            Writing(kind=kind, concept_id=concept_id, title=title)
            for kind, concept_id, title in in_work.tuples()
        ]
        ahead = None if writing else _parts_before(roadmap_id)
        unwritten = row.contents_total - row.contents_ready - row.contents_failed
        pace = _own_pace(row) or ((recent := _recent_pace(row)) and recent.part)
        left = None if pace is None else round(unwritten * pace)
    elif status in (RoadmapStatus.queued, RoadmapStatus.planning):
        if status == RoadmapStatus.queued:
            ahead = count_queued(MOST_AHEAD, Roadmap.due_at < row.due_at)
        if recent := _recent_pace(row):
            # With a review, its owner looks at the plan first.
            building = 0 if waits_for_review(row) else recent.part * recent.parts
            left = round(recent.planning + building)
    return Activity(
        status=status, seq=row.last_seq, ahead=ahead, writing=writing, seconds_left=left
    )


def _parts_before(roadmap_id: UUID) -> int:
    """Return the number of parts of others that are due before the first of this one."""
    pending, is_own = Content.status == ContentStatus.pending, Content.roadmap == roadmap_id
    first = (
        Content.select(Content.due_at)
        .where(is_own, pending)
        .order_by(Content.due_at)
        .limit(1)
        .scalar()
    )
    if first is None:
        return 0
    building = Roadmap.status == RoadmapStatus.building  # parts that wait for review do not count
    others = Content.select(Content.id).join(Roadmap).where(pending, ~is_own, building)
    return int(others.where(Content.due_at < first).limit(MOST_AHEAD).count())


def _own_pace(row: Roadmap) -> float | None:
    """Return the seconds per part of this roadmap since it was last begun."""
    steps: list[tuple[str, datetime]] = list(
        RoadmapEvent.select(RoadmapEvent.type, RoadmapEvent.at)
        .order_by(RoadmapEvent.seq)
        .where((RoadmapEvent.roadmap == row.id) & RoadmapEvent.type.in_((*BEGUN, *WRITTEN)))
        .tuples()
    )
    begun = max((number for number, (type_, _) in enumerate(steps) if type_ in BEGUN), default=None)
    if begun is None or len(steps) - begun - 1 < ENOUGH:
        return None
    return (clock.now() - steps[begun][1]).total_seconds() / (len(steps) - begun - 1)


def _recent_pace(row: Roadmap) -> MeanDurations | None:
    """Return the means of the owner's last roadmaps by the same generator.

    Only those count that were finished in one go.
    """
    last = list(
        Roadmap.select(
            Roadmap.id,
            Roadmap.status,
            Roadmap.generator,
            Roadmap.contents_total,
            Roadmap.created_at,
            Roadmap.finished_at,
        )
        .where(Roadmap.owner == row.owner_id, Roadmap.id != row.id)
        .order_by(Roadmap.id.desc())
        .limit(LOOKED_AT)
    )
    writers = {row.generator} if row.generator else {each.generator for each in last}
    done = [
        each
        for each in last
        if each.status == RoadmapStatus.ready and each.contents_total and each.generator in writers
    ][:RECENT]
    kinds = (EventType.planning, EventType.outlined, EventType.approved, *GONE_ON)
    events = (
        RoadmapEvent.select(RoadmapEvent.roadmap, RoadmapEvent.type, RoadmapEvent.at)
        .where(RoadmapEvent.roadmap.in_([each.id for each in done]), RoadmapEvent.type.in_(kinds))
        .order_by(RoadmapEvent.seq)
    )
    last_at = {(roadmap, type_): at for roadmap, type_, at in events.tuples()}
    planning, part, parts = [], [], []
    for each in done:
        outlined = last_at.get((each.id, EventType.outlined))
        if outlined is None or any((each.id, kind) in last_at for kind in GONE_ON):
            continue
        planned = outlined - last_at.get((each.id, EventType.planning), each.created_at)
        planning.append(planned.total_seconds())
        built = each.finished_at - last_at.get((each.id, EventType.approved), outlined)
        part.append(max(built.total_seconds(), 0) / each.contents_total)
        parts.append(each.contents_total)
    return MeanDurations(mean(planning), mean(part), mean(parts)) if part else None
