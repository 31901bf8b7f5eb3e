"""Rescue: enqueue overdue rows again, and add nothing to a long queue."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from core import clock
from core.db import settings, transaction
from models.roadmaps import Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.lifecycle.making import content_job, leases, plan_job, rescue
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName
from tasks import content, dispatcher, upkeep
from tasks.queues import content_queue, logs_queue
from tests.unit.roadmap.lifecycle.leased import away
from tests.unit.roadmap.lifecycle.test_jobs import (
    CONTENTS,
    FIRST,
    GOAL,
    LONG,
    Failing,
    Killed,
    Small,
    accepted,
    planned,
    rows,
    the_roadmap,
    use,
)

pytestmark = pytest.mark.usefixtures("immediate")


class TestRescue:
    """Rescued rows are due later than before, whatever time the test takes."""

    def test_a_roadmap_whose_message_was_lost_is_named_after_its_time_and_not_before(self) -> None:
        roadmap_id = accepted()
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Job(JobName.plan_roadmap, roadmap_id)]

    def test_contents_whose_messages_were_lost_are_named_after_their_time_and_not_before(
        self,
    ) -> None:
        _, contents = planned()
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        found = rescue.overdue()
        assert {step.name for step in found} == {JobName.build_content}
        tutorial, resources, _ = contents[:3]
        assert [step.id for step in found] == [tutorial, resources, *contents[3:5]]

    @pytest.fixture(params=["a lost plan", "lost contents", "a dead planner", "a dead writer"])
    def lost(self, request: pytest.FixtureRequest) -> Iterator[int]:
        """The number of steps that rescue should name."""
        if request.param == "a lost plan":
            accepted()
            yield 1
        elif request.param == "lost contents":
            planned()
            yield FIRST
        elif request.param == "a dead planner":
            roadmap_id = accepted()
            with pytest.raises(Killed):
                plan_job.plan(roadmap_id, Failing("outline", Killed()))
            yield 1
        else:
            _, contents = planned()
            for content_id in contents[:-1]:
                content_job.build_content(content_id, Small())
            with pytest.raises(Killed):
                content_job.build_content(contents[-1], Failing("", Killed()))
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
            plan_job.plan(roadmap_id, Failing("outline", Killed()))
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Job(JobName.plan_roadmap, roadmap_id)]

    def test_what_a_dead_writer_left_is_named_when_its_time_is_over_and_not_before(self) -> None:
        _, contents = planned()
        with pytest.raises(Killed):
            content_job.build_content(contents[0], Failing("", Killed()))
        for content_id in contents[1:]:
            content_job.build_content(content_id, Small())
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        # Its quiz waits for it, and is not named.
        assert rescue.overdue() == [Job(JobName.build_content, contents[0])]

    def test_a_quiz_is_named_when_its_tutorial_has_ended_and_its_message_was_lost(self) -> None:
        _, contents = planned()
        tutorial, _, quiz = contents[:3]
        second = Small()
        assert content_job.build_content(quiz, second) == []  # not before its tutorial
        assert (second.asked, rescue.overdue()) == ([], [])
        clock.travel(2 * LONG)
        (step,) = content_job.build_content(tutorial, Small())
        assert step == Job(JobName.build_content, quiz, first=True)
        assert quiz not in {step.id for step in rescue.overdue()}  # its message has just been sent
        clock.travel(2 * LONG)
        assert quiz in {step.id for step in rescue.overdue()}

    def test_what_waits_for_its_next_attempt_is_not_lost(self) -> None:
        roadmap_id = accepted()
        (step,) = plan_job.plan(
            roadmap_id, Failing("outline", GeneratorFault("Busy.", retry_after=200))
        )
        assert step.delay == 200
        clock.travel(timedelta(seconds=150))
        assert rescue.overdue() == []
        clock.travel(timedelta(seconds=60))
        assert rescue.overdue() == [Job(JobName.plan_roadmap, roadmap_id)]

    @pytest.mark.parametrize("of", ["nothing", "quiz", "outline", ""])
    def test_nothing_of_a_finished_roadmap_is_ever_lost(
        self, of: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(Failing(of, GeneratorFault("No.", lasting=True)), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        assert the_roadmap(roadmap_id).finished_at is not None
        clock.travel(LONG)
        assert rescue.overdue() == []

    def test_what_is_rescued_is_finished(self, monkeypatch: pytest.MonkeyPatch) -> None:
        small = use(Small(), monkeypatch)
        roadmap_id = accepted()
        clock.travel(LONG)
        dispatcher.enqueue(rescue.overdue())
        assert the_roadmap(roadmap_id).status == "ready"
        assert len(small.asked) == 1 + CONTENTS

    def test_at_most_five_hundred_are_named_at_once_and_the_rest_the_next_time(self) -> None:
        request = RoadmapRequest(goal=GOAL)
        for _ in range(3):
            create_many([NewRoadmap(LOCAL_OWNER, request) for _ in range(200)])
        clock.travel(LONG)
        first, second = rescue.overdue(), rescue.overdue()
        assert (len(first), len(second)) == (500, 100)
        assert len({step.id for step in first + second}) == 600

    def test_what_a_live_worker_holds_is_not_named_however_late_it_is(self) -> None:
        clock.travel(-LONG)
        roadmap_id, (*others, first) = planned()
        for content_id in others:
            content_job.build_content(content_id, Small())
        second = accepted()
        clock.travel(LONG)
        assert {step.id for step in rescue.overdue()} == {first, second}
        clock.travel(2 * LONG)  # overdue again
        with transaction():
            assert leases.claim(leases.PLANNING, second)
            assert leases.claim(leases.BUILDING, first)
        assert rescue.overdue() == []
        clock.travel(leases.LASTS)
        assert {step.id for step in rescue.overdue()} == {first, second}
        assert the_roadmap(roadmap_id).status == "building"


class TestPatience:
    """Something of the same age as the other, and a queue that is empty, or not, or too long."""

    AGE = timedelta(seconds=settings.rescue_after_seconds * rescue.CONTENT_PATIENCE)

    @pytest.fixture
    def both(self) -> tuple[UUID, list[UUID]]:
        """A roadmap and contents that are due for almost as long as contents may wait."""
        clock.travel(-self.AGE * 0.9)
        _, contents = planned()
        roadmap_id = accepted()
        clock.travel(self.AGE * 0.9)
        return roadmap_id, [*contents[:2], *contents[3:5]]

    def named(self, waiting: int) -> set[UUID]:
        return {step.id for step in rescue.overdue(waiting)}

    def test_while_nothing_waits_in_the_queue_what_is_late_is_lost(
        self, both: tuple[UUID, list[UUID]]
    ) -> None:
        assert self.named(0) == {both[0], *both[1]}

    def test_while_messages_wait_contents_get_more_time_and_outlines_do_not(
        self, both: tuple[UUID, list[UUID]]
    ) -> None:
        assert self.named(1) == {both[0]}
        clock.travel(self.AGE)
        assert self.named(rescue.MANY - 1) == {both[0], *both[1]}

    def test_few_contents_are_added_to_a_long_queue_the_oldest_first(
        self, both: tuple[UUID, list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rescue, "FEW", 2)
        clock.travel(LONG)
        roadmap_id, contents = both
        assert self.named(rescue.MANY) == {roadmap_id, *contents[:2]}
        assert self.named(rescue.MANY) == set(contents[2:4])  # further rounds come to the last

    def test_nothing_is_added_to_a_queue_that_is_too_long(
        self, both: tuple[UUID, list[UUID]]
    ) -> None:
        clock.travel(LONG)
        assert self.named(rescue.TOO_MANY) == set()
        assert self.named(0) == {both[0], *both[1]}  # not looking has put nothing off

    @pytest.mark.parametrize("waiting", [0, 1])
    def test_what_is_not_late_yet_is_never_named(self, waiting: int) -> None:
        clock.travel(LONG)
        planned()
        accepted()
        clock.travel(-timedelta(minutes=1))
        assert rescue.overdue(waiting) == []


class TestUpkeep:
    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[list[Job]]:
        """The jobs that upkeep has sent, by round."""
        rounds: list[list[Job]] = []
        monkeypatch.setattr(upkeep, "enqueue", rounds.append)
        return rounds

    def many(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Roadmaps that are late, of which rescue names ten at once."""
        monkeypatch.setattr(rescue, "MOST_AT_ONCE", 10)
        create_many([NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=GOAL)) for _ in range(number)])
        clock.travel(LONG)

    def test_a_backlog_is_sent_in_several_rounds(
        self, sent: list[list[Job]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.many(35, monkeypatch)
        upkeep.rescue_again.call_local()
        assert [len(steps) for steps in sent] == [10, 10, 10, 5]
        assert {step.id for steps in sent for step in steps} == {row["id"] for row in rows(Roadmap)}

    def test_after_ten_rounds_the_rest_waits_for_the_next_time(
        self, sent: list[list[Job]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.many(125, monkeypatch)
        upkeep.rescue_again.call_local()
        assert [len(steps) for steps in sent] == [10] * upkeep.ROUNDS == [10] * 10
        upkeep.rescue_again.call_local()
        assert [len(steps) for steps in sent[10:]] == [10, 10, 5]
        assert len({step.id for steps in sent for step in steps}) == 125

    def test_rescue_gets_the_number_of_waiting_messages(self, sent: list[list[Job]]) -> None:
        planned()
        clock.travel(LONG)
        content_queue.storage.enqueue_many([(b"a message", 0)] * rescue.TOO_MANY)
        upkeep.rescue_again.call_local()
        assert sent == [[]]
        content_queue.storage.flush_queue()
        upkeep.rescue_again.call_local()
        assert len(sent[-1]) == FIRST

    def test_what_upkeep_finds_is_finished(self, monkeypatch: pytest.MonkeyPatch) -> None:
        use(Small(), monkeypatch)
        roadmap_id = accepted()
        clock.travel(LONG)
        upkeep.rescue_overdue()
        assert the_roadmap(roadmap_id).status == "ready"

    def test_what_is_lost_within_the_minute_is_found_within_the_minute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(Small(), monkeypatch)
        upkeep.rescue_overdue()
        roadmap_id = accepted()
        clock.travel(timedelta(seconds=upkeep.FOLLOW_UPS[0] + 1))
        assert logs_queue.drain() == 1
        assert the_roadmap(roadmap_id).status == "ready"

    def test_a_queue_that_is_paused_gets_no_message_twice_and_what_was_lost_is_found_afterwards(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(Small(), monkeypatch)
        roadmap_id = accepted()  # its message is lost
        content_queue.pause()
        for _ in range(3):
            clock.travel(LONG)
            upkeep.rescue_overdue()
        assert content_queue.pending_count() == 0
        content_queue.resume()
        upkeep.rescue_overdue()
        assert the_roadmap(roadmap_id).status == "ready"

    def test_the_times_between_go_by_the_one_clock(self, sent: list[list[Job]]) -> None:
        clock.travel(LONG)
        upkeep.rescue_overdue()
        assert logs_queue.drain() == 0
        for after in (20, 20):
            clock.travel(timedelta(seconds=after + 1))
            assert logs_queue.drain() == 1
        assert len(sent) == 3

    def test_upkeep_ends_well_although_its_next_times_cannot_be_scheduled(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logs_queue.immediate = False  # its storage on disk, which can fail
        tries = []

        def refuse(*_: object) -> None:
            tries.append(1)
            raise logs_queue.storage.faults[0]("the broker is away")

        monkeypatch.setattr(logs_queue.storage, "add_to_schedule", refuse)
        monkeypatch.setattr(logs_queue.storage, "enqueue", refuse)
        upkeep.rescue_overdue.call_local()
        assert tries

    def test_while_the_database_is_away_upkeep_says_so_and_waits_for_its_next_time(
        self, sent: list[list[Job]], caplog: pytest.LogCaptureFixture
    ) -> None:
        accepted()
        clock.travel(LONG)
        with away():
            upkeep.rescue_again.call_local()
        assert "rescue tries again in a moment" in caplog.text
        assert sent == []
        upkeep.rescue_again.call_local()
        assert [len(steps) for steps in sent] == [1]

    def test_what_the_broker_did_not_take_is_named_again(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        content_queue.immediate = False  # its storage on disk, which can fail

        def refuse(messages: object) -> None:
            raise content_queue.storage.faults[0]("the broker is away")

        roadmap_id = accepted()
        clock.travel(LONG)
        with monkeypatch.context() as patch:
            patch.setattr(content_queue.storage, "enqueue_many", refuse)
            upkeep.rescue_again.call_local()
        assert "rescue tries again in a moment: the broker is away" in caplog.text
        clock.travel(timedelta(seconds=settings.rescue_after_seconds + 1))
        assert rescue.overdue() == [Job(JobName.plan_roadmap, roadmap_id)]
