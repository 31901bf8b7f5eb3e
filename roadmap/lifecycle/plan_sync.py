"""From an outline to the rows of a roadmap, new or changed: what stays keeps its id, its contents and its progress.

Things are recognised by their keys. What an outline leaves out is marked as removed and kept with all that belongs to it,
so that a later revision can bring it back. Everything here runs in a transaction that holds the roadmap's row.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.errors import Conflict
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.learning import review_cards
from roadmap.lifecycle.plan_rows import MOST as MOST_VERSIONS
from roadmap.lifecycle.plan_rows import Node, _fingerprint, nodes_by_key, subject
from roadmap.plan.outline import ContentKind, Outline, weeks
from roadmap.plan.statuses import NOBODYS, OPEN, ContentStatus

ROWS = 100  # in one statement
PENDING = {
    "status": ContentStatus.pending,
    "attempts": 0,
    "interruptions": 0,
    "error": "",
}  # once more from the beginning


def apply(
    row: Roadmap, outline: Outline, *, as_written: frozenset[str] = frozenset(), anew: bool = False
) -> list[UUID]:
    """Make stages, modules, concepts and contents what the outline says; returns the contents that are to be written now.

    A concept that is another than before is written anew, unless its key is in `as_written` or an earlier version fits.
    `anew`: what was cancelled is to be written as well.
    """
    stage_of = _reconcile(Stage, row.id, _stages(outline))
    module_of = _reconcile(Module, row.id, _modules(outline, stage_of))
    before = {
        concept.id: (concept.key, subject(concept), concept.removed)
        for concept in nodes_by_key(Concept, row.id).values()
    }
    concept_of = _reconcile(Concept, row.id, _concepts(row, outline, module_of))
    _close_contents(row.id)
    wanted = {concept_of[concept.key]: subject(concept) for concept in outline.concepts()}
    stays = {id_: was for id_, was in before.items() if id_ in wanted}
    changed = {id_ for id_, (_, its, _) in stays.items() if its != wanted[id_]}
    _keep({id_ for id_ in changed if stays[id_][0] in as_written}, before, wanted)
    cancelled = set(wanted) if anew else {id_ for id_, (_, _, removed) in stays.items() if removed}
    opened = _open_contents(row.id, wanted, changed, cancelled)
    review_cards.follow(changed | (cancelled & before.keys()))  # of what is new nothing is learned
    return opened


def removed_keys(roadmap_id: UUID) -> frozenset[str]:
    """No new thing may get one of these: what belongs to them is kept."""
    tables: tuple[Any, ...] = (Stage, Module, Concept)
    return frozenset(
        key
        for table in tables
        for key, node in nodes_by_key(table, roadmap_id).items()
        if node.removed
    )


def _stages(outline: Outline) -> dict[str, dict[str, Any]]:
    return {
        stage.key: {"title": stage.title, "description": stage.description, "position": at}
        for at, stage in enumerate(outline.stages)
    }


def _modules(outline: Outline, stage_of: Mapping[str, UUID]) -> dict[str, dict[str, Any]]:
    return {
        module.key: {
            "title": module.title,
            "description": module.description,
            "position": at,
            "stage": stage_of[stage.key],
        }
        for stage in outline.stages
        for at, module in enumerate(stage.modules)
    }


def _concepts(
    row: Roadmap, outline: Outline, module_of: Mapping[str, UUID]
) -> dict[str, dict[str, Any]]:
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


def _reconcile(
    table: type[Node], roadmap_id: UUID, wanted: dict[str, dict[str, Any]]
) -> dict[str, UUID]:
    """Make the rows of a table what is wanted, by key; returns their ids."""
    there = nodes_by_key(table, roadmap_id)
    id_of = {key: there[key].id if key in there else new_id() for key in wanted}
    if table is Concept:
        wanted = {
            key: {**f, "prerequisites": [str(id_of[p]) for p in f["prerequisites"]]}
            for key, f in wanted.items()
        }
    new = [
        {**facts, "id": id_of[key], "key": key, "roadmap": roadmap_id}
        for key, facts in wanted.items()
        if key not in there
    ]
    insert_rows(table, new)
    for key, node in there.items():
        changes = _changes(
            node,
            {**wanted[key], "key": key, "removed": False} if key in wanted else {"removed": True},
        )
        if changes:
            table.update(changes).where(table.id == node.id).execute()
    return id_of


def _changes(node: Stage | Module | Concept, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if _value(node, name) != _plain(value)}


def _value(node: Stage | Module | Concept, name: str) -> Any:
    return _plain(getattr(node, f"{name}_id" if name in ("stage", "module") else name))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def fitting(*conditions: Any) -> list[UUID]:
    """Of these contents those whose current version was written for what their concept is now."""
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    columns = (
        Content.id,
        ContentVersion.subject,
        Concept.title,
        Concept.description,
        Concept.outcomes,
    )
    query = Content.select(*columns).join(Concept).switch(Content).join(ContentVersion, on=current)
    return [
        id_ for id_, its, *facts in query.where(*conditions).tuples() if its == _fingerprint(*facts)
    ]


def _close_contents(roadmap_id: UUID) -> None:
    """Nobody goes on with what is not in the plan any more."""
    removed = Concept.select(Concept.id).where(Concept.roadmap == roadmap_id, Concept.removed)
    closed = Content.update(status=ContentStatus.cancelled, error="", instruction="", **NOBODYS)
    closed.where(Content.concept.in_(removed), Content.status.in_(OPEN)).execute()


def _keep(
    concepts: set[UUID], before: Mapping[UUID, tuple[str, str, bool]], wanted: Mapping[UUID, str]
) -> None:
    """What is written of these fits what they are called now: the same text, as a version that says so."""
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    query = (
        ContentVersion.select(ContentVersion, Content)
        .join(Content, on=current)
        .where(Content.concept.in_(list(concepts)))
    )
    for version in query:
        if version.subject == before[version.content.concept_id][1]:
            number = newest_version(version.content_id) + 1
            copied = {
                **version.__data__,
                "version": number,
                "subject": wanted[version.content.concept_id],
            }
            ContentVersion.insert({**copied, "created_at": clock.now()}).execute()
            Content.update(version=number).where(Content.id == version.content_id).execute()


def taken_up(version: ContentVersion, concept_id: UUID) -> int:
    """The number under which an earlier version is shown for what its concept is now: its own, or that of a copy of it.

    Raises Conflict when there are too many.
    """
    its = subject(Concept.get_by_id(concept_id))
    if version.subject == its:
        return int(version.version)
    number = newest_version(version.content_id) + 1
    if number > MOST_VERSIONS:
        raise Conflict(f"This part has {MOST_VERSIONS} versions; that is as many as there may be.")
    copied = {**version.__data__, "version": number, "subject": its, "created_at": clock.now()}
    ContentVersion.insert(copied).execute()
    return number


def newest_version(content_id: UUID) -> int:
    """Not always the current one: an earlier version may have been taken up again."""
    newest = (
        ContentVersion.select(peewee.fn.MAX(ContentVersion.version))
        .where(ContentVersion.content == content_id)
        .scalar()
    )
    return int(newest or 0)


def _open_contents(
    roadmap_id: UUID, wanted: Mapping[UUID, str], changed: set[UUID], cancelled: set[UUID]
) -> list[UUID]:
    """What is missing, no longer fits, or was cancelled and is wanted again is pending; a version that fits is taken up."""
    there = {
        (content.concept_id, content.kind): content
        for content in Content.select().where(Content.roadmap == roadmap_id)
    }
    needed = [
        (concept_id, kind) for kind in ContentKind for concept_id in wanted
    ]  # tutorials first: quizzes ask about them
    new = _insert_contents(roadmap_id, [place for place in needed if place not in there])
    known = [there[place] for place in needed if place in there]
    again = [c for c in known if c.status == ContentStatus.cancelled and c.concept_id in cancelled]
    stale = [content for content in known if content.concept_id in changed or content in again]
    number_of = _fitting_versions(stale, wanted)
    by_number: dict[int, list[UUID]] = defaultdict(list)
    for content in stale:
        by_number[number_of.get(content.id, 0)].append(content.id)
    for number, ids in by_number.items():
        changes = (
            {"status": ContentStatus.ready, "version": number, "error": "", "instruction": ""}
            if number
            else PENDING
        )
        for batch in peewee.chunked(ids, ROWS):
            Content.update({**changes, **NOBODYS, "due_at": clock.now()}).where(
                Content.id.in_(batch)
            ).execute()
    return new + by_number[0]


def _insert_contents(roadmap_id: UUID, places: Sequence[tuple[UUID, str]]) -> list[UUID]:
    common = {"roadmap": roadmap_id, "status": ContentStatus.pending, "due_at": clock.now()}
    ids = [new_id() for _ in places]
    rows = [
        {"id": id_, "concept": concept, "kind": kind}
        for id_, (concept, kind) in zip(ids, places, strict=True)
    ]
    insert_rows(Content, rows, common=common)
    return ids


def _fitting_versions(contents: Sequence[Content], wanted: Mapping[UUID, str]) -> dict[UUID, int]:
    """The newest version of each content that was written for what its concept is now."""
    if not contents:
        return {}
    subject_of = {content.id: wanted[content.concept_id] for content in contents}
    query = ContentVersion.select(
        ContentVersion.content, ContentVersion.version, ContentVersion.subject
    )
    versions = (
        query.where(ContentVersion.content.in_(list(subject_of)))
        .order_by(ContentVersion.version)
        .tuples()
    )
    return {
        content_id: version
        for content_id, version, its in versions
        if its == subject_of[content_id]
    }
