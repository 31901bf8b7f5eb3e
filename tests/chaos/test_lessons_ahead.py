"""LESSONS_AHEAD: only lessons near the learner are written; progress brings the others."""

from typing import Any

import pytest

from testing.stack import Stack, running
from testing.waiting import wait_until
from tests.chaos.checks import GOAL, MakeStack, repeated, restart, wait_until_held
from tests.chaos.model import PATIENT, Model, contents, serving

CONCEPTS, AHEAD = 6, 1


def lessons(stack: Stack, path: str) -> list[dict[str, Any]]:
    stages = stack.get(path).json()["stages"]
    return [each for stage in stages for module in stage["modules"] for each in module["concepts"]]


def asked_for(model: Model) -> set[str]:
    return {asked.concept for asked in model.counts() if asked.concept}


def learn(stack: Stack, path: str, number: int, progress: str) -> None:
    place = f"{path}/concepts/{lessons(stack, path)[number - 1]['id']}/progress"
    assert stack.request("PUT", place, json={"progress": progress}).status_code == 200


def ready(stack: Stack, path: str, parts: int) -> None:
    """So many are written, and nothing else is expected."""

    def is_it() -> bool:
        tree = stack.get(path).json()
        whole = {"ready": parts, "failed": 0, "total": parts}
        return (tree["status"], tree["progress"]) == ("ready", whole)

    wait_until(is_it, reason=f"{parts} parts are ready")


@pytest.mark.long
@pytest.mark.parametrize("mode", ["embedded", "server"])
def test_lessons_follow_the_learner_and_survive_the_death_of_the_worker(
    make_stack: MakeStack, mode: str
) -> None:
    with (
        serving(CONCEPTS) as model,
        running(
            make_stack(mode, **model.environment, **PATIENT, LESSONS_AHEAD=str(AHEAD))
        ) as stack,
    ):
        path = stack.create(GOAL)
        ready(stack, path, 3 * (1 + AHEAD))
        assert asked_for(model) == {"Part 1", "Part 2"}
        assert [bool(each["contents"]) for each in lessons(stack, path)] == [True] * 2 + [False] * 4

        learn(stack, path, 1, "learning")  # moves nothing
        learn(stack, path, 1, "done")
        ready(stack, path, 9)
        assert asked_for(model) == {"Part 1", "Part 2", "Part 3"}

        learn(stack, path, 6, "learning")  # opened out of turn
        ready(stack, path, 12)
        assert asked_for(model) == {"Part 1", "Part 2", "Part 3", "Part 6"}

        model.hold(contents)
        learn(stack, path, 2, "skipped")
        wait_until_held(model, 2)
        stack.content.kill()
        interrupted = set(model.held())
        model.let_go()
        restart(stack)
        learn(stack, path, 3, "done")
        ready(stack, path, 3 * CONCEPTS)
        assert repeated(model) == dict.fromkeys(interrupted, 2)
        assert len(model.counts()) == 2 + 3 * CONCEPTS


@pytest.mark.long
def test_without_it_all_are_written_at_once(make_stack: MakeStack) -> None:
    with (
        serving(CONCEPTS) as model,
        running(make_stack("embedded", **model.environment)) as stack,
    ):
        path = stack.create(GOAL)
        ready(stack, path, 3 * CONCEPTS)
