"""Shared view of a roadmap: its plan and its contents.

It has nothing of the owner: not the goal in the owner's words, progress, notes, deadlines or costs.
A link may show the completion, if the owner chose so.
"""

import itertools
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field

from core.db import session
from core.json_types import LazyModel
from roadmap.exchange.formats.json_ import PortableRoadmap, portable
from roadmap.exchange.share_links import OpenedLink
from roadmap.learning import endings
from roadmap.learning.endings import Completion
from roadmap.learning.progress import read_profile
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import ContentKind, Level, is_none
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import (
    DETAILS,
    ConceptNode,
    ContentState,
    Learned,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
    with_kinds,
)

NOBODYS = UUID(int=0)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
WRITTEN = ContentState.model_construct(status=ContentStatus.ready, version=1, error="")
UNWRITTEN = ContentState.model_construct(status=ContentStatus.pending, version=0, error="")
FACTS = ("id", "title", "description", "hours", "difficulty", "prerequisites", "outcomes")


class SharedNode(LazyModel):
    id: UUID
    title: str = Field(description="Title.")
    description: str = Field(description="Description.")


class SharedConcept(SharedNode):
    hours: int = Field(description="Hours of study.")
    difficulty: int = Field(description="Difficulty from 1 (easy) to 5 (hard).")
    prerequisites: list[UUID] = Field(description="IDs of the prerequisites.")
    outcomes: list[str] = Field(description="Learning outcomes.")
    written: list[ContentKind] = Field(description="Parts that are ready.")


class SharedModule(SharedNode):
    concepts: list[SharedConcept] = Field(description="In the order of learning.")


class SharedStage(SharedNode):
    modules: list[SharedModule] = Field(description="In the order of learning.")


class SharedRoadmap(LazyModel):
    """A roadmap as seen through a share link."""

    title: str = Field(description="Title; empty: no plan yet.")
    language: str = Field(description="Language, as a BCP 47 tag.")
    level: Level = Field(description="Level of the learner.")
    hours: int = Field(description="Hours of all concepts.")
    stages: list[SharedStage] = Field(description="The plan; empty: none yet.")
    completion: Completion | None = Field(
        None,
        description="What the owner completed, if the link shows it; left out: nothing is shown.",
        exclude_if=is_none,
    )


class SharedLesson(SharedConcept):
    tutorial: str | None = Field(description="Markdown without HTML.")
    tutorial_language: str | None = Field(
        description="Language as a BCP 47 tag, if different from that of the roadmap."
    )


# Shown to others as to the owner.
OTHERS = {kind: each for kind, each in DETAILS.items() if kind is not ContentKind.tutorial}


class SharedConceptDetail(with_kinds(SharedLesson, OTHERS, "shared")):  # type: ignore[misc]
    """A shared concept with its contents; null for parts that are not ready."""


def copy_of(owner_id: UUID, link: OpenedLink) -> PortableRoadmap:
    """Return the shared roadmap as a document, with the hours a week of its new owner.

    Raises NotFound, and Conflict when there is no plan.
    """
    document = portable(link.owner_id, link.roadmap_id, with_learner=False)
    if (hours := read_profile(owner_id).hours_per_week) is not None:
        request = document.request.model_copy(update={"hours_per_week": hours})
        document = document.model_copy(update={"request": request})
    return document


def shared_tree(link: OpenedLink) -> RoadmapTree:
    """Return the roadmap as for a person who has just begun it. Raises NotFound."""
    return for_others(queries.roadmap_tree(link.owner_id, link.roadmap_id))


def completion_of(link: OpenedLink) -> Completion | None:
    """Return what the owner completed, if the link shows it. Raises NotFound."""
    if not link.shows_completion:
        return None
    found = endings.completion_of(queries.roadmap_tree(link.owner_id, link.roadmap_id))
    return found if found.ended_on else None


def tree_state(link: OpenedLink) -> bytes:
    """Return a value that changes whenever `shared_tree` does. Raises NotFound."""
    return queries.tree_state(link.owner_id, link.roadmap_id)


@session()
def concept_state(link: OpenedLink, concept_id: UUID) -> bytes:
    """Return a value that changes whenever `shared_concept` does. Raises NotFound.

    That is when the roadmap or the link check of a resource changes.
    """
    return tree_state(link) + repr(queries.resources_of(link.roadmap_id, concept_id)).encode()


def for_others(tree: RoadmapTree) -> RoadmapTree:
    """Copy a tree without its owner, field by field: fields not named here stay secret.

    Weeks are those of the default hours a week, not of the owner's.
    """
    pace: int = RoadmapRequest.model_fields["hours_per_week"].default
    known = concepts_of(tree)
    spent = itertools.accumulate((concept.hours for concept in known), initial=0)
    week_of = {concept.id: hours // pace + 1 for concept, hours in zip(known, spent, strict=False)}
    return RoadmapTree(
        id=NOBODYS,
        **dict.fromkeys(("goal", "error", "generator"), ""),
        spent=Decimal(0),
        revision=0,
        over_budget=False,
        review=False,
        remarks=[],
        **dict.fromkeys(("resource_language", "analysis", "estimate", "deadline", "finished_at")),
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        begins_on=LONG_AGO.date(),
        title=tree.title,
        status=RoadmapStatus.ready,
        language=tree.language,
        level=tree.level,
        hours_per_week=pace,
        hours=tree.hours,
        weeks=math.ceil(tree.hours / pace),
        progress=Progress(ready=0, failed=0, total=0),
        learned=Learned(done=0, skipped=0, learning=0, total=len(known), hours_done=0),
        stages=[
            StageNode(
                **_node(stage),
                modules=[
                    ModuleNode(
                        **_node(module),
                        concepts=[_not_begun(each, week_of[each.id]) for each in module.concepts],
                    )
                    for module in stage.modules
                ],
            )
            for stage in tree.stages
        ],
    )


def shared_roadmap(tree: RoadmapTree, completion: Completion | None) -> SharedRoadmap:
    """Return the shared plan, of a tree that `shared_tree` has made."""
    shared = SharedRoadmap.model_validate(tree, from_attributes=True)
    return shared.model_copy(update={"completion": completion})


def shared_concept(link: OpenedLink, concept_id: UUID) -> SharedConceptDetail:
    """Return a shared concept with its contents. Raises NotFound."""
    concept = queries.concept_detail(link.owner_id, link.roadmap_id, concept_id)
    tutorial = concept.tutorial
    return SharedConceptDetail(
        **dict(SharedConcept.model_validate(concept, from_attributes=True)),
        tutorial=tutorial.markdown if tutorial else None,
        tutorial_language=tutorial.language if tutorial else None,
        **{kind: getattr(concept, kind) for kind in OTHERS},
    )


def _not_begun(concept: ConceptNode, week: int) -> ConceptNode:
    return ConceptNode(
        **{name: getattr(concept, name) for name in ("key", *FACTS)},
        week=week,
        progress=ConceptProgress.todo,
        progress_at=None,
        contents={
            kind: WRITTEN if state.version else UNWRITTEN
            for kind, state in concept.contents.items()
        },
    )


def _node(node: StageNode | ModuleNode) -> dict[str, Any]:
    return {name: getattr(node, name) for name in ("id", "key", "title", "description", "hours")}
