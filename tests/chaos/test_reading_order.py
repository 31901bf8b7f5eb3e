"""Concept by concept: the first lesson is whole long before the rest."""

from statistics import median

import pytest

from testing.stack import running
from tests.chaos.checks import (
    GOAL,
    MakeStack,
    assert_built_once,
    repeated,
    restart,
    wait_until_held,
)
from tests.chaos.model import PATIENT, Asked, serving, tutorials

CONCEPTS = 30
TENTH = (2 + 3 * CONCEPTS) // 10  # of all calls
FIRST_LESSON = {Asked(GOAL, "Part 1", kind) for kind in ("tutorial", "resources", "quiz")}


@pytest.mark.long
@pytest.mark.parametrize("mode", ["embedded", "server"])
def test_the_first_lesson_is_whole_within_the_first_tenth_of_the_calls(
    make_stack: MakeStack, mode: str
) -> None:
    # Two threads: with a model that answers at once, more depend on the scheduler.
    with (
        serving(CONCEPTS) as model,
        running(make_stack(mode, **model.environment, CONTENT_WORKERS="2")) as stack,
    ):
        assert_built_once(stack, stack.create(GOAL))
    answered = [call.asked for call in sorted(model.calls, key=lambda call: call.ended)]
    assert len(answered) == 2 + 3 * CONCEPTS
    assert set(answered[:TENTH]) >= FIRST_LESSON, [asked[1:] for asked in answered[:12]]
    places = [answered.index(Asked(GOAL, f"Part {n}", "quiz")) for n in range(1, CONCEPTS + 1)]
    distances = [abs(place - 3 * number) for number, place in enumerate(places, 1)]
    assert median(distances) < 6, distances


@pytest.mark.long
def test_quizzes_wait_for_their_tutorials_and_are_written_although_the_worker_dies(
    make_stack: MakeStack,
) -> None:
    concepts = 6
    with (
        serving(concepts) as model,
        running(make_stack("embedded", **model.environment, **PATIENT)) as stack,
    ):
        model.hold(tutorials)
        path = stack.create(GOAL)
        wait_until_held(model, 4)  # all threads: no quiz has begun
        assert {asked.kind for asked in model.counts()} == {
            *("analysis", "outline", "tutorial", "resources")
        }
        stack.content.kill()
        interrupted = set(model.held())
        model.let_go()
        restart(stack)
        assert_built_once(stack, path)
    assert repeated(model) == dict.fromkeys(interrupted, 2)
