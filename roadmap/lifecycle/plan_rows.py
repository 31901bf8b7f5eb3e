"""Rows of a plan: nodes by key, the outline, fingerprints of subjects."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.plan.outline import Outline, OutlineConcept, OutlineModule, OutlineStage

MOST = 500  # versions of a content
# Joins a content with its current version.
IS_CURRENT = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
Node = TypeVar("Node", Stage, Module, Concept)


def subject(concept: Concept | OutlineConcept) -> str:
    """Return the fingerprint of what the contents of a concept are about.

    Hours and position are not part of it.
    """
    return fingerprint(concept.title, concept.description, concept.outcomes)


def fingerprint(title: str, description: str, outcomes: Sequence[str]) -> str:
    return hashlib.sha256(
        json.dumps([title, description, list(outcomes)], ensure_ascii=False).encode()
    ).hexdigest()


def current_outline(row: Roadmap) -> Outline:
    """Return the rows of a plan as an outline."""
    concepts, modules, stages = (
        nodes_by_key(table, row.id).values() for table in (Concept, Module, Stage)
    )
    names = {str(concept.id): concept.key for concept in concepts}

    def ordered(nodes: Any, parent: str = "", id_: UUID | None = None) -> list[Any]:
        return sorted(
            [n for n in nodes if not n.removed and (not parent or getattr(n, parent) == id_)],
            key=lambda node: int(node.position),
        )

    def concept(node: Concept) -> OutlineConcept:
        return OutlineConcept(
            **{
                name: getattr(node, name)
                for name in ("key", "title", "description", "hours", "difficulty")
            },
            prerequisites=tuple(names[id_] for id_ in node.prerequisites),
            outcomes=tuple(node.outcomes),
        )

    def module(node: Module) -> OutlineModule:
        inside = tuple(concept(each) for each in ordered(concepts, "module_id", node.id))
        return OutlineModule(
            key=key_of(node), title=node.title, description=node.description, concepts=inside
        )

    def stage(node: Stage) -> OutlineStage:
        inside = tuple(module(each) for each in ordered(modules, "stage_id", node.id))
        return OutlineStage(
            key=key_of(node), title=node.title, description=node.description, modules=inside
        )

    return Outline(title=row.title, stages=tuple(stage(each) for each in ordered(stages)))


def key_of(node: Stage | Module | Concept) -> str:
    return node.key or str(node.id)  # stages and modules of older versions have none


def nodes_by_key(table: type[Node], roadmap_id: UUID) -> dict[str, Node]:
    """Return all rows of a roadmap by key, removed ones included."""
    return {key_of(node): node for node in table.select().where(table.roadmap == roadmap_id)}


def stamp(roadmap_id: UUID) -> None:
    """Set the subject of current versions of an older release, which had none."""
    facts = (Concept.title, Concept.description, Concept.outcomes)
    query = Content.select(Content.id, Content.version, *facts).join(Concept).switch(Content)
    query = query.join(ContentVersion, on=IS_CURRENT).where(Content.roadmap == roadmap_id)
    for id_, number, *values in query.where(ContentVersion.subject == "").tuples():
        ContentVersion.update(subject=fingerprint(*values)).where(
            (ContentVersion.content == id_) & (ContentVersion.version == number)
        ).execute()
