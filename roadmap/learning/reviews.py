"""Questions of quizzes that come back before they are forgotten: each is a card, with what `memory.py` says of it.

A card is asked while its roadmap is there and not in the trash, its concept is in the plan, and the current version of the
quiz is the one in which it stands (`cards.py`).
"""

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import peewee
from pydantic import BaseModel, ConfigDict, Field

from core import clock
from core.db import lock_for_update, session, transaction
from core.errors import Conflict, NotFound
from core.json_types import WHOLE
from models.roadmaps import Concept, Content, ContentVersion, ReviewCard, Roadmap
from roadmap.accounts.access import get_owned
from roadmap.learning.grading import GradedQuestion, grade_one
from roadmap.learning.review_cards import KEPT, columns, current_quiz, placed
from roadmap.learning.spaced_repetition import Memory, MemoryState, ReviewRating, outcomes, rated
from roadmap.plan.outline import ContentKind, Question, Quiz
from roadmap.plan.views import QuizQuestion, as_asked

MOST_AT_ONCE = 50  # cards of one answer
MOST_COUNTED = 1000  # of those that are due


class ReviewCheck(BaseModel):
    """What was chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    chosen: Annotated[
        tuple[Annotated[int, Field(ge=0, le=1000), WHOLE], ...], Field(max_length=100)
    ] = Field(description="The indexes of the options that were chosen; empty: not answered.")


class ReviewRequest(BaseModel):
    """How it went."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rating: ReviewRating = Field(
        description="Whether it was forgotten (`again`), and else how it was to remember."
    )
    reviews: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] = Field(
        description="The `reviews` that were read: so a review counts once, however often it is sent."
    )


class CardState(BaseModel):
    """What is known of a question."""

    id: UUID
    state: MemoryState = Field(
        description="`learning` at first, `review` when it is known, `relearning` when it was forgotten."
    )
    reviews: int = Field(description="How often it was rated; it goes with the next rating.")
    lapses: int = Field(description="How often it was forgotten after it was known.")
    due_at: datetime = Field(description="When it should be asked again.")
    reviewed_at: datetime | None = Field(description="When it was rated last; null: never.")


