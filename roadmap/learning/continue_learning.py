"""Where one goes on: the roadmaps that somebody learns, with the next concept of each and how one stands with it.

It is read with every visit of the first page: in a few queries, and of each concept only what this needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import session
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.accounts.access import newest_of
from roadmap.learning.schedule import Schedule, schedule_of
from roadmap.plan.concept_marks import next_of
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from roadmap.plan.views import (
    ConceptNode,
    ContentState,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
)

LOOKED_AT = 500  # of somebody's newest roadmaps, among which those are that are learned
BEGUN = 60  # of those, what was learned from last
NEWEST = 20  # of the others
AT_ONCE = 6  # are read
OPEN = (ConceptProgress.todo, ConceptProgress.learning)
SOMETHING = {
    ContentKind.tutorial: ContentState(status=ContentStatus.ready, version=1, error="")
}  # can be read, whatever it is
FACTS = (
    "id",
    "title",
    "hours",
    "progress",
    "progress_at",
)  # of a concept that a schedule and a way need


@dataclass(frozen=True, slots=True)
class NextLesson:
    """A roadmap, where one goes on in it, and how one stands with its plan."""

    id: UUID
    title: str
    goal: str
    created_at: datetime
    language: str
    next_id: UUID
    next_title: str
    schedule: Schedule


def onward(owner_id: UUID, *, limit: int) -> list[NextLesson]:
    """Those of which something is written and not all is learned: first what one has learned from last, then the newest."""
    found: list[NextLesson] = []
    with session():
        begun = _learned_last(owner_id)
        for ids in peewee.chunked(begun, AT_ONCE):
            found += _read(ids)
            if len(found) >= limit:
                return found[:limit]
        for ids in peewee.chunked(_others(owner_id, begun), AT_ONCE):
            found += _read(ids)
            if len(found) >= limit:
                break
    return found[:limit]


def _learned_last(owner_id: UUID) -> list[UUID]:
    """Along an index for each roadmap, so that it is not looked at what others have learned."""
    recent = newest_of(owner_id).columns(Roadmap.id).limit(LOOKED_AT).alias("recent")
    of_roadmap = (Concept.roadmap == recent.c.id) & Concept.progress_at.is_null(False)
    last = (
        Concept.select(Concept.progress_at)
        .where(of_roadmap)
        .order_by(Concept.progress_at.desc())
        .limit(1)
    )
    query = (
        Roadmap.select(recent.c.id, last.alias("at"))
        .from_(recent)
        .order_by(peewee.SQL("at").desc(nulls="LAST"))
    )
    return [
        Roadmap.id.python_value(id_) for id_, at in query.limit(BEGUN).tuples() if at is not None
    ]


def _others(owner_id: UUID, begun: list[UUID]) -> list[UUID]:
    """First what is begun, as an older version was told, which did not keep when; then what is not."""
    query = (
        newest_of(owner_id)
        .columns(Roadmap.id)
        .where(Roadmap.contents_ready > 0, Roadmap.id.not_in(begun))
    )
    newest = [id_ for (id_,) in query.limit(NEWEST).tuples()]
    its = Concept.roadmap.in_(newest) & (Concept.progress != ConceptProgress.todo)
    old = {id_ for (id_,) in Concept.select(Concept.roadmap).where(its).distinct().tuples()}
    return sorted(newest, key=lambda id_: id_ not in old)


def _read(ids: Sequence[UUID]) -> list[NextLesson]:
    """Those of them where there is something to go on with."""
    rows = {
        row.id: row
        for row in Roadmap.select().where(Roadmap.id.in_(ids), Roadmap.contents_ready > 0)
    }
    concepts = _concepts(list(rows))
    found = (
        _where(rows[id_], [each for each in concepts if each[0] == id_])
        for id_ in ids
        if id_ in rows
    )
    return [each for each in found if each is not None]


def _concepts(ids: list[UUID]) -> list[tuple[Any, ...]]:
    """In the order of learning: roadmap, stage and its title, whether there is something to read, prerequisites, FACTS."""
    readable = Concept.id.in_(
        Content.select(Content.concept).where(Content.roadmap.in_(ids), Content.version > 0)
    )
    facts = [getattr(Concept, name) for name in FACTS]
    query = Concept.select(
        Concept.roadmap, Stage.id, Stage.title, readable, Concept.prerequisites, *facts
    )
    planned = query.join(Module).join(Stage).where(Concept.roadmap.in_(ids), ~Concept.removed)
    return list(
        planned.order_by(Stage.position, Stage.id, Module.position, Concept.position).tuples()
    )


def _where(row: Roadmap, concepts: Sequence[tuple[Any, ...]]) -> NextLesson | None:
    """None: there is nothing to read that is not learned."""
    stages = [
        _stage(*head, list(each))
        for head, each in groupby(concepts, key=lambda concept: (concept[1], concept[2]))
    ]
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
    return NextLesson(
        row.id,
        row.title,
        row.goal,
        row.created_at,
        row.language,
        next_id,
        nodes[next_id].title,
        schedule,
    )


def _stage(stage_id: UUID, title: str, concepts: Sequence[tuple[Any, ...]]) -> StageNode:
    inside: dict[str, Any] = {"concepts": [_concept(*concept[3:]) for concept in concepts]}
    told: dict[str, Any] = {
        "id": stage_id,
        "title": title,
        "modules": [ModuleNode.model_construct(**inside)],
    }
    return StageNode.model_construct(**told)


def _concept(readable: bool | int, needs: list[str], *facts: Any) -> ConceptNode:
    told = dict(zip(FACTS, facts, strict=True))
    told |= {
        "progress": ConceptProgress(told["progress"]),
        "prerequisites": [UUID(each) for each in needs],
    }
    return ConceptNode.model_construct(**told, contents=SOMETHING if readable else {})
