"""Where one goes on: the roadmaps that somebody learns, with the next concept of each and how one stands with it.

It is read with every visit of the first page: in three queries, and of each concept only what this needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.runtime import session
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.outline import ContentKind
from roadmap.ownership import newest_of
from roadmap.picture.marks import next_of
from roadmap.reading import ConceptNode, ContentState, ModuleNode, RoadmapTree, StageNode, concepts_of
from roadmap.schedule import Schedule, schedule_of
from roadmap.statuses import ConceptProgress, ContentStatus

NEWEST = 20  # roadmaps among which those are looked for that somebody learns
NEVER = datetime.min.replace(tzinfo=UTC)
OPEN = (ConceptProgress.todo, ConceptProgress.learning)
SOMETHING = {ContentKind.tutorial: ContentState(status=ContentStatus.ready, version=1, error="")}  # can be read, whatever it is
FACTS = ("id", "title", "hours", "progress", "progress_at")  # of a concept that a schedule and a way need


@dataclass(frozen=True, slots=True)
class Onward:
    """A roadmap, where one goes on in it, and how one stands with its plan."""

    id: UUID
    title: str
    language: str
    next_id: UUID
    next_title: str
    schedule: Schedule


def onward(owner_id: UUID, *, limit: int) -> list[Onward]:
    """Those of which something is written and not all is learned: first what one has learned from last, then the newest."""
    with session():
        rows = _learned_last(owner_id)[:limit]
        concepts = _concepts([row.id for row in rows])
    found = (_where(row, [each for each in concepts if each[0] == row.id]) for row in rows)
    return [each for each in found if each is not None]


def _learned_last(owner_id: UUID) -> list[Roadmap]:
    rows = {row.id: row for row in newest_of(owner_id).limit(NEWEST) if row.contents_ready}
    is_open = peewee.Case(None, [(Concept.progress.in_(OPEN), 1)], 0)
    columns = (Concept.roadmap, peewee.fn.MAX(Concept.progress_at), peewee.fn.MAX(is_open))
    query = Concept.select(*columns).where(Concept.roadmap.in_(list(rows)), ~Concept.removed).group_by(Concept.roadmap)
    last = {id_: Concept.progress_at.python_value(at) or NEVER for id_, at, some_are_open in query.tuples() if some_are_open}
    return sorted((row for row in rows.values() if row.id in last), key=lambda row: last[row.id], reverse=True)


def _concepts(ids: list[UUID]) -> list[tuple[Any, ...]]:
    """In the order of learning: roadmap, stage and its title, whether there is something to read, prerequisites, FACTS."""
    readable = Concept.id.in_(Content.select(Content.concept).where(Content.roadmap.in_(ids), Content.version > 0))
    facts = [getattr(Concept, name) for name in FACTS]
    query = Concept.select(Concept.roadmap, Stage.id, Stage.title, readable, Concept.prerequisites, *facts)
    planned = query.join(Module).join(Stage).where(Concept.roadmap.in_(ids), ~Concept.removed)
    return list(planned.order_by(Stage.position, Stage.id, Module.position, Concept.position).tuples())


def _where(row: Roadmap, concepts: Sequence[tuple[Any, ...]]) -> Onward | None:
    """None: there is nothing to read that is not learned."""
    stages = [_stage(*head, list(each)) for head, each in groupby(concepts, key=lambda concept: (concept[1], concept[2]))]
    begins_on = row.begins_on or row.created_at.date()
    plan: dict[str, Any] = {
        "hours_per_week": row.hours_per_week,
        "deadline": row.deadline,
        "begins_on": begins_on,
        "stages": stages,
    }
    tree = RoadmapTree.model_construct(**plan)  # as much of one as is needed
    nodes = {node.id: node for node in concepts_of(tree)}
    next_id = next_of(list(nodes.values()))
    if next_id is None:
        return None
    schedule = schedule_of(tree, clock.now().date())
    return Onward(row.id, row.title, row.language, next_id, nodes[next_id].title, schedule)


def _stage(stage_id: UUID, title: str, concepts: Sequence[tuple[Any, ...]]) -> StageNode:
    inside: dict[str, Any] = {"concepts": [_concept(*concept[3:]) for concept in concepts]}
    told: dict[str, Any] = {"id": stage_id, "title": title, "modules": [ModuleNode.model_construct(**inside)]}
    return StageNode.model_construct(**told)


def _concept(readable: bool | int, needs: list[str], *facts: Any) -> ConceptNode:
    told = dict(zip(FACTS, facts, strict=True))
    told |= {"progress": ConceptProgress(told["progress"]), "prerequisites": [UUID(each) for each in needs]}
    return ConceptNode.model_construct(**told, contents=SOMETHING if readable else {})
