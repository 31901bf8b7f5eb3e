"""Where one goes on: the roadmaps that somebody learns, with the next concept of each and how one stands with it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import peewee

from core import clock
from core.runtime import session
from models.roadmaps import Concept, Roadmap
from roadmap.ownership import newest_of
from roadmap.picture.marks import next_of
from roadmap.reading import ConceptNode, RoadmapTree, concepts_of, roadmap_tree
from roadmap.schedule import Schedule, schedule_of
from roadmap.statuses import ConceptProgress

NEWEST = 20  # roadmaps among which those are looked for that somebody learns
LONG_AGO = datetime.min.replace(tzinfo=UTC)
OPEN = (ConceptProgress.todo, ConceptProgress.learning)


@dataclass(frozen=True, slots=True)
class Onward:
    tree: RoadmapTree
    next: ConceptNode
    schedule: Schedule


def onward(owner_id: UUID, *, limit: int) -> list[Onward]:
    """Those of which something is written and not all is learned: first what one has learned from last, then the newest.

    Reads that many trees at most, and before them a row for each of the newest roadmaps.
    """
    with session():
        found = [_where(roadmap_tree(owner_id, id_)) for id_ in _learned_last(owner_id)[:limit]]
    return [each for each in found if each is not None]


def _learned_last(owner_id: UUID) -> list[UUID]:
    written = newest_of(owner_id).where(Roadmap.contents_ready > 0).select(Roadmap.id).limit(NEWEST)
    ids = [row.id for row in written]
    is_open = peewee.Case(None, [(Concept.progress.in_(OPEN), 1)], 0)
    columns = (Concept.roadmap, peewee.fn.MAX(Concept.progress_at), peewee.fn.MAX(is_open))
    query = Concept.select(*columns).where(Concept.roadmap.in_(ids), ~Concept.removed).group_by(Concept.roadmap)
    last = {id_: _moment(at) for id_, at, some_are_open in query.tuples() if some_are_open}
    return sorted((id_ for id_ in ids if id_ in last), key=lambda id_: last[id_], reverse=True)


def _moment(at: datetime | str | None) -> datetime:
    moment = Concept.progress_at.python_value(at)
    return moment if isinstance(moment, datetime) else LONG_AGO


def _where(tree: RoadmapTree) -> Onward | None:
    concepts = concepts_of(tree)
    next_id = next_of(concepts)
    following = next((concept for concept in concepts if concept.id == next_id), None)
    if following is None:
        return None
    return Onward(tree, following, schedule_of(tree, clock.now().date()))