class Review(CardState):
    """A question to be asked, without its answers, and where it belongs."""

    roadmap_id: UUID
    roadmap_title: str = Field(description="What its roadmap is called.")
    concept_id: UUID
    concept_title: str = Field(description="What its concept is called.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    question: QuizQuestion = Field(description="As it stands in the quiz of its concept.")


class Reviews(BaseModel):
    """What is due now. It becomes less by reviewing: there are no further pages."""

    items: list[Review] = Field(description="What is due for longest comes first.")
    due: int = Field(description=f"How many are due, counted up to {MOST_COUNTED}.")
    next_due_at: datetime | None = Field(
        description="When the first of the others is due; null: there are no others."
    )


class Outcomes(BaseModel):
    """When the question comes back, by its rating."""

    again: datetime = Field(description="It was forgotten.")
    hard: datetime = Field(description="It was hard to remember.")
    good: datetime = Field(description="It was remembered.")
    easy: datetime = Field(description="It was easy.")


class CheckedReview(BaseModel):
    """Whether the answer is right, and what each rating would lead to. Nothing is changed yet."""

    id: UUID
    reviews: int = Field(description="It goes with the rating.")
    question: GradedQuestion = Field(description="What was chosen, what is right, and why.")
    leads_to: Outcomes = Field(description="When it would come back if it were rated now.")


def list_due(owner_id: UUID, *, limit: int, roadmap_id: UUID | None = None) -> Reviews:
    """Of all roadmaps, or of one. Raises NotFound."""
    now = clock.now()
    with session():
        if roadmap_id is not None:
            get_owned(owner_id, roadmap_id)
        due = _asked(owner_id, roadmap_id).where(ReviewCard.due_at <= now)
        cards = list(due.order_by(ReviewCard.due_at, ReviewCard.id).limit(limit))
        questions = _questions(cards)
        count = len(cards) if len(cards) < limit else _count(due)
        later = _asked(owner_id, roadmap_id, ReviewCard.due_at).where(ReviewCard.due_at > now)
        next_due_at = later.order_by(ReviewCard.due_at).limit(1).scalar()
    items = [_review(card, questions[card.id]) for card in cards]
    return Reviews(items=items, due=count, next_due_at=next_due_at)


def count_due(owner_id: UUID) -> int:
    """How many questions one could review now, counted up to MOST_COUNTED."""
    with session():
        return _count(_asked(owner_id).where(ReviewCard.due_at <= clock.now()))


def read_card(owner_id: UUID, card_id: UUID) -> Review:
    """Also one that is not due. Raises NotFound."""
    with session():
        return _review(*_found(owner_id, card_id))


def check(owner_id: UUID, card_id: UUID, request: ReviewCheck) -> CheckedReview:
    """Grade an answer; to rate it is another step, and the learner's. Raises NotFound, Invalid."""
    with session():
        card, question = _found(owner_id, card_id)
    graded = grade_one(card.number, question, request.chosen)
    leads_to = Outcomes(**outcomes(_memory(card), clock.now()))
    return CheckedReview(id=card.id, reviews=card.reviews, question=graded, leads_to=leads_to)


def review(owner_id: UUID, card_id: UUID, request: ReviewRequest) -> CardState:
    """Rate how it went; a card may be reviewed before it is due. Raises NotFound, and Conflict when it was rated since."""
    with transaction():
        card, _ = _found(owner_id, card_id)
        after = rated(_memory(card), request.rating, clock.now())
        unchanged = (ReviewCard.id == card_id) & (
            ReviewCard.reviews == request.reviews
        )  # somebody may be at it just now
        if not ReviewCard.update(**columns(after)).where(unchanged).execute():
            raise Conflict(
                f"This question was not rated {request.reviews} times, as the request says: perhaps another window has rated it. "
                "Read what is due again."
            )
    return CardState(id=card_id, **columns(after) | {"state": after.name})


def begin(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> None:
    """The concept is done: the questions of its quiz, if that is written, are due. Needs a transaction."""
    found = current_quiz(concept_id)
    if found is not None:
        placed(owner_id, roadmap_id, concept_id, *found)


def withdraw(concept_id: UUID) -> None:
    """The concept is not done after all: what was never rated does not come back. Needs a transaction."""
    its = (ReviewCard.concept == concept_id) & (ReviewCard.reviews == 0)
    held = list(
        lock_for_update(ReviewCard.select(ReviewCard.id).where(its).order_by(ReviewCard.question))
    )  # in the order of placed
    if held:
        ReviewCard.delete().where(ReviewCard.id.in_([card.id for card in held])).execute()


def note_answers(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    *,
    version: int,
    quiz: Quiz,
    graded: Sequence[GradedQuestion],
) -> None:
    """What an attempt at the quiz says of its questions. Needs a transaction.

    Each question has a card from then on. Of one that is due, or that was never asked, a right answer says `good` and a wrong
    one `again`. Of one that is not due yet a right answer says nothing (it was seen too recently), and a wrong one `again`,
    unless it was forgotten a moment ago and comes back within minutes anyway. What was not answered says nothing.
    """
    now = clock.now()
    for card in placed(owner_id, roadmap_id, concept_id, version, quiz):
        memory = _memory(card)
        rating = _said_by(graded[card.number], memory, now)
        if rating is not None:
            ReviewCard.update(**columns(rated(memory, rating, now))).where(
                ReviewCard.id == card.id
            ).execute()


def hold_roadmap(owner_id: UUID, roadmap_id: UUID) -> None:
    """Take its row, as those who change its contents or delete it do, before rows below it. Needs a transaction.

    So of a concept that is marked as done and a quiz that is saved at the same moment one sees the other.
    """
    lock_for_update(
        Roadmap.select(Roadmap.id).where(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)
    ).execute()


def _said_by(graded: GradedQuestion, memory: Memory, now: datetime) -> ReviewRating | None:
    if not graded.chosen:
        return None
    is_due = memory.is_new or memory.due_at <= now
    if graded.is_right:
        return ReviewRating.good if is_due else None
    return ReviewRating.again if is_due or not memory.is_shaky else None


def _asked(owner_id: UUID, roadmap_id: UUID | None = None, *wanted: Any) -> peewee.ModelSelect:
    """The cards whose questions can be asked."""
    its = (
        (Content.concept == ReviewCard.concept)
        & (Content.kind == ContentKind.quiz)
        & (Content.version == ReviewCard.version)
    )
    around = (
        Content.id,
        Concept.id,
        Concept.title,
        Roadmap.id,
        Roadmap.title,
        Roadmap.goal,
        Roadmap.language,
    )
    shown = wanted or (ReviewCard, *around)
    query: peewee.ModelSelect = (
        ReviewCard.select(*shown).join(Concept).switch(ReviewCard).join(Roadmap).switch(ReviewCard)
    )
    query = query.join(Content, on=its, attr="content")
    query = query.where(
        ReviewCard.owner == owner_id, Roadmap.trashed_at.is_null(), ~Concept.removed
    )
    return query if roadmap_id is None else query.where(ReviewCard.roadmap == roadmap_id)


def _count(due: peewee.ModelSelect) -> int:
    """Along the index: without an order PostgreSQL may look through the cards of everybody until it has seen enough of them."""
    seen = (
        due.clone().columns(ReviewCard.id).order_by(ReviewCard.due_at).limit(MOST_COUNTED)
    )  # whose count() has no order
    return int(
        ReviewCard.select(peewee.fn.COUNT(peewee.SQL("*"))).from_(seen.alias("seen")).scalar()
    )


def _found(owner_id: UUID, card_id: UUID) -> tuple[ReviewCard, Question]:
    card = _asked(owner_id).where(ReviewCard.id == card_id).first()
    if card is None:
        raise NotFound(
            "There is no such question to review; it may have left the plan or its quiz. Read what is due."
        )
    return card, _questions([card])[card.id]


def _questions(cards: Iterable[ReviewCard]) -> dict[UUID, Question]:
    """By card. Each quiz is read once."""
    places = {(card.content.id, card.version) for card in cards}
    if not places:
        return {}
    query = ContentVersion.select(
        ContentVersion.content, ContentVersion.version, ContentVersion.body
    )
    either = functools.reduce(
        lambda one, other: one | other,
        (
            (ContentVersion.content == content_id) & (ContentVersion.version == version)
            for content_id, version in places
        ),
    )
    quizzes = {
        (content_id, version): Quiz.model_validate(body)
        for content_id, version, body in query.where(either).tuples()
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
        **columns(memory) | {"state": memory.name},
        roadmap_id=card.roadmap_id,
        roadmap_title=card.roadmap.title or card.roadmap.goal,
        concept_id=card.concept_id,
        concept_title=card.concept.title,
        language=card.roadmap.language,
        question=as_asked(card.number, question),
    )
