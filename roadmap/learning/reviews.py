"""Reviews of quiz questions: cards, their answers and ratings.

A card has the state of a memory (`spaced_repetition.py`). It is asked while its roadmap exists and
is not in the trash, its concept is in the plan, and the current version of the quiz is that of the
card. Cards follow that version: questions that are in a new one as well move there and keep their
memory, new ones are due, and the others wait until a version with them is the current one again.
"""

import functools
import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import peewee
from pydantic import ConfigDict, Field

from core import clock
from core.db import database, lock_for_update, session, transaction
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.json_types import WHOLE, LazyModel
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, ReviewCard, Roadmap
from roadmap.accounts.access import get_owned
from roadmap.learning import learning_days
from roadmap.learning.grading import Answer, GradedQuestion, grade_one
from roadmap.learning.spaced_repetition import Memory, MemoryState, ReviewRating, outcomes, rated
from roadmap.plan.outline import ContentKind, Question, Quiz
from roadmap.plan.statuses import ConceptProgress
from roadmap.plan.views import QuizQuestion, as_asked

MOST_AT_ONCE = 50  # cards of one answer
MOST_COUNTED = 1000  # of those that are due
SECONDS_A_REVIEW = 40
# Columns of a card and of where it belongs
WITH_PLACE = (
    ReviewCard,
    Content.id,
    Concept.id,
    Concept.title,
    Roadmap.id,
    Roadmap.title,
    Roadmap.goal,
    Roadmap.language,
)
# Number of due cards as `_asked` selects them. In SQL, as peewee would take most of the time of a
# home page to write it.
DUE = f"""SELECT count(*) FROM (SELECT k.id FROM review_card k
    JOIN concept n ON k.concept_id = n.id JOIN roadmap r ON k.roadmap_id = r.id
    JOIN content c ON c.concept_id = k.concept_id AND c.kind = 'quiz' AND c.version = k.version
    WHERE k.owner_id = ? AND r.trashed_at IS NULL AND NOT n.removed AND k.due_at <= ?
    ORDER BY k.due_at LIMIT {MOST_COUNTED}) AS due"""
# Fields of a Memory in the row of a card
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


class ReviewCheck(LazyModel):
    """The chosen answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    chosen: Answer = Field(
        description="Indexes of the chosen options, of all lines in order, or a typed text; empty: "
        "not answered."
    )


class ReviewRequest(LazyModel):
    """The rating of a review."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rating: ReviewRating = Field(
        description="`again`: forgotten; otherwise how hard it was to remember."
    )
    reviews: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] = Field(
        description="The `reviews` that you read, so that a repeated request counts once."
    )


class CardState(LazyModel):
    """State of a review card."""

    id: UUID
    state: MemoryState = Field(
        description="`learning` at first, `review` once known, `relearning` once forgotten."
    )
    reviews: int = Field(description="Number of ratings. Send it with the next rating.")
    lapses: int = Field(description="Number of lapses.")
    due_at: datetime = Field(description="Due time.")
    reviewed_at: datetime | None = Field(description="Time of the last rating; null: never.")


