"""Read the rows of a plan."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.plan.outline import Outline, OutlineConcept, OutlineModule, OutlineStage

MOST = 500  # versions of a content
Node = TypeVar("Node", Stage, Module, Concept)


def subject(concept: Concept | OutlineConcept) -> str:
    """A fingerprint of what a concept's contents are about; its hours and its place do not change them."""
    return _fingerprint(concept.title, concept.description, concept.outcomes)


def _fingerprint(title: str, description: str, outcomes: Sequence[str]) -> str:
    facts = json.dumps([title, description, list(outcomes)], ensure_ascii=False)
    return hashlib.sha256(facts.encode()).hexdigest()


def current_outline(row: Roadmap) -> Outline:
    """The outline that the rows of a roadmap are."""
    concepts, modules, stages = (
        nodes_by_key(table, row.id).values() for table in (Concept, Module, Stage)
    )
    names = {str(concept.id): concept.key for concept in concepts}

    def ordered(nodes: Any, **parent: UUID) -> list[Any]:
        its = [
            n
            for n in nodes
            if not n.removed and all(getattr(n, name) == id_ for name, id_ in parent.items())
        ]
        return sorted(its, key=lambda node: int(node.position))

    def concept(node: Concept) -> OutlineConcept:
        needs = tuple(names[id_] for id_ in node.prerequisites)
        facts = {
            name: getattr(node, name)
            for name in ("key", "title", "description", "hours", "difficulty")
        }
        return OutlineConcept(**facts, prerequisites=needs, outcomes=tuple(node.outcomes))

    def module(node: Module) -> OutlineModule:
        inside = tuple(concept(each) for each in ordered(concepts, module_id=node.id))
        return OutlineModule(
            key=key_of(node), title=node.title, description=node.description, concepts=inside
        )

    def stage(node: Stage) -> OutlineStage:
        inside = tuple(module(each) for each in ordered(modules, stage_id=node.id))
        return OutlineStage(
            key=key_of(node), title=node.title, description=node.description, modules=inside
        )

    return Outline(title=row.title, stages=tuple(stage(each) for each in ordered(stages)))


def key_of(node: Stage | Module | Concept) -> str:
    return node.key or str(node.id)  # stages and modules of older versions have none


def nodes_by_key(table: type[Node], roadmap_id: UUID) -> dict[str, Node]:
    """All of a roadmap by key, also the removed ones."""
    return {key_of(node): node for node in table.select().where(table.roadmap == roadmap_id)}


def stamp(roadmap_id: UUID) -> None:
    """Current versions of an older version of the service, which do not say what they were written for, fit."""
    unstamped = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    query = Content.select(
        Content.id, Content.version, Concept.title, Concept.description, Concept.outcomes
    ).join(Concept)
    query = query.switch(Content).join(ContentVersion, on=unstamped)
    for id_, number, *facts in query.where(
        Content.roadmap == roadmap_id, ContentVersion.subject == ""
    ).tuples():
        its = (ContentVersion.content == id_) & (ContentVersion.version == number)
        ContentVersion.update(subject=_fingerprint(*facts)).where(its).execute()
