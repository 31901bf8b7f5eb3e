"""Reviews of quiz questions: cards, their answers and ratings.

A card has the state of a memory (`spaced_repetition.py`). It is asked while its roadmap exists and
is not in the trash, its concept is in the plan, and the current version of the quiz is that of the
card. Cards follow that version: questions that are in a new one as well move there and keep their
memory, new ones are due, and the others wait until a version with them is the current one again.

Daily limits (`daily_limits.py`) bound what is listed, not what may be rated. Known questions come
first, the longest due one first of all; then new ones, in the order of their courses. Ratings of an
account lock its row first, which keeps the last one for its undo.
"""

import functools
import operator
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import database, lock_for_update, session, transaction
from core.errors import Conflict, FieldError, Invalid, required
from core.ids import new_id
from core.json_types import WHOLE, LazyModel
from models.accounts import Account
from models.bulk import insert_rows
from models.roadmaps import Concept, Content, ContentVersion, Module, ReviewCard, Roadmap, Stage
from roadmap.accounts.access import get_owned
from roadmap.accounts.locks import lock_account
from roadmap.accounts.zones import now_of
from roadmap.learning import learning_days
from roadmap.learning.daily_limits import (
    DueCounts,
    ReviewForecast,
    ReviewLimits,
    forecast_of,
)
from roadmap.learning.grading import Answer, GradedQuestion, grade_one
from roadmap.learning.spaced_repetition import (
    Memory,
    MemoryState,
    ReviewRating,
    outcomes,
    rated,
    retrievability,
)
from roadmap.plan.outline import ContentKind, Question, Quiz
from roadmap.plan.statuses import ConceptProgress
from roadmap.plan.views import QuizQuestion, as_asked

MOST_AT_ONCE = 50  # cards of one answer
EACH = 2  # questions of a concept in a mixed test
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
OF_CARD = (  # the quiz with its question
    (Content.concept == ReviewCard.concept)
    & (Content.kind == ContentKind.quiz)
    & (Content.version == ReviewCard.version)
)
MOST_FORESEEN = 5000  # cards of a forecast
SITTING = timedelta(minutes=30)  # for which "I don't know" counts, and a rating can be undone
# Columns of a DueCounts, of cards as `_asked` selects them; the values are `due_keys`. In SQL, as
# peewee would take most of the time of a home page to write it.
FOUND = """(SELECT count(*) FROM (SELECT k.id FROM review_card k
    JOIN concept n ON k.concept_id = n.id JOIN roadmap r ON k.roadmap_id = r.id
    JOIN content c ON c.concept_id = k.concept_id AND c.kind = 'quiz' AND c.version = k.version
    WHERE k.owner_id = ? AND r.trashed_at IS NULL AND NOT n.removed AND k.due_at <= ?
    AND (? IS NULL OR k.roadmap_id = ?)"""
FIRST = f"ORDER BY k.due_at LIMIT {MOST_COUNTED}) AS due)"
RATED = """(SELECT count(*) FROM review_card k
    WHERE k.owner_id = ? AND k.reviews > 0 AND k.reviewed_at >= ?"""
DUE = f"""{FOUND} AND k.reviews > 0 AND k.reviewed_at >= ? {FIRST},
    {FOUND} AND k.reviews > 0 AND k.reviewed_at < ? {FIRST}, {FOUND} AND k.reviews = 0 {FIRST},
    {RATED}), {RATED} AND k.begun_at >= ?),
    (SELECT CAST(a.review_limits AS text) FROM account a WHERE a.id = ?)"""
GAVE_UP = "This question was checked without an answer. Rate it `again`."
MISSED = "This question was answered incorrectly. Rate it `again` or `hard`."
NOT_LAST = (
    f"Only the last rating can be undone, once and within {SITTING // timedelta(minutes=1)} "
    "minutes. Read the due questions again."
)
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
    "begun_at",
)


class ReviewCheck(LazyModel, frozen=True, extra="forbid"):
    """The chosen answers."""

    chosen: Answer = Field(
        description="Indexes of the chosen options, of all lines in order, or a typed text; empty: "
        "not answered."
    )


class ReviewRequest(LazyModel, frozen=True, extra="forbid"):
    """The rating of a review."""

    rating: ReviewRating = Field(
        description="`again`: forgotten; otherwise how hard it was to remember."
    )
    reviews: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] = Field(
        description="The `reviews` that you read, so that a repeated request counts once."
    )


class UndoRequest(LazyModel, frozen=True, extra="forbid"):
    """The rating to undo."""

    reviews: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] = Field(
        description="The `reviews` that the rating returned."
    )


class RatedCard(LazyModel):
    """The last rating."""

    id: UUID = Field(description="The question.")
    reviews: int = Field(description="Number of its ratings. Send it to undo the last one.")


