"""Cards of a quiz follow its current version.

Questions that are in the new version as well move there and keep their memory, new ones are due,
and the others wait until a version with them is the current one again.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from peewee import fn

from core import clock
from core.db import lock_for_update
from core.errors import NotFound
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, ReviewCard, Roadmap
from roadmap.learning.spaced_repetition import Memory
from roadmap.plan.outline import ContentKind, Quiz
from roadmap.plan.statuses import ConceptProgress


def current_quiz(concept_id: UUID) -> tuple[int, Quiz] | None:
    """Return the current quiz with its version, or None. Needs a session."""
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    written = (
        ContentVersion.select()
        .join(Content, on=current)
        .where((Content.concept == concept_id) & (Content.kind == ContentKind.quiz))
        .get_or_none()
    )
    return None if written is None else (written.version, Quiz.model_validate(written.body))


def written_quiz(concept_id: UUID) -> tuple[int, Quiz]:
    """Return the current quiz with its version. Raises NotFound if not written yet."""
    found = current_quiz(concept_id)
    if found is None:
        raise NotFound("The quiz of this concept is not written yet.")
    return found


# Fields of a Memory in the row of a card.
KEPT = (
    "state",
    "step",
    "stability",
    "difficulty",
    "due_at",
    "reviewed_at",
    "reviews",
    "lapses",
)


def columns(memory: Memory) -> dict[str, Any]:
    return {name: getattr(memory, name) for name in KEPT}


def follow(concepts: Collection[UUID]) -> None:
    """Move cards to the current version of the quizzes of these concepts.

    Only of concepts that are done or have cards; one query if there are none. Needs a transaction
    that holds the roadmap's row.
    """
    if not concepts:
        return
    has_cards = fn.EXISTS(ReviewCard.select().where(ReviewCard.concept == Concept.id))
    comes_back = (Concept.progress == ConceptProgress.done) | has_cards
    query = Concept.select(Concept.id, Concept.roadmap, Roadmap.owner).join(Roadmap)
    for concept_id, roadmap_id, owner_id in list(
        query.where(Concept.id.in_(list(concepts)), comes_back).order_by(Concept.id).tuples()
    ):
        if (found := current_quiz(concept_id)) is not None:
            placed(owner_id, roadmap_id, concept_id, *found)


def placed(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, version: int, quiz: Quiz
) -> list[ReviewCard]:
    """Return a card for each question of this version; new ones are due. Locks rows."""
    number_of: dict[str, int] = {}
    for number, question in enumerate(quiz.questions):
        number_of.setdefault(question.fingerprint, number)  # the same question twice: asked once
    now = clock.now()
    common = {
        "owner": owner_id,
        "roadmap": roadmap_id,
        "concept": concept_id,
        "version": version,
        "created_at": now,
        **columns(Memory(due_at=now)),
    }
    new = [{"id": new_id(), "question": its, "number": number} for its, number in number_of.items()]
    # In one order, or two attempts at once could wait for each other.
    new.sort(key=lambda row: str(row["question"]))
    insert_rows(ReviewCard, new, common=common, pass_over=True)
    its = (ReviewCard.concept == concept_id) & ReviewCard.question.in_(list(number_of))
    cards = list(lock_for_update(ReviewCard.select().where(its).order_by(ReviewCard.question)))
    for card in cards:
        number = number_of[card.question]
        if (card.version, card.number) != (version, number):
            ReviewCard.update({"version": version, "number": number}).where(
                ReviewCard.id == card.id
            ).execute()
        card.number = number
    return cards
