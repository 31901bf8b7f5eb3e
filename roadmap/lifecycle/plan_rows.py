"""Rows of a plan: nodes by key, the outline, its sync, and the subjects of contents.

Nodes are recognised by their keys. A node that an outline leaves out is marked as removed and kept
with all that belongs to it, so that a later revision can bring it back. What changes rows runs in a
transaction that holds the roadmap's row.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import peewee

from core import clock
from core.db import settings
from core.errors import Conflict
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.generation.generator import is_writable
from roadmap.plan.outline import (
    BY_HAND,
    ContentKind,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    weeks,
)
from roadmap.plan.statuses import NO_LEASE, OPEN, ConceptProgress, ContentStatus

MOST_VERSIONS = 500  # of a content
ROWS = 100  # in one statement
# Once more from the beginning.
PENDING = {"status": ContentStatus.pending, "attempts": 0, "interruptions": 0, "error": ""}
# Joins a content with its current version.
IS_CURRENT = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
LEARNING = ConceptProgress.learning
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
    stages, modules, concepts = (list(planned(table, row.id)) for table in (Stage, Module, Concept))
    names = {str(concept.id): concept.key for concept in concepts}
    return Outline(
        title=row.title,
        stages=tuple(
            OutlineStage(
                **_named(stage),
                capstone=stage.capstone,
                modules=tuple(
                    OutlineModule(
                        **_named(module),
                        concepts=tuple(
                            OutlineConcept(
                                **_named(concept),
                                hours=concept.hours,
                                difficulty=concept.difficulty,
                                prerequisites=tuple(names[id_] for id_ in concept.prerequisites),
                                outcomes=tuple(concept.outcomes),
                            )
                            for concept in concepts
                            if concept.module_id == module.id
                        ),
                    )
                    for module in modules
                    if module.stage_id == stage.id
                ),
            )
            for stage in stages
        ),
    )


def _named(node: Stage | Module | Concept) -> dict[str, Any]:
    return {"key": key_of(node), "title": node.title, "description": node.description}


def planned(table: type[Stage] | type[Module] | type[Concept], roadmap_id: UUID) -> Any:
    """Select the nodes of the current plan, in order."""
    return (
        table.select().where(table.roadmap == roadmap_id, ~table.removed).order_by(table.position)
    )


def key_of(node: Stage | Module | Concept) -> str:
    return node.key or str(node.id)  # stages and modules of older versions have none


def nodes_by_key(table: type[Node], roadmap_id: UUID) -> dict[str, Node]:
    """Return all rows of a roadmap by key, removed ones included."""
    return {key_of(node): node for node in table.select().where(table.roadmap == roadmap_id)}


def apply(
    row: Roadmap,
    outline: Outline,
    *,
    as_written: frozenset[str] = frozenset(),
    reopen: bool = False,
    all_at_once: bool = False,
) -> tuple[list[UUID], set[UUID]]:
    """Make the rows what the outline says.

    Return the contents to be written now, and the concepts that may have another quiz. A concept
    that has changed is written again, unless its key is in `as_written`, an earlier version fits,
    or nothing here can write it. Texts that the person has written stay.
    `reopen`: cancelled contents are to be written as well. `all_at_once`: so are lessons that are
    not due yet.
    """
    before = nodes_by_key(Concept, row.id).values()
    concept_of = _sync_outline(row, outline)
    removed = Concept.select(Concept.id).where(Concept.roadmap == row.id, Concept.removed)
    # Work on contents that are not in the plan any more ends.
    Content.update(status=ContentStatus.cancelled, error="", instruction="", **NO_LEASE).where(
        Content.concept.in_(removed), Content.status.in_(OPEN)
    ).execute()
    wanted = {concept_of[concept.key]: subject(concept) for concept in outline.concepts()}
    kept = {node.id: node for node in before if node.id in wanted}
    changed = {
        id_ for id_, node in kept.items() if subject(node) != wanted[id_] and is_writable(node.key)
    }
    # Texts that stay as they are become versions that fit the new subject of their concept.
    former = {id_: kept[id_].key in as_written and subject(kept[id_]) for id_ in changed}
    current = ContentVersion.select(ContentVersion, Content).join(Content, on=IS_CURRENT)
    for version in current.where(Content.concept.in_(list(former))):
        concept_id = version.content.concept_id
        if version.subject == former[concept_id] or version.generator == BY_HAND:
            Content.update(
                version=add_version({**version.__data__, "subject": wanted[concept_id]})
            ).where(Content.id == version.content_id).execute()
    cancelled = set(wanted) if reopen else {id_ for id_, node in kept.items() if node.removed}
    by_now = wanted if all_at_once else due(row.id)
    opened = _open_contents(row.id, wanted, changed, cancelled, by_now)
    return opened, changed | (cancelled & kept.keys())


def due(roadmap_id: UUID) -> dict[UUID, bool]:
    """Return the concepts to be written here by now, and whether each has contents.

    With a model these are the concept that the learner comes to, LESSONS_AHEAD more, and those
    being learned.
    """
    written = Content.select(Content.concept).where(Content.roadmap == roadmap_id)
    query = (
        Concept.select(Concept.id, Concept.id.in_(written), Concept.progress, Concept.key)
        .join(Module)
        .join(Stage)
        .where(Concept.roadmap == roadmap_id, ~Concept.removed)
        .order_by(Stage.position, Module.position, Concept.position)
    )
    concepts = [each for each in query.tuples() if is_writable(each[3])]
    if settings.lessons_ahead and settings.openai_api_key:
        open_ = [each for each in concepts if each[2] in (ConceptProgress.todo, LEARNING)]
        near = open_[: settings.lessons_ahead + 1]
        concepts = [*near, *(each for each in open_[len(near) :] if each[2] == LEARNING)]
    return {id_: bool(is_there) for id_, is_there, *_ in concepts}


def open_due(roadmap_id: UUID) -> list[UUID]:
    """Make contents pending of concepts that are due and have none; return their ids."""
    now_due = due(roadmap_id)
    return _open_contents(roadmap_id, dict.fromkeys(now_due, ""), set(), set(), now_due)


def leave_to_person(roadmap_id: UUID) -> None:
    """Delete parts without a version that nothing here can write: a person may."""
    own = [
        concept.id
        for concept in Concept.select(Concept.id, Concept.key).where(Concept.roadmap == roadmap_id)
        if not is_writable(concept.key)
    ]
    Content.delete().where(Content.concept.in_(own), Content.version == 0).execute()


def removed_keys(roadmap_id: UUID) -> frozenset[str]:
    """Return the keys of removed nodes; new nodes must not get one of these."""
    return frozenset(
        key_of(node)
        for table in (Stage, Module, Concept)
        for node in table.select().where(table.roadmap == roadmap_id, table.removed)
    )


def _sync_outline(row: Roadmap, outline: Outline) -> dict[str, UUID]:
    """Make stages, modules and concepts what the outline says; return ids of concepts."""
    stage_of = _sync_nodes(
        Stage,
        row.id,
        {
            stage.key: {
                "title": stage.title,
                "description": stage.description,
                "capstone": stage.capstone and stage.capstone.model_dump(mode="json"),
                "position": at,
            }
            for at, stage in enumerate(outline.stages)
        },
    )
    module_of = _sync_nodes(
        Module,
        row.id,
        {
            module.key: {
                "title": module.title,
                "description": module.description,
                "position": at,
                "stage": stage_of[stage.key],
            }
            for stage in outline.stages
            for at, module in enumerate(stage.modules)
        },
    )
    week_of = weeks(outline, row.hours_per_week)
    return _sync_nodes(
        Concept,
        row.id,
        {
            concept.key: {
                **concept.model_dump(exclude={"key"}),
                **{"position": at, "week": week_of[concept.key], "module": module_of[module.key]},
            }
            for module in outline.modules()
            for at, concept in enumerate(module.concepts)
        },
    )


def _sync_nodes(
    table: type[Node], roadmap_id: UUID, wanted: dict[str, dict[str, Any]]
) -> dict[str, UUID]:
    """Make the rows of a table what is wanted, by key; return their ids."""
    there = nodes_by_key(table, roadmap_id)
    id_of = {key: there[key].id if key in there else new_id() for key in wanted}
    if table is Concept:  # its prerequisites are still keys
        wanted = {
            key: {**f, "prerequisites": [str(id_of[p]) for p in f["prerequisites"]]}
            for key, f in wanted.items()
        }
    insert_rows(
        table,
        [
            {**facts, "id": id_of[key], "key": key, "roadmap": roadmap_id}
            for key, facts in wanted.items()
            if key not in there
        ],
    )
    for key, node in there.items():
        facts = {**wanted[key], "key": key} if key in wanted else {}
        changes = {
            name: value
            for name, value in {**facts, "removed": key not in wanted}.items()
            if node.__data__[name] != (list(value) if isinstance(value, tuple) else value)
        }
        if changes:
            table.update(changes).where(table.id == node.id).execute()
    return id_of


def contents_that_fit(*conditions: Any) -> list[UUID]:
    """Return ids of contents whose current version fits their concept."""
    facts = (Concept.title, Concept.description, Concept.outcomes)
    query = (
        Content.select(Content.id, ContentVersion.subject, *facts)
        .join(Concept)
        .switch(Content)
        .join(ContentVersion, on=IS_CURRENT)
        .where(*conditions)
    )
    return [
        id_ for id_, written_for, *facts in query.tuples() if written_for == fingerprint(*facts)
    ]


def ready(version: int) -> dict[str, Any]:
    """Return the columns of a content whose current version this is."""
    return {"status": ContentStatus.ready, "version": version, "error": "", "instruction": ""}


def fitting_version(version: ContentVersion, concept_id: UUID) -> int:
    """Return the number under which an earlier version fits: its own, or a copy's.

    Raises Conflict when there are too many versions.
    """
    current = subject(Concept.get_by_id(concept_id))
    if version.subject == current:
        return int(version.version)
    if newest_version(version.content_id) >= MOST_VERSIONS:
        raise Conflict(f"The maximum of {MOST_VERSIONS} versions is reached for this part.")
    return add_version({**version.__data__, "subject": current})


def add_version(facts: Mapping[str, Any]) -> int:
    """Save a version of a content under the next number; return it."""
    number = newest_version(facts["content"]) + 1
    ContentVersion.insert({**facts, "version": number, "created_at": clock.now()}).execute()
    return number


def newest_version(content_id: UUID) -> int:
    """Return the highest version number; the current version may be an earlier one."""
    versions = ContentVersion.select(peewee.fn.MAX(ContentVersion.version))
    return int(versions.where(ContentVersion.content == content_id).scalar() or 0)


def _open_contents(
    roadmap_id: UUID,
    wanted: Mapping[UUID, str],
    changed: set[UUID],
    cancelled: set[UUID],
    by_now: Collection[UUID],
) -> list[UUID]:
    """Make contents pending that are missing or do not fit; return their ids.

    Those of concepts that are not due `by_now` stay missing. The same for those that were
    cancelled, of concepts in `cancelled`. An earlier version that fits becomes the current one
    instead.
    """
    there = {
        (content.concept_id, content.kind): content
        for content in Content.select().where(Content.roadmap == roadmap_id)
    }
    needed = [(concept_id, kind) for concept_id in wanted for kind in ContentKind]
    new: list[dict[str, Any]] = [
        {"id": new_id(), "concept": place[0], "kind": place[1]}
        for place in needed
        if place not in there and place[0] in by_now
    ]
    insert_rows(
        Content,
        new,
        common={"roadmap": roadmap_id, "status": ContentStatus.pending, "due_at": clock.now()},
    )
    stale = [
        content
        for content in (there[place] for place in needed if place in there)
        if content.concept_id in changed
        or (content.concept_id in cancelled and content.status == ContentStatus.cancelled)
    ]
    fit = _fitting_versions({content.id: wanted[content.concept_id] for content in stale})
    by_number: dict[int, list[UUID]] = defaultdict(list)
    for content in stale:
        by_number[fit.get(content.id, 0)].append(content.id)
    for number, ids in by_number.items():
        changes = {**(ready(number) if number else PENDING), **NO_LEASE, "due_at": clock.now()}
        for batch in peewee.chunked(ids, ROWS):
            Content.update(changes).where(Content.id.in_(batch)).execute()
    return [each["id"] for each in new] + by_number[0]


def _fitting_versions(subject_of: Mapping[UUID, str]) -> dict[UUID, int]:
    """Return the newest version of each content that was written for its subject."""
    query = (
        ContentVersion.select(
            ContentVersion.content, ContentVersion.version, ContentVersion.subject
        )
        .where(ContentVersion.content.in_(list(subject_of)))
        .order_by(ContentVersion.version)
    )
    return {
        id_: number
        for id_, number, subject_ in (query.tuples() if subject_of else ())
        if subject_ == subject_of[id_]
    }