class LastRating(LazyModel):
    """The last rating of an account as it is stored: its card, time, and the memory before."""

    id: UUID
    at: datetime
    before: Memory
    seconds: int = SECONDS_A_REVIEW  # that were credited


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

    items: list[Review] = Field(
        description="Longest due first, then new questions in the order of their course."
    )
    due: int = Field(
        description=f"Number of due questions within the limits of today, up to {MOST_COUNTED}."
    )
    waiting: int = Field(description="Number of due questions above the limits of today.")
    next_due_at: datetime | None = Field(
        description="Due time of the next question; null: no others."
    )
    limits: ReviewLimits = Field(description="Most questions a day.")
    last_rating: RatedCard | None = Field(description="The rating that can be undone; null: none.")


class CheckedReview(LazyModel):
    """A graded answer, and the effect of each rating."""

    id: UUID
    reviews: int = Field(description="Number of ratings. Send it with the rating.")
    question: GradedQuestion = Field(
        description="The chosen and the correct options, and the explanation."
    )
    leads_to: dict[ReviewRating, datetime] = Field(description="Next due time by rating.")
    ratings: list[ReviewRating] = Field(
        description="Accepted ratings: without an answer, `again` alone; after a wrong one, `hard` "
        "as well."
    )


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
    new = [
        {"id": new_id(), "question": each, "number": number} for each, number in number_of.items()
    ]
    # In one order, or two attempts at once could wait for each other.
    new.sort(key=lambda row: str(row["question"]))
    insert_rows(ReviewCard, new, common=common, pass_over=True)
    cards = list(
        lock_for_update(
            ReviewCard.select()
            .where(ReviewCard.concept == concept_id, ReviewCard.question.in_(list(number_of)))
            .order_by(ReviewCard.question)
        )
    )
    for card in cards:
        number = number_of[card.question]
        if (card.version, card.number) != (version, number):
            ReviewCard.update({"version": version, "number": number}).where(
                ReviewCard.id == card.id
            ).execute()
        card.number = number
    return cards


@session()
def list_due(
    owner_id: UUID, *, limit: int, roadmap_id: UUID | None = None, beyond: bool = False
) -> Reviews:
    """Return due cards of all roadmaps, or of one; `beyond` the limits too. Raises NotFound."""
    now = now_of(owner_id)
    day = day_of(now)
    if roadmap_id is not None:
        get_owned(owner_id, roadmap_id)
    counts = _counts(owner_id, now, roadmap_id)
    total, asked = counts.again + counts.known + counts.new, counts.asked
    most, most_new = (total, total) if beyond else counts.left
    due = _asked(owner_id, roadmap_id).where(ReviewCard.due_at <= now)
    old = due.where(ReviewCard.reviews > 0, (ReviewCard.reviewed_at >= day) | bool(most))
    cards = list(old.order_by(ReviewCard.due_at, ReviewCard.id).limit(limit))
    above = [card.id for card in cards if card.reviewed_at < day][most:]
    cards = [card for card in cards if card.id not in above]
    if (room := min(limit - len(cards), most_new)) > 0:
        cards.extend(_in_order(due.where(ReviewCard.reviews == 0), room))
    questions = _questions(cards)
    later = _asked(owner_id, roadmap_id, ReviewCard.due_at).where(ReviewCard.due_at > now)
    account = Account.select(Account.last_rating).where(Account.id == owner_id)
    last = _undoable(account.scalar())
    if last and not _asked(owner_id).where(ReviewCard.id == last.id).exists():
        last = None  # its roadmap was deleted or transferred
    return Reviews(
        items=[_review(card, questions[card.id]) for card in cards],
        due=min(total if beyond else asked, MOST_COUNTED),
        waiting=0 if beyond else total - asked,
        next_due_at=later.order_by(ReviewCard.due_at).limit(1).scalar(),
        limits=counts.limits,
        last_rating=last and RatedCard(id=last.id, reviews=last.before.reviews + 1),
    )


@session()
def count_due(owner_id: UUID, at: datetime) -> int:
    """Return the number of cards that are due at a time, within the limits of its day there."""
    return _counts(owner_id, at).asked


