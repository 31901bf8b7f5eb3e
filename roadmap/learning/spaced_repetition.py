"""Spaced repetition by FSRS: memory of a question, and when it comes back. Pure.

A question that is new or was forgotten comes back within minutes until it is known, then after
days, more of them each time. It is due when nine of ten such questions would still be answered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import fsrs

FARTHEST = 3650  # days until a question comes back, at most
MOST_STABILITY = 1_000_000.0  # days, of an imported memory
MOST_REVIEWS = 100_000  # of an imported memory; more than any learner has
# Deterministic, without fuzzing.
SCHEDULER = fsrs.Scheduler(maximum_interval=FARTHEST, enable_fuzzing=False)


class ReviewRating(StrEnum):
    """The learner's rating of a review."""

    again = "again"  # it was forgotten
    hard = "hard"
    good = "good"
    easy = "easy"


class MemoryState(StrEnum):
    learning = "learning"
    review = "review"
    relearning = "relearning"


RATINGS = {
    ReviewRating.again: fsrs.Rating.Again,
    ReviewRating.hard: fsrs.Rating.Hard,
    ReviewRating.good: fsrs.Rating.Good,
    ReviewRating.easy: fsrs.Rating.Easy,
}
STEPS = {  # numbers of steps; a question in review has none
    fsrs.State.Learning: len(SCHEDULER.learning_steps),
    fsrs.State.Relearning: len(SCHEDULER.relearning_steps),
}
RATED = ("stability", "difficulty", "reviewed_at")  # set once it was rated


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one question, as it is stored.

    `stability` is in days, `difficulty` from 1 to 10; both are null until it was rated. `begun_at`
    is the time of the first rating; null also of an older version.
    """

    due_at: datetime
    state: int = fsrs.State.Learning
    step: int | None = 0
    stability: float | None = None
    difficulty: float | None = None
    reviewed_at: datetime | None = None
    reviews: int = 0
    lapses: int = 0
    begun_at: datetime | None = None

    @property
    def name(self) -> MemoryState:
        return MemoryState[fsrs.State(self.state).name.lower()]

    @property
    def is_new(self) -> bool:
        return self.reviews == 0

    @property
    def is_shaky(self) -> bool:
        """Whether it was just forgotten, and comes back within minutes."""
        return not self.is_new and self.state != fsrs.State.Review and self.step == 0


def faults(memory: Memory) -> Iterator[tuple[str, str]]:
    """Yield fields of a memory that break a rule, with the rule.

    Such a memory cannot be rated, or is none that `rated` returns. Its numbers are within the
    bounds of their types.
    """
    steps = STEPS.get(fsrs.State(memory.state))
    if steps is None and memory.step is not None:
        yield "step", "must be null: the state review has no steps"
    elif steps is not None and (memory.step is None or not 0 <= memory.step < steps):
        yield "step", f"must be a step of this state: {' or '.join(map(str, range(steps)))}"
    if memory.lapses > memory.reviews:
        yield "lapses", f"must be at most the number of reviews, {memory.reviews}"
    if memory.is_new and memory.state != fsrs.State.Learning:
        yield "state", "must be 1: there was no review"
    rule = (
        "must be null: there was no review" if memory.is_new else "is required: there was a review"
    )
    for name in RATED:
        if (getattr(memory, name) is None) != memory.is_new:
            yield name, rule
    if memory.is_new:
        return
    if memory.stability is not None and memory.stability <= 0:
        yield "stability", "should be greater than 0"
    if memory.difficulty is not None and not 1 <= memory.difficulty <= 10:
        yield "difficulty", "should be from 1 to 10"
    if memory.reviewed_at is not None and memory.due_at < memory.reviewed_at:
        yield "due_at", "must not be before the last review"


def rated(memory: Memory, rating: ReviewRating, at: datetime) -> Memory:
    """Return the memory after a rating at this time, in UTC."""
    card = fsrs.Card(
        card_id=0,  # without one it would wait for another millisecond
        state=fsrs.State(memory.state),
        step=memory.step,
        stability=memory.stability,
        difficulty=memory.difficulty,
        due=memory.due_at,
        last_review=memory.reviewed_at,
    )
    card, _ = SCHEDULER.review_card(card, RATINGS[rating], at)
    is_lapse = memory.state == fsrs.State.Review and rating == ReviewRating.again
    return Memory(
        due_at=card.due,
        state=int(card.state),
        step=card.step,
        stability=card.stability,
        difficulty=card.difficulty,
        reviewed_at=at,
        reviews=memory.reviews + 1,
        lapses=memory.lapses + is_lapse,
        begun_at=at if memory.is_new else memory.begun_at,
    )


def retrievability(stability: float, reviewed_at: datetime, at: datetime) -> float:
    """Return the probability that a rated question is answered at this time, in UTC."""
    card = fsrs.Card(card_id=0, stability=stability, due=at, last_review=reviewed_at)
    return SCHEDULER.get_card_retrievability(card, at)


def outcomes(memory: Memory, at: datetime) -> dict[ReviewRating, datetime]:
    """Return the time of the next review for each rating at this time."""
    return {rating: rated(memory, rating, at).due_at for rating in ReviewRating}
