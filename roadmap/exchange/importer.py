"""Import of portable documents: a new roadmap with the contents and the progress of the document.

All of it is one transaction, and workers have nothing to do: contents that the document does not
have are marked as failed, and can be retried. What nothing here can write is left to the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import transaction
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import (
    Concept,
    Content,
    ContentVersion,
    Judgement,
    QuizAttempt,
    ReviewCard,
    Roadmap,
    Stage,
)
from roadmap.exchange.formats.json_ import PortableConcept, PortableProject, PortableRoadmap
from roadmap.learning.progress import PASSING_PERCENT
from roadmap.lifecycle import events, revisions
from roadmap.lifecycle.making import completion, create
from roadmap.lifecycle.making.activate_plan import adopt_outline
from roadmap.lifecycle.plan_rows import ROWS, leave_to_person, subject
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import (
    ConceptProgress,
    ContentStatus,
    EventType,
    Job,
    RevisionSource,
    RoadmapStatus,
)
from roadmap.plan.validation import doubts
from roadmap.plan.views import RoadmapSummary

FIRST = 1  # version of all imported contents
NOTHING = PortableConcept.model_construct()
LEARNER = (
    "progress",
    "progress_at",
    "studied",
    "spent",
    "notes",
    "exercise_attempt",
    "more_attempts",
    "learned_at",
    "forgotten_at",
)  # of a concept
LARGE_ROWS = 20  # in one statement: a tutorial may have 200 KB


@dataclass(frozen=True, slots=True)
class Missing:
    """Reason why contents are missing: of one part, and of all after their number."""

    part: str
    parts: str


IN_FILE = Missing("It was not in the file.", "were not in the file")
IN_SHARED = Missing(
    "It was not written when the roadmap was copied.", "were not written when it was copied"
)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The new roadmap, and the next jobs: messages to webhooks."""

    roadmap: RoadmapSummary
    steps: list[Job]


def import_roadmap(
    owner_id: UUID, document: PortableRoadmap, missing: Missing = IN_FILE
) -> ImportResult:
    """Create a roadmap of this owner from a `RoadmapFile`, or a document made by `portable`.

    `missing` is the reason that is stored for contents that the document lacks. With such contents
    the roadmap is unfinished: raises RateLimited or Unavailable when the limits leave no room.
    """
    outline, request = document.outline, document.request
    now, roadmap_id = clock.now(), new_id()
    facts: dict[str, Any] = {
        **request.model_dump(),
        "generator": document.generator,
        "test": document.test and {"questions": [], **document.test.model_dump(mode="json")},
        "analysis": document.analysis and document.analysis.model_dump(mode="json"),
        "status": RoadmapStatus.building,
        "last_seq": 1,
        **dict.fromkeys(("due_at", "created_at", "updated_at"), now),
    }
    with transaction():
        if not document.is_complete:
            create.check_room(owner_id, roadmap_id)
        Roadmap.insert({**facts, "id": roadmap_id, "owner": owner_id}).execute()
        row = Roadmap.get_by_id(roadmap_id)
        events.append(row, EventType.imported, {})
        remarks = doubts(
            outline,
            hours_per_week=request.hours_per_week,
            deadline=request.deadline,
            today=now.date(),
        )[: revisions.MOST_PROBLEMS]
        revision = revisions.add(row, RevisionSource.imported, outline, base=0, remarks=remarks)
        row, _ = adopt_outline(roadmap_id, outline, revision.number, all_at_once=True)
        concept_of = {
            each.key: each for each in Concept.select().where(Concept.roadmap == roadmap_id)
        }
        _write(roadmap_id, concept_of, document.concepts, missing)
        leave_to_person(roadmap_id)
        _learn(owner_id, roadmap_id, concept_of, document)
        _judge(roadmap_id, document.projects)
        completion.save_counts(row)
        facts = {
            "revision": revision.number,
            "title": outline.title,
            "stages": len(outline.stages),
            "concepts": len(concept_of),
            "contents": row.contents_total,
        }
        steps = events.append(row, EventType.outlined, facts)
        status = RoadmapStatus.partial if row.contents_failed else RoadmapStatus.ready
        steps += completion.finish(roadmap_id, status, lacking=missing.parts)
        return ImportResult(queries.summary(owner_id, roadmap_id), steps)