def day_of(at: datetime) -> datetime:
    """Return the begin of the day in the zone of a time, which limits count from."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def due_keys(owner_id: UUID, at: datetime, roadmap_id: UUID | None = None) -> list[Any]:
    """Return the values for DUE, of all roadmaps or of one."""
    owner, day = ReviewCard.owner.db_value(owner_id), ReviewCard.due_at.db_value(day_of(at))
    found = [owner, ReviewCard.due_at.db_value(at), *[ReviewCard.roadmap.db_value(roadmap_id)] * 2]
    return [*found, day, *found, day, *found, owner, day, owner, day, day, owner]


def forecast(owner_id: UUID) -> ReviewForecast:
    """Return the numbers of questions of the next days, and of those remembered now."""
    now = now_of(owner_id)
    today = day_of(now)
    with session():
        counts = _counts(owner_id, now)
        wanted = (ReviewCard.due_at, ReviewCard.reviewed_at, ReviewCard.stability)
        known = _asked(owner_id, None, *wanted).where(ReviewCard.reviews > 0)
        cards = list(known.order_by(ReviewCard.due_at).limit(MOST_FORESEEN).tuples())
    days = Counter(
        max(0, (due_at.astimezone(now.tzinfo).date() - today.date()).days) for due_at, *_ in cards
    )
    again = sum(due_at < today + timedelta(1) and at >= today for due_at, at, _ in cards)
    recalled = sum(retrievability(stability, at, clock.now()) for _, at, stability in cards)
    return forecast_of(today.date(), days, counts, again=again).model_copy(
        update={"recalled": round(recalled), "rated": len(cards)}
    )


@session()
def read_limits(owner_id: UUID) -> ReviewLimits:
    stored = Account.select(Account.review_limits).where(Account.id == owner_id).scalar()
    return ReviewLimits.model_validate(stored or {})


@transaction()
def save_limits(owner_id: UUID, limits: ReviewLimits) -> ReviewLimits:
    Account.update(review_limits=limits.model_dump()).where(Account.id == owner_id).execute()
    return limits


@session()
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
    return [card.due_at for card in query.order_by(ReviewCard.due_at)]


@session()
def read_card(owner_id: UUID, card_id: UUID) -> Review:
    """Return a card, due or not. Raises NotFound."""
    return _review(*_found(owner_id, card_id))


def check(
    owner_id: UUID, card_id: UUID, request: ReviewCheck, *, is_shown: bool = False
) -> CheckedReview:
    """Grade an answer; the learner rates it later. Raises NotFound, Invalid.

    What may follow an answer that is not right is stored, unless it is just shown once more.
    """
    now = clock.now()
    with session() if is_shown else transaction():
        card, question = _found(owner_id, card_id)
        graded = grade_one(card.number, question, request.chosen)
        if not graded.is_right:
            name = "missed_at" if graded.answer else "gave_up_at"
            setattr(card, name, now)
            if not is_shown:
                ReviewCard.update({name: now}).where(
                    ReviewCard.id == card_id, ReviewCard.reviews == card.reviews
                ).execute()
    return CheckedReview(
        id=card.id,
        reviews=card.reviews,
        question=graded,
        leads_to=outcomes(_memory(card), now),
        ratings=_accepted(card, now),
    )


@transaction()
def review(owner_id: UUID, card_id: UUID, request: ReviewRequest) -> CardState:
    """Rate a card, due or not. Raises NotFound, Invalid, and Conflict if it was rated since."""
    now = clock.now()
    lock_account(owner_id)
    card, _ = _found(owner_id, card_id)
    before = _memory(card)
    after = rated(before, request.rating, now)
    # Another request, an attempt at its quiz, may be rating it.
    unchanged = (ReviewCard.id == card_id) & (ReviewCard.reviews == request.reviews)
    if not ReviewCard.update(**asdict(after)).where(unchanged).execute():
        raise Conflict(
            f"This question does not have {request.reviews} ratings. It may have been "
            "rated elsewhere. Read the due questions again."
        )
    if request.rating not in (accepted := _accepted(card, now)):
        raise Invalid(
            MISSED if ReviewRating.hard in accepted else GAVE_UP,
            fields=(FieldError("/rating", f"must be {' or '.join(map('`{}`'.format, accepted))}"),),
        )
    seconds = learning_days.credit(owner_id, SECONDS_A_REVIEW)
    last = LastRating(id=card_id, at=now, before=before, seconds=seconds).model_dump(mode="json")
    Account.update(last_rating=last).where(Account.id == owner_id).execute()
    return _card_state(card_id, after)


@transaction()
def undo(owner_id: UUID, card_id: UUID, request: UndoRequest) -> CardState:
    """Restore a card as it was before the last rating. Raises NotFound, Conflict."""
    account = lock_account(owner_id)
    _found(owner_id, card_id)
    last = _undoable(account and account.last_rating)
    if last is None or (last.id, last.before.reviews + 1) != (card_id, request.reviews):
        raise Conflict(NOT_LAST)
    # An attempt at its quiz may have rated it since.
    unchanged = (ReviewCard.reviews == request.reviews) & (ReviewCard.reviewed_at == last.at)
    restored = ReviewCard.update(**asdict(last.before))
    if not restored.where((ReviewCard.id == card_id) & unchanged).execute():
        raise Conflict(NOT_LAST)
    Account.update(last_rating=None).where(Account.id == owner_id).execute()
    learning_days.note(owner_id, -last.seconds)
    return _card_state(card_id, last.before)


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


def draw(owner_id: UUID, roadmap_id: UUID, concepts: Sequence[UUID], most: int) -> list[Any]:
    """Return questions of those concepts that are done, with their ids. Needs a session.

    Those that were reviewed least recently come first: one of each concept, then a second one.
    """
    order = (ReviewCard.reviewed_at.asc(nulls="first"), ReviewCard.id)
    rank = peewee.fn.ROW_NUMBER().over(partition_by=[ReviewCard.concept], order_by=list(order))
    done = _asked(owner_id, roadmap_id, *WITH_PLACE, rank.alias("rank")).where(
        Concept.id.in_(concepts), Concept.progress == ConceptProgress.done
    )
    cards = [card for card in done.order_by(rank, *order).limit(most) if card.rank <= EACH]
    questions = _questions(cards)
    return [(str(card.concept_id), questions[card.id]) for card in cards]


def _asked(owner_id: UUID, roadmap_id: UUID | None = None, *wanted: Any) -> peewee.ModelSelect:
    """Select the cards whose questions can be asked."""
    query: peewee.ModelSelect = (
        ReviewCard.select(*(wanted or WITH_PLACE))
        .join(Concept)
        .switch(ReviewCard)
        .join(Roadmap)
        .switch(ReviewCard)
        .join(Content, on=OF_CARD, attr="content")
        .where(ReviewCard.owner == owner_id, Roadmap.trashed_at.is_null(), ~Concept.removed)
    )
    return query if roadmap_id is None else query.where(ReviewCard.roadmap == roadmap_id)


def _counts(owner_id: UUID, at: datetime, roadmap_id: UUID | None = None) -> DueCounts:
    """Return the numbers of due cards of all roadmaps, or of one. Needs a session."""
    statement = f"SELECT {DUE}".replace("?", database.param)
    cursor = database.execute_sql(statement, due_keys(owner_id, at, roadmap_id))
    *numbers, limits = cursor.fetchone()
    return DueCounts(ReviewLimits.model_validate_json(limits or "{}"), *numbers)


def _in_order(new: peewee.ModelSelect, limit: int) -> peewee.ModelSelect:
    """Select the first cards of the courses, of those that were placed first."""
    first = new.clone().columns(ReviewCard.id).order_by(ReviewCard.due_at).limit(MOST_COUNTED)
    places = (Stage.position, Module.position, Concept.position, ReviewCard.number, ReviewCard.id)
    query = new.switch(Concept).join(Module).join(Stage).where(ReviewCard.id.in_(first))
    return query.order_by(*places).limit(limit)


def _found(owner_id: UUID, card_id: UUID) -> tuple[ReviewCard, Question]:
    card = required(
        _asked(owner_id).where(ReviewCard.id == card_id).first(),
        "This question does not exist. It may have been removed from the plan or its "
        "quiz. Read the due questions again.",
    )
    return card, _questions([card])[card.id]


def _questions(cards: Iterable[ReviewCard]) -> dict[UUID, Question]:
    """Return the questions by card; each quiz is read once."""
    places = {(card.content.id, card.version) for card in cards}
    if not places:
        return {}
    versions = (
        (ContentVersion.content == content_id) & (ContentVersion.version == version)
        for content_id, version in places
    )
    quizzes = {
        (row.content_id, row.version): Quiz.model_validate(row.body)
        for row in ContentVersion.select().where(functools.reduce(operator.or_, versions))
    }
    return {
        card.id: quizzes[card.content.id, card.version].questions[card.number] for card in cards
    }


def _memory(card: ReviewCard) -> Memory:
    return Memory(**{name: getattr(card, name) for name in KEPT})


def _card_state(card_id: UUID, memory: Memory) -> CardState:
    return CardState(id=card_id, **asdict(memory) | {"state": memory.name})


def _accepted(card: ReviewCard, now: datetime) -> list[ReviewRating]:
    """Return the ratings that may follow its checks of this sitting, after the last rating."""
    since = max(now - SITTING, card.reviewed_at or now - SITTING)
    gave_up, missed = (bool(at and at > since) for at in (card.gave_up_at, card.missed_at))
    return list(ReviewRating)[: 1 if gave_up else 2 if missed else 4]


def _undoable(stored: Any) -> LastRating | None:
    last = LastRating.model_validate(stored) if stored else None
    return last if last and clock.now() - last.at < SITTING else None


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
