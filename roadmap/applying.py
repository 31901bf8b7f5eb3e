"""From an outline to the rows of a roadmap, new or changed: what stays keeps its id, its contents and its progress.

Things are recognised by their keys. What an outline leaves out is marked as removed and kept with all that belongs to it,
so that a later revision can bring it back. Everything here runs in a transaction that holds the roadmap's row.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import peewee

from core import clock
from core.ids import new_id
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.finishing import OPEN
from roadmap.leases import NOBODYS
from roadmap.outline import ContentKind, Outline, OutlineConcept, OutlineModule, OutlineStage, weeks
from roadmap.statuses import ContentStatus

Node = TypeVar("Node", Stage, Module, Concept)

ROWS = 100  # in one statement
PENDING = {"status": ContentStatus.pending, "attempts": 0, "interruptions": 0, "error": ""}  # once more from the beginning


def apply(row: Roadmap, outline: Outline, *, as_written: frozenset[str] = frozenset()) -> None:
    """Make stages, modules, concepts and pending contents what the outline says.

    A concept that is another than before is written anew, unless its key is in `as_written` or an earlier version fits.
    """
    stage_of = _reconcile(Stage, row.id, _stages(outline))
    module_of = _reconcile(Module, row.id, _modules(outline, stage_of))
    before = {concept.id: (concept.key, subject(concept), concept.removed) for concept in _nodes(Concept, row.id).values()}
    concept_of = _reconcile(Concept, row.id, _concepts(row, outline, module_of))
    _close_contents(row.id)
    wanted = {concept_of[concept.key]: subject(concept) for concept in outline.concepts()}
    stays = {id_: was for id_, was in before.items() if id_ in wanted}
    changed = {id_ for id_, (key, its, _) in stays.items() if its != wanted[id_] and key not in as_written}
    _open_contents(row.id, wanted, changed, came_back={id_ for id_, (_, _, removed) in stays.items() if removed})


def subject(concept: Concept | OutlineConcept) -> str:
    """A fingerprint of what a concept's contents are about; its hours and its place do not change them."""
    facts = json.dumps([concept.title, concept.description, list(concept.outcomes)], ensure_ascii=False)
    return hashlib.sha256(facts.encode()).hexdigest()


def current_outline(row: Roadmap) -> Outline:
    """The outline that the rows of a roadmap are."""
    concepts, modules, stages = (_nodes(table, row.id).values() for table in (Concept, Module, Stage))
    names = {str(concept.id): concept.key for concept in concepts}

    def ordered(nodes: Any, **parent: UUID) -> list[Any]:
        its = [n for n in nodes if not n.removed and all(getattr(n, name) == id_ for name, id_ in parent.items())]
        return sorted(its, key=lambda node: int(node.position))

    def concept(node: Concept) -> OutlineConcept:
        needs = tuple(names[id_] for id_ in node.prerequisites)
        facts = {name: getattr(node, name) for name in ("key", "title", "description", "hours", "difficulty")}
        return OutlineConcept(**facts, prerequisites=needs, outcomes=tuple(node.outcomes))

    def module(node: Module) -> OutlineModule:
        inside = tuple(concept(each) for each in ordered(concepts, module_id=node.id))
        return OutlineModule(key=key_of(node), title=node.title, description=node.description, concepts=inside)

    def stage(node: Stage) -> OutlineStage:
        inside = tuple(module(each) for each in ordered(modules, stage_id=node.id))
        return OutlineStage(key=key_of(node), title=node.title, description=node.description, modules=inside)

    return Outline(title=row.title, stages=tuple(stage(each) for each in ordered(stages)))


def key_of(node: Stage | Module | Concept) -> str:
    return node.key or str(node.id)  # stages and modules of older versions have none


def removed_keys(roadmap_id: UUID) -> frozenset[str]:
    """No new thing may get one of these: what belongs to them is kept."""
    tables: tuple[Any, ...] = (Stage, Module, Concept)
    return frozenset(key for table in tables for key, node in _nodes(table, roadmap_id).items() if node.removed)


def _nodes(table: type[Node], roadmap_id: UUID) -> dict[str, Node]:
    """All of a roadmap by key, also the removed ones."""
    return {key_of(node): node for node in table.select().where(table.roadmap == roadmap_id)}


def _stages(outline: Outline) -> dict[str, dict[str, Any]]:
    return {
        stage.key: {"title": stage.title, "description": stage.description, "position": at}
        for at, stage in enumerate(outline.stages)
    }


