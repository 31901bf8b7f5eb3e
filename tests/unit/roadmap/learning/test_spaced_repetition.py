"""The times at which a question comes back, for ratings in any order, and as FSRS has them."""

from datetime import UTC, datetime, timedelta

import fsrs
from hypothesis import given
from hypothesis import strategies as st

from roadmap.learning.spaced_repetition import (
    FARTHEST,
    SCHEDULER,
    Memory,
    MemoryState,
    ReviewRating,
    outcomes,
    rated,
)

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
AGAIN, HARD, GOOD, EASY = ReviewRating

pauses = st.one_of(
    st.timedeltas(timedelta(), timedelta(minutes=30)),
    st.timedeltas(timedelta(), timedelta(days=40)),
    st.timedeltas(timedelta(days=-1), timedelta(days=4000)),  # also a clock that was put right
)
stories = st.lists(st.tuples(st.sampled_from(ReviewRating), pauses), min_size=1, max_size=40)
Story = list[tuple[ReviewRating, timedelta]]


def lived(story: Story) -> list[Memory]:
    """After each rating."""
    at, memory, after = AT, Memory(due_at=AT), []
    for rating, pause in story:
        at += pause
        memory = rated(memory, rating, at)
        after.append(memory)
    return after


@given(stories)
def test_whatever_is_rated_a_memory_stays_within_its_bounds(story: Story) -> None:
    at = AT
    for number, ((_, pause), memory) in enumerate(zip(story, lived(story), strict=True), 1):
        at += pause
        assert memory.reviewed_at == at
        assert at < memory.due_at <= at + timedelta(days=FARTHEST)
        assert memory.difficulty is not None
        assert memory.stability is not None
        assert 1 <= memory.difficulty <= 10
        assert memory.stability > 0
        assert memory.reviews == number
        assert 0 <= memory.lapses < memory.reviews
        assert (memory.step is None) == (memory.name == MemoryState.review)


@given(stories, pauses)
def test_the_better_it_went_the_later_it_comes_back(story: Story, pause: timedelta) -> None:
    memory = lived(story)[-1]
    assert memory.reviewed_at is not None
    due = outcomes(memory, memory.reviewed_at + pause)
    assert list(due) == [AGAIN, HARD, GOOD, EASY]
    assert sorted(due.values()) == list(due.values())


@given(stories)
def test_the_same_ratings_at_the_same_times_are_the_same_memory(story: Story) -> None:
    assert lived(story) == lived(story)


@given(stories)
def test_it_is_what_fsrs_says_however_often_it_is_taken_apart(story: Story) -> None:
    card, at = fsrs.Card(card_id=7, due=AT), AT
    for (rating, pause), memory in zip(story, lived(story), strict=True):
        at += pause
        card, _ = SCHEDULER.review_card(card, fsrs.Rating[rating.name.capitalize()], at)
        kept = (
            memory.state,
            memory.step,
            memory.stability,
            memory.difficulty,
            memory.due_at,
            memory.reviewed_at,
        )
        assert kept == (
            card.state,
            card.step,
            card.stability,
            card.difficulty,
            card.due,
            card.last_review,
        )


def test_a_lapse_is_what_was_known_and_is_forgotten() -> None:
    story = [(GOOD, 0), (GOOD, 10), (AGAIN, 5000), (AGAIN, 10), (GOOD, 10), (AGAIN, 20000)]
    after = lived([(rating, timedelta(minutes=pause)) for rating, pause in story])
    assert [memory.lapses for memory in after] == [0, 0, 1, 1, 1, 2]
    assert [memory.name for memory in after] == [
        "learning",
        "review",
        "relearning",
        "relearning",
        "review",
        "relearning",
    ]


def test_what_was_forgotten_a_moment_ago_is_shaky() -> None:
    assert not Memory(due_at=AT).is_shaky
    assert [
        memory.is_shaky
        for memory in lived([(AGAIN, timedelta()), (GOOD, timedelta()), (EASY, timedelta())])
    ] == [*(True, False, False)]
