"""Rescue: what nobody has taken is named again after its time, and a long queue is not made longer."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import clock
from roadmap import building, planning, rescue
from roadmap.accounts import LOCAL_OWNER
from roadmap.briefs import GeneratorFault
from roadmap.creating import create_many, new_roadmap
from roadmap.requests import RoadmapRequest
from roadmap.steps import Step, StepName
from tasks import content
from tests.unit.test_building import CONTENTS, GOAL, LONG, Failing, Killed, Small, accepted, planned, small, the_roadmap, use  # noqa: F401

pytestmark = pytest.mark.usefixtures("immediate")


class TestRescue:
    """`travel` goes back as well: what is rescued is due later than it was, whatever time the test takes."""

    def test_a_roadmap_whose_message_was_lost_is_named_after_its_time_and_not_before(self) -> None:
        roadmap_id = accepted()
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Step(StepName.plan_roadmap, roadmap_id)]

    def test_contents_whose_messages_were_lost_are_named_after_their_time_and_not_before(self) -> None:
        _, contents = planned()
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        found = rescue.overdue()
        assert {step.name for step in found} == {StepName.build_content}
        assert sorted(step.id for step in found) == sorted(contents)

    @pytest.fixture(params=["a lost plan", "lost contents", "a dead planner", "a dead writer"])
    def lost(self, request: pytest.FixtureRequest) -> Iterator[int]:
        """The number of steps that rescue should name."""
        if request.param == "a lost plan":
            accepted()
            yield 1
        elif request.param == "lost contents":
            planned()
            yield CONTENTS
        elif request.param == "a dead planner":
            roadmap_id = accepted()
            with pytest.raises(Killed):
                planning.plan(roadmap_id, Failing("outline", Killed()))
            yield 1
        else:
            _, contents = planned()
            with pytest.raises(Killed):
                building.build_content(contents[0], Failing("", Killed()))
            for content_id in contents[1:]:
                building.build_content(content_id, Small())
            yield 1

    def test_what_was_named_is_not_named_again_until_its_next_time(self, lost: int) -> None:
        clock.travel(2 * LONG)
        assert len(rescue.overdue()) == lost
        clock.travel(-LONG)  # past the first time, before the next
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert len(rescue.overdue()) == lost

    def test_what_a_dead_planner_left_is_named_when_its_time_is_over_and_not_before(self) -> None:
        roadmap_id = accepted()
        with pytest.raises(Killed):
            planning.plan(roadmap_id, Failing("outline", Killed()))
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Step(StepName.plan_roadmap, roadmap_id)]

    def test_what_a_dead_writer_left_is_named_when_its_time_is_over_and_not_before(self) -> None:
        _, contents = planned()
        with pytest.raises(Killed):
            building.build_content(contents[0], Failing("", Killed()))
        for content_id in contents[1:]:
            building.build_content(content_id, Small())
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Step(StepName.build_content, contents[0])]

    def test_what_waits_for_its_next_attempt_is_not_lost(self) -> None:
        roadmap_id = accepted()
        (step,) = planning.plan(roadmap_id, Failing("outline", GeneratorFault("Busy.", retry_after=200)))
        assert step.delay == 200
        clock.travel(timedelta(seconds=150))
        assert rescue.overdue() == []
        clock.travel(timedelta(seconds=60))
        assert rescue.overdue() == [Step(StepName.plan_roadmap, roadmap_id)]

    @pytest.mark.parametrize("of", ["nothing", "quiz", "outline", ""])
    def test_nothing_of_a_finished_roadmap_is_ever_lost(self, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
        use(Failing(of, GeneratorFault("No.", lasting=True)), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        assert the_roadmap(roadmap_id).finished_at is not None
        clock.travel(LONG)
        assert rescue.overdue() == []

    def test_what_is_rescued_is_finished(self, small: Small) -> None:
        roadmap_id = accepted()
        clock.travel(LONG)
        content.send(rescue.overdue())
        assert the_roadmap(roadmap_id).status == "ready"
        assert len(small.asked) == 1 + CONTENTS

    def test_at_most_five_hundred_are_named_at_once_and_the_rest_the_next_time(self) -> None:
        request = RoadmapRequest(goal=GOAL)
        for _ in range(3):
            create_many([new_roadmap(LOCAL_OWNER, request) for _ in range(200)])
        clock.travel(LONG)
        first, second = rescue.overdue(), rescue.overdue()
        assert (len(first), len(second)) == (500, 100)
        assert len({step.id for step in first + second}) == 600