def _modules(outline: Outline, stage_of: Mapping[str, UUID]) -> dict[str, dict[str, Any]]:
    return {
        module.key: {"title": module.title, "description": module.description, "position": at, "stage": stage_of[stage.key]}
        for stage in outline.stages
        for at, module in enumerate(stage.modules)
    }


def _concepts(row: Roadmap, outline: Outline, module_of: Mapping[str, UUID]) -> dict[str, dict[str, Any]]:
    """Prerequisites are still keys: ids are known when all are there."""
    week_of = weeks(outline, row.hours_per_week)
    return {
        concept.key: {
            **concept.model_dump(exclude={"key"}),
            **{"position": at, "week": week_of[concept.key], "module": module_of[module.key]},
        }
        for module in outline.modules()
        for at, concept in enumerate(module.concepts)
    }


def _reconcile(table: type[Node], roadmap_id: UUID, wanted: dict[str, dict[str, Any]]) -> dict[str, UUID]:
    """Make the rows of a table what is wanted, by key; returns their ids."""
    there = _nodes(table, roadmap_id)
    id_of = {key: there[key].id if key in there else new_id() for key in wanted}
    if table is Concept:
        wanted = {key: {**f, "prerequisites": [str(id_of[p]) for p in f["prerequisites"]]} for key, f in wanted.items()}
    new = [{**facts, "id": id_of[key], "key": key, "roadmap": roadmap_id} for key, facts in wanted.items() if key not in there]
    for batch in peewee.chunked(new, ROWS):
        table.insert_many(batch).execute()
    for key, node in there.items():
        changes = _changes(node, {**wanted[key], "key": key, "removed": False} if key in wanted else {"removed": True})
        if changes:
            table.update(changes).where(table.id == node.id).execute()
    return id_of


def _changes(node: Stage | Module | Concept, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if _value(node, name) != _plain(value)}


def _value(node: Stage | Module | Concept, name: str) -> Any:
    return _plain(getattr(node, f"{name}_id" if name in ("stage", "module") else name))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _close_contents(roadmap_id: UUID) -> None:
    """Nobody goes on with what is not in the plan any more."""
    removed = Concept.select(Concept.id).where(Concept.roadmap == roadmap_id, Concept.removed)
    closed = Content.update(status=ContentStatus.cancelled, **NOBODYS)
    closed.where(Content.concept.in_(removed), Content.status.in_(OPEN)).execute()


def _open_contents(roadmap_id: UUID, wanted: Mapping[UUID, str], changed: set[UUID], came_back: set[UUID]) -> None:
    """What is missing or no longer fits is pending; a version that fits is taken up again."""
    there = {(content.concept_id, content.kind): content for content in Content.select().where(Content.roadmap == roadmap_id)}
    needed = [(concept_id, kind) for concept_id in wanted for kind in ContentKind]
    new = [place for place in needed if place not in there]
    _insert_contents(roadmap_id, new)
    known = [there[place] for place in needed if place in there]
    given_up = {content.id for content in known if content.status == ContentStatus.cancelled and content.concept_id in came_back}
    stale = [content for content in known if content.concept_id in changed or content.id in given_up]
    fitting = _fitting_versions(stale, wanted)
    for content in stale:
        version = fitting.get(content.id)
        changes = PENDING if version is None else {"status": ContentStatus.ready, "version": version, "error": ""}
        Content.update({**changes, **NOBODYS, "due_at": clock.now()}).where(Content.id == content.id).execute()


def _insert_contents(roadmap_id: UUID, places: Sequence[tuple[UUID, str]]) -> None:
    common = {"roadmap": roadmap_id, "status": ContentStatus.pending, "due_at": clock.now()}
    rows = [{**common, "id": new_id(), "concept": concept_id, "kind": kind} for concept_id, kind in places]
    for batch in peewee.chunked(rows, ROWS):
        Content.insert_many(batch).execute()


def _fitting_versions(contents: Sequence[Content], wanted: Mapping[UUID, str]) -> dict[UUID, int]:
    """The newest version of each content that was written for what its concept is now."""
    if not contents:
        return {}
    subject_of = {content.id: wanted[content.concept_id] for content in contents}
    query = ContentVersion.select(ContentVersion.content, ContentVersion.version, ContentVersion.subject)
    versions = query.where(ContentVersion.content.in_(list(subject_of))).order_by(ContentVersion.version).tuples()
    return {content_id: version for content_id, version, its in versions if its == subject_of[content_id]}