def _write(
    roadmap_id: UUID,
    concept_of: Mapping[str, Concept],
    concepts: Mapping[str, PortableConcept],
    missing: Missing,
) -> None:
    """Store the contents of the document as first versions; mark all others as failed."""
    query = Content.select(Content.id, Content.concept, Content.kind).where(
        Content.roadmap == roadmap_id
    )
    ids = {(concept_id, kind): id_ for id_, concept_id, kind in query.tuples()}
    # One concept at a time: all of them could take as much memory as the document again.
    versions = (
        {
            "content": ids[concept.id, kind],
            "generator": written.generator,
            "prompt_version": written.prompt_version,
            "created_at": written.created_at,
            "body": written.body.model_dump(mode="json"),
            "subject": subject(concept),
        }
        for key, concept in concept_of.items()
        for contents in [concepts.get(key, NOTHING).contents]
        for kind in ContentKind
        if (written := contents.of(kind)) is not None
    )
    ready_ids: list[UUID] = []
    for batch in peewee.chunked(versions, LARGE_ROWS):
        insert_rows(ContentVersion, batch, common={"version": FIRST})
        ready_ids += (row["content"] for row in batch)
    Content.update(status=ContentStatus.failed, error=missing.part).where(
        Content.roadmap == roadmap_id
    ).execute()
    ready = Content.update(status=ContentStatus.ready, version=FIRST, error="")
    for batch in peewee.chunked(ready_ids, ROWS):
        ready.where(Content.id.in_(batch)).execute()


def _learn(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_of: Mapping[str, Concept],
    document: PortableRoadmap,
) -> None:
    """Store progress, notes, attempts and cards."""
    for key, concept in concept_of.items():
        found = document.concepts.get(key, NOTHING)
        left = {name: getattr(found, name) for name in LEARNER}
        if document.version < 3:  # time was that of the plan: as in migration 0025
            is_done, half = found.progress == ConceptProgress.done, concept.hours * 30
            left["spent"] = 120 * half if is_done else found.studied * 60
            left["studied"] = 11 * min(found.studied, half) // half
        if left != {name: getattr(concept, name) for name in left}:
            Concept.update(left).where(Concept.id == concept.id).execute()
        # New ids are in the order of the attempts.
        attempts = (
            {
                **attempt.model_dump(),
                "asked": attempt.asked or None,
                "passed": attempt.score * 100 >= attempt.total * PASSING_PERCENT
                and all(attempt.answers),
                "id": new_id(),
                "concept": concept.id,
            }
            for attempt in found.attempts
        )
        for batch in peewee.chunked(attempts, ROWS * 10):
            insert_rows(QuizAttempt, batch, common={"roadmap": roadmap_id, "version": FIRST})
        quiz = found.contents.quiz
        cards = (
            {
                **card.model_dump(exclude={"question"}),
                "id": new_id(),
                "owner": owner_id,
                "roadmap": roadmap_id,
                "concept": concept.id,
                "question": quiz.body.questions[card.question].fingerprint,
                "number": card.question,
                "version": FIRST,
                "created_at": card.reviewed_at or clock.now(),
            }
            for card in found.cards
            if quiz is not None
        )
        for batch in peewee.chunked(cards, ROWS):
            # Not as JSON, as above: numbers could change in their last bit.
            ReviewCard.insert_many(batch).execute()


def _judge(roadmap_id: UUID, projects: Mapping[str, PortableProject]) -> None:
    """Store work on projects, and its judgements."""
    for key, found in projects.items():
        stage = Stage.get(Stage.roadmap == roadmap_id, Stage.key == key)
        Stage.update(work=found.work, done_at=found.done_at).where(Stage.id == stage.id).execute()
        place = {"roadmap": roadmap_id, "stage": stage.id, "status": ContentStatus.ready}
        for judge, each in found.judgements.items():
            facts = {"id": new_id(), "judge": judge, "due_at": each.created_at}
            Judgement.insert({**each.model_dump(), **facts, **place}).execute()
