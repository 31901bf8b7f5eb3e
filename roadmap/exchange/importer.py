"""From a portable document to a new roadmap, which is what that says: with its contents, and with what its learner has left.

All of it is one transaction, and no worker has anything to do: what was not in the document has failed, and can be retried.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import transaction
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, QuizAttempt, ReviewCard, Roadmap
from roadmap.exchange.formats.json_ import PortableConcept, PortableRoadmap
from roadmap.lifecycle import completion, create, events, queries, revisions
from roadmap.lifecycle.activate_plan import adopt_outline
from roadmap.lifecycle.plan_rows import subject
from roadmap.lifecycle.plan_sync import ROWS
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, RevisionSource, RoadmapStatus
from roadmap.plan.validation import doubts
from roadmap.plan.views import RoadmapSummary

FIRST = 1  # version of everything that comes in
NOTHING = PortableConcept()
LARGE_ROWS = 20  # in one statement: a tutorial may have 200 KB


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a document has not every part: of one of them, and, behind their number, of all."""

    part: str
    parts: str


IN_FILE = Missing("It was not in the file.", "were not in the file")
IN_SHARED = Missing(
    "It was not written when the roadmap was copied.", "were not written when it was copied"
)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The new roadmap, and what comes next: webhooks are told of it."""

    roadmap: RoadmapSummary
    steps: list[Job]


def imported(owner_id: UUID, document: PortableRoadmap, missing: Missing = IN_FILE) -> ImportResult:
    """Make a new roadmap of this owner. The document keeps to the rules: it is a `RoadmapFile`, or made by `portable`. `missing`
    is said of the parts that it does not have.

    One without all its parts is unfinished: raises TooMany or Unavailable when the limits leave no
    room for it.
    """
    outline, request = document.outline, document.request
    now = clock.now()
    roadmap_id = new_id()
    facts: dict[str, Any] = {
        **request.model_dump(),
        **{
            "generator": document.generator,
            "analysis": document.analysis and document.analysis.model_dump(mode="json"),
        },
        **{
            "status": RoadmapStatus.building,
            "last_seq": 1,
            "due_at": now,
            "created_at": now,
            "updated_at": now,
        },
    }
    with transaction():
        if not _is_complete(document):
            create.check_room(owner_id, roadmap_id)
        Roadmap.insert({**facts, "id": roadmap_id, "owner": owner_id}).execute()
        events.append_first([roadmap_id], EventType.imported)
        row = Roadmap.get_by_id(roadmap_id)
        remarks = doubts(
            outline,
            hours_per_week=request.hours_per_week,
            deadline=request.deadline,
            today=now.date(),
        )
        revision = revisions.add(
            row,
            RevisionSource.imported,
            outline,
            base=0,
            remarks=remarks[: revisions.MOST_PROBLEMS],
        )
        row, _ = adopt_outline(roadmap_id, outline, revision.number)
        concept_of = {
            each.key: each for each in Concept.select().where(Concept.roadmap == roadmap_id)
        }
        _write(roadmap_id, concept_of, document.concepts, missing)
        _learn(owner_id, roadmap_id, concept_of, document.concepts)
        completion.save_counts(row)
        told = {"revision": revision.number, "title": outline.title, "stages": len(outline.stages)}
        steps = events.append(
            row,
            EventType.outlined,
            told | {"concepts": len(concept_of), "contents": row.contents_total},
        )
        status = RoadmapStatus.partial if row.contents_failed else RoadmapStatus.ready
        steps += completion.finish(roadmap_id, status, lacking=missing.parts)
        return ImportResult(queries.summary(owner_id, roadmap_id), steps)


def _is_complete(document: PortableRoadmap) -> bool:
    """Whether no part is missing. Looks at one concept after the other: together they may take much memory."""
    contents = (
        document.concepts.get(concept.key, NOTHING).contents
        for concept in document.outline.concepts()
    )
    return all(each.of(kind) is not None for each in contents for kind in ContentKind)


def _write(
    roadmap_id: UUID,
    concept_of: Mapping[str, Concept],
    concepts: Mapping[str, PortableConcept],
    missing: Missing,
) -> None:
    """The contents that are there, as their first versions."""
    query = Content.select(Content.id, Content.concept, Content.kind).where(
        Content.roadmap == roadmap_id
    )
    ids = {(concept_id, kind): id_ for id_, concept_id, kind in query.tuples()}
    written: list[UUID] = []
    for batch in peewee.chunked(_versions(concept_of, concepts, ids), LARGE_ROWS):
        insert_rows(ContentVersion, batch, common={"version": FIRST})
        written += (row["content"] for row in batch)
    Content.update(status=ContentStatus.failed, error=missing.part).where(
        Content.roadmap == roadmap_id
    ).execute()
    ready = Content.update(status=ContentStatus.ready, version=FIRST, error="")
    for batch in peewee.chunked(written, ROWS):
        ready.where(Content.id.in_(batch)).execute()


def _versions(
    concept_of: Mapping[str, Concept],
    concepts: Mapping[str, PortableConcept],
    ids: Mapping[tuple[UUID, str], UUID],
) -> Iterator[dict[str, Any]]:
    """One concept after the other: all of them at once could take as much memory as the document again."""
    for key, concept in concept_of.items():
        contents = concepts.get(key, NOTHING).contents
        for kind in ContentKind:
            if (written := contents.of(kind)) is not None:
                facts = {
                    name: getattr(written, name)
                    for name in ("generator", "prompt_version", "created_at")
                }
                body = written.body.model_dump(mode="json")
                yield {
                    **facts,
                    "content": ids[concept.id, kind],
                    "body": body,
                    "subject": subject(concept),
                }


def _learn(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_of: Mapping[str, Concept],
    concepts: Mapping[str, PortableConcept],
) -> None:
    """Progress, notes, attempts and cards."""
    for key, concept in concept_of.items():
        found = concepts.get(key, NOTHING)
        left = {"progress": found.progress, "progress_at": found.progress_at, "notes": found.notes}
        if left != {
            "progress": concept.progress,
            "progress_at": concept.progress_at,
            "notes": concept.notes,
        }:
            Concept.update(left).where(Concept.id == concept.id).execute()
        # Their ids are in their order.
        attempts = (
            {**attempt.model_dump(), "id": new_id(), "concept": concept.id}
            for attempt in found.attempts
        )
        for batch in peewee.chunked(attempts, ROWS * 10):
            insert_rows(QuizAttempt, batch, common={"roadmap": roadmap_id, "version": FIRST})
        cards = (
            {**card, "owner": owner_id, "roadmap": roadmap_id, "concept": concept.id}
            for card in _cards(found)
        )
        for batch in peewee.chunked(cards, ROWS):
            ReviewCard.insert_many(
                batch
            ).execute()  # a number that goes through JSON text may come back another in its last bit


def _cards(concept: PortableConcept) -> Iterator[dict[str, Any]]:
    if concept.contents.quiz is None:
        return
    questions = concept.contents.quiz.body.questions
    for card in concept.cards:
        facts = card.model_dump(exclude={"question"})
        place = {
            "question": questions[card.question].fingerprint,
            "number": card.question,
            "version": FIRST,
        }
        yield {**facts, **place, "id": new_id(), "created_at": card.reviewed_at or clock.now()}