class Review(CardState):
    """A due question without its answers, with its concept and roadmap."""

    roadmap_id: UUID
    roadmap_title: str = Field(description="Title of the roadmap.")
    concept_id: UUID
    concept_title: str = Field(description="Title of the concept.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    question: QuizQuestion = Field(description="The question, as in the quiz.")


class Reviews(LazyModel):
    """Cards that are due now. Reviewing removes them: there are no further pages."""

    items: list[Review] = Field(description="Longest due first.")
    due: int = Field(description=f"Number of due questions, counted up to {MOST_COUNTED}.")
    next_due_at: datetime | None = Field(
        description="Due time of the next question; null: no others."
    )


class Outcomes(LazyModel):
    """Next due time of the card, by rating."""

    again: datetime = Field(description="Next due time if forgotten.")
    hard: datetime = Field(description="Next due time if hard to remember.")
    good: datetime = Field(description="Next due time if remembered.")
    easy: datetime = Field(description="Next due time if easy.")


class CheckedReview(LazyModel):
    """A graded answer, and the effect of each rating. Nothing is changed."""

    id: UUID
    reviews: int = Field(description="Number of ratings. Send it with the rating.")
    question: GradedQuestion = Field(
        description="The chosen and the correct options, and the explanation."
    )
    leads_to: Outcomes = Field(description="Next due time by rating.")


def current_quiz(concept_id: UUID) -> tuple[int, Quiz] | None:
    """Return the current quiz with its version, or None. Needs a session."""
    written = current_version(concept_id, ContentKind.quiz)
    return None if written is None else (written.version, Quiz.model_validate(written.body))


def current_version(concept_id: UUID, kind: ContentKind) -> ContentVersion | None:
    """Return a part of a concept, or None if it is not written. Needs a session."""
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    query = ContentVersion.select().join(Content, on=current)
    found: ContentVersion | None = query.where(
        Content.concept == concept_id, Content.kind == kind
    ).get_or_none()
    return found


def follow(concepts: Collection[UUID]) -> None:
    """Move cards to the current version of the quizzes of these concepts.

    Only of concepts that are done or have cards; one query if there are none. Needs a transaction
    that holds the roadmap's row.
    """
    if not concepts:
        return
    has_cards = peewee.fn.EXISTS(ReviewCard.select().where(ReviewCard.concept == Concept.id))
    query = (
        Concept.select(Concept.id, Concept.roadmap, Roadmap.owner)
        .join(Roadmap)
        .where(
            Concept.id.in_(list(concepts)), (Concept.progress == ConceptProgress.done) | has_cards
        )
        .order_by(Concept.id)
    )
    for concept_id, roadmap_id, owner_id in list(query.tuples()):
        begin(owner_id, roadmap_id, concept_id)


def placed(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, version: int, quiz: Quiz
) -> list[ReviewCard]:
    """Return a card for each question of this version; new ones are due. Locks rows."""
    number_of: dict[str, int] = {}
    for number, question in enumerate(quiz.questions):
        if question.needs_tutorial:
            continue  # its numbers are forgotten by the time it would be asked
        number_of.setdefault(question.fingerprint, number)  # the same question twice: asked once
    now = clock.now()
    common = {
        "owner": owner_id,
        "roadmap": roadmap_id,
        "concept": concept_id,
        "version": version,
        "created_at": now,
        **asdict(Memory(due_at=now)),
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


def list_due(owner_id: UUID, *, limit: int, roadmap_id: UUID | None = None) -> Reviews:
    """Return due cards of all roadmaps, or of one. Raises NotFound."""
    now = clock.now()
    with session():
        if roadmap_id is not None:
            get_owned(owner_id, roadmap_id)
        due = _asked(owner_id, roadmap_id).where(ReviewCard.due_at <= now)
        cards = list(due.order_by(ReviewCard.due_at, ReviewCard.id).limit(limit))
        questions = _questions(cards)
        later = _asked(owner_id, roadmap_id, ReviewCard.due_at).where(ReviewCard.due_at > now)
        return Reviews(
            items=[_review(card, questions[card.id]) for card in cards],
            due=len(cards) if len(cards) < limit else _count(due),
            next_due_at=later.order_by(ReviewCard.due_at).limit(1).scalar(),
        )


def count_due(owner_id: UUID, at: datetime) -> int:
    """Return the number of cards that are due at a time, at most MOST_COUNTED."""
    keys = (ReviewCard.owner.db_value(owner_id), ReviewCard.due_at.db_value(at))
    statement = DUE.replace("?", database.param)
    with session():
        return int(database.execute_sql(statement, keys).fetchone()[0])


def due_times(
    owner_id: UUID, concept_id: UUID, version: int, numbers: Collection[int]
) -> list[datetime]:
    """Return when these questions of a version of a quiz come back, in the order of time."""
    query = ReviewCard.select(ReviewCard.due_at).where(
        ReviewCard.owner == owner_id,
        ReviewCard.concept == concept_id,
        ReviewCard.version == version,
        ReviewCard.number.in_(list(numbers)),
    )
    with session():
        return [card.due_at for card in query.order_by(ReviewCard.due_at)]


def read_card(owner_id: UUID, card_id: UUID) -> Review:
    """Return a card, due or not. Raises NotFound."""
    with session():
        return _review(*_found(owner_id, card_id))


def check(owner_id: UUID, card_id: UUID, request: ReviewCheck) -> CheckedReview:
    """Grade an answer; the learner rates it later. Raises NotFound, Invalid."""
    with session():
        card, question = _found(owner_id, card_id)
    return CheckedReview(
        id=card.id,
        reviews=card.reviews,
        question=grade_one(card.number, question, request.chosen),
        leads_to=Outcomes(**outcomes(_memory(card), clock.now())),
    )


def review(owner_id: UUID, card_id: UUID, request: ReviewRequest) -> CardState:
    """Rate a card, due or not. Raises NotFound, and Conflict if it was rated since."""
    with transaction():
        card, _ = _found(owner_id, card_id)
        after = rated(_memory(card), request.rating, clock.now())
        # Another request may be rating it.
        unchanged = (ReviewCard.id == card_id) & (ReviewCard.reviews == request.reviews)
        if not ReviewCard.update(**asdict(after)).where(unchanged).execute():
            raise Conflict(
                f"This question does not have {request.reviews} ratings. It may have been "
                "rated elsewhere. Read the due questions again."
            )
        learning_days.note(owner_id, SECONDS_A_REVIEW)
    return CardState(id=card_id, **asdict(after) | {"state": after.name})


def begin(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> None:
    """Give the questions of the current quiz, if any, their cards. Needs a transaction."""
    if (found := current_quiz(concept_id)) is not None:
        placed(owner_id, roadmap_id, concept_id, *found)


def withdraw(concept_id: UUID) -> None:
    """Delete cards that were never rated, of a concept not done. Needs a transaction."""
    unrated = ReviewCard.select(ReviewCard.id).where(
        ReviewCard.concept == concept_id, ReviewCard.reviews == 0
    )
    # Locked in the order of `placed`.
    if held := [card.id for card in lock_for_update(unrated.order_by(ReviewCard.question))]:
        ReviewCard.delete().where(ReviewCard.id.in_(held)).execute()


def note_answers(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    *,
    version: int,
    quiz: Quiz,
    graded: Sequence[GradedQuestion],
) -> None:
    """Rate the questions of an attempt at a quiz. Needs a transaction.

    Each question has a card from then on. If the card is due or new, a right answer rates it `good`
    and a wrong one `again`. If it is not due yet, a right answer does not count (the question was
    seen too recently), and a wrong one rates it `again`, unless it was just forgotten and comes
    back within minutes anyway. Questions without an answer do not count.
    """
    now = clock.now()
    for card in placed(owner_id, roadmap_id, concept_id, version, quiz):
        memory, answer = _memory(card), graded[card.number]
        is_due = memory.is_new or memory.due_at <= now
        if answer.answer and (is_due or not (answer.is_right or memory.is_shaky)):
            rating = ReviewRating.good if answer.is_right else ReviewRating.again
            after = asdict(rated(memory, rating, now))
            ReviewCard.update(**after).where(ReviewCard.id == card.id).execute()


def _asked(owner_id: UUID, roadmap_id: UUID | None = None, *wanted: Any) -> peewee.ModelSelect:
    """Select the cards whose questions can be asked."""
    its = (
        (Content.concept == ReviewCard.concept)
        & (Content.kind == ContentKind.quiz)
        & (Content.version == ReviewCard.version)
    )
    query: peewee.ModelSelect = (
        ReviewCard.select(*(wanted or WITH_PLACE))
        .join(Concept)
        .switch(ReviewCard)
        .join(Roadmap)
        .switch(ReviewCard)
        .join(Content, on=its, attr="content")
        .where(ReviewCard.owner == owner_id, Roadmap.trashed_at.is_null(), ~Concept.removed)
    )
    return query if roadmap_id is None else query.where(ReviewCard.roadmap == roadmap_id)


def _count(due: peewee.ModelSelect) -> int:
    """Count along the index, unlike `count()`, which drops the order.

    Without an order PostgreSQL may read the cards of all accounts until it has found enough.
    """
    some = due.clone().columns(ReviewCard.id).order_by(ReviewCard.due_at).limit(MOST_COUNTED)
    return int(
        ReviewCard.select(peewee.fn.COUNT(peewee.SQL("*"))).from_(some.alias("seen")).scalar()
    )


def _found(owner_id: UUID, card_id: UUID) -> tuple[ReviewCard, Question]:
    card = _asked(owner_id).where(ReviewCard.id == card_id).first()
    if card is None:
        raise NotFound(
            "This question does not exist. It may have been removed from the plan or its "
            "quiz. Read the due questions again."
        )
    return card, _questions([card])[card.id]


def _questions(cards: Iterable[ReviewCard]) -> dict[UUID, Question]:
    """Return the questions by card; each quiz is read once."""
    places = {(card.content.id, card.version) for card in cards}
    if not places:
        return {}
    its = (
        (ContentVersion.content == content_id) & (ContentVersion.version == version)
        for content_id, version in places
    )
    quizzes = {
        (row.content_id, row.version): Quiz.model_validate(row.body)
        for row in ContentVersion.select().where(functools.reduce(operator.or_, its))
    }
    return {
        card.id: quizzes[card.content.id, card.version].questions[card.number] for card in cards
    }


def _memory(card: ReviewCard) -> Memory:
    return Memory(**{name: getattr(card, name) for name in KEPT})


def _review(card: ReviewCard, question: Question) -> Review:
    memory = _memory(card)
    return Review(
        id=card.id,
        **asdict(memory) | {"state": memory.name},
        roadmap_id=card.roadmap_id,
        roadmap_title=card.roadmap.title or card.roadmap.goal,
        concept_id=card.concept_id,
        concept_title=card.concept.title,
        language=card.roadmap.language,
        question=as_asked(card.number, question),
    )
