"""Planning and building: run twice, taken over, bounded in attempts, with events."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings, transaction
from core.errors import Unauthenticated
from core.ids import new_id
from models.records import ExecutionLog
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, RoadmapEvent, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation import generator as generator_module
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief, DesignBrief, GeneratorFault
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS
from roadmap.lifecycle import events
from roadmap.lifecycle.making import content_job, leases, plan_job, rescue
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.operations import execution_log
from roadmap.plan import statuses
from roadmap.plan.outline import ContentKind, Contents, Outline, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName
from tasks import content, dispatcher
from tasks.queues import content_queue
from testing.waiting import HANG

pytestmark = pytest.mark.usefixtures("immediate")

GOAL = "Become a backend engineer in Python"
TABLES = (Roadmap, Stage, Module, Concept, Content, ContentVersion, RoadmapEvent)
CONTENTS = 6  # of the small outline: two concepts with three each
FIRST = 4  # of them: quizzes wait for their tutorials
LEASE_OVER = leases.LASTS + timedelta(seconds=1)
LONG = timedelta(hours=1)  # longer than any pause, lease or patience


class Small(CatalogueGenerator):
    """The first two concepts of the catalogue's track; counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def outline(self, design: DesignBrief) -> Outline:
        self.asked.append("outline")
        made = super().outline(design)
        stage = made.stages[0]
        module = stage.modules[0].model_copy(update={"concepts": stage.modules[0].concepts[:2]})
        return made.model_copy(
            update={"stages": (stage.model_copy(update={"modules": (module,)}),)}
        )

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        self.asked.append(f"{kind} of {brief.key}")
        return super().write(kind, brief)


class Failing(Small):
    """Fails at what `of` names ("outline", a kind, or "" for everything), `times` times."""

    def __init__(self, of: str, fault: BaseException, *, times: int = 1_000_000) -> None:
        super().__init__()
        self.of, self.fault, self.left = of, fault, times

    def outline(self, design: DesignBrief) -> Outline:
        made = super().outline(design)
        self._fail_at("outline")
        return made

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        written = super().write(kind, brief)
        self._fail_at(kind)
        return written

    def _fail_at(self, what: str) -> None:
        if self.left and what.startswith(self.of):
            self.left -= 1
            raise self.fault.with_traceback(None)


class Interrupted(Small):
    """Does something else while it thinks, once; then it answers with a mark, or fails."""

    def __init__(
        self, meanwhile: Callable[[], object], fault: GeneratorFault | None = None
    ) -> None:
        super().__init__()
        self.meanwhile, self.fault = meanwhile, fault

    def outline(self, design: DesignBrief) -> Outline:
        return super().outline(design).model_copy(update={"title": self._late()})

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        return Tutorial(markdown=self._late())

    def _late(self) -> str:
        self.meanwhile()
        if self.fault is not None:
            raise self.fault.with_traceback(None)
        return "too late"


class Killed(BaseException):
    """The worker dies: nothing of ours gets to handle it."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    """The generator that the tasks of this test use."""
    return use(Small(), monkeypatch)


class Heart:
    """Beats when a test says so, in place of the pauses between two renewals of its keeper."""

    def __init__(self, keeper: leases.LeaseKeeper) -> None:
        self.keeper, self.others = keeper, set(threading.enumerate())
        self.pause = leases.sleep  # of the product
        self.resting, self.beats = threading.Semaphore(0), threading.Semaphore(0)

    def rest(self, seconds: float) -> None:
        if threading.current_thread() in self.others:  # another keeper's
            self.pause(seconds)
            return
        self.resting.release()
        self.beats.acquire()

    def beat(self) -> None:
        """Renew all leases once, and stop the work that has lost its lease."""
        assert self.resting.acquire(timeout=HANG)
        self.beats.release()
        assert self.resting.acquire(timeout=HANG)  # it has renewed, and rests again
        self.resting.release()


@contextmanager
def beating_by_hand() -> Iterator[Heart]:
    """Give the workers of this process a keeper of their own.

    While it does not beat, they renew no lease, as when the process is stopped.
    """
    made = Heart(leases.LeaseKeeper())
    with pytest.MonkeyPatch.context() as patch:
        for module in (leases, plan_job, content_job):
            patch.setattr(module, "keeper", made.keeper)
        patch.setattr(leases, "sleep", made.rest)
        yield made
        made.beats.release()  # its thread has nothing to do any more, and waits for ever


@pytest.fixture
def paused() -> Iterator[Heart]:
    with beating_by_hand() as heart:
        yield heart


def use(generator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(generator_module, "current_generator", lambda: generator)
    return generator


def accepted(**fields: Any) -> UUID:
    """A roadmap that is stored and nothing more, as when its message is lost."""
    (step,) = create_many([NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=GOAL, **fields))])
    assert isinstance(step, Job)
    return step.id


def planned() -> tuple[UUID, list[UUID]]:
    """A roadmap with an outline, and its pending contents, concept by concept."""
    roadmap_id = accepted()
    plan_job.plan(roadmap_id, Small())
    return roadmap_id, sorted(row["id"] for row in rows(Content, Content.roadmap == roadmap_id))


def wait_out(look: Callable[[], list[Job]]) -> None:
    """Let a lease run out, look at it, and let the time of a live holder to renew it pass."""
    clock.travel(LEASE_OVER)
    (step,) = look()
    clock.travel(timedelta(seconds=step.delay))


def rows(table: Any, *where: Any) -> list[dict[str, Any]]:
    with session():
        query = table.select().where(*where) if where else table.select()
        return sorted(query.dicts(), key=str)


def everything() -> dict[str, list[dict[str, Any]]]:
    return {table.__name__: rows(table) for table in TABLES}


def the_roadmap(roadmap_id: UUID) -> Roadmap:
    with session():
        return Roadmap.get_by_id(roadmap_id)


def the_content(content_id: UUID) -> Content:
    with session():
        return Content.get_by_id(content_id)


def error_records(roadmap_id: UUID) -> list[str]:
    execution_log.buffer.flush()
    return [
        row["message"]
        for row in rows(
            ExecutionLog, ExecutionLog.roadmap_id == roadmap_id, ExecutionLog.level == "error"
        )
    ]


def run_until_final(roadmap_id: UUID, *, with_rescue: bool = False) -> Roadmap:
    """Let time pass until the roadmap has come to its end."""
    for _ in range(50):
        row = the_roadmap(roadmap_id)
        if row.finished_at is not None:
            return row
        clock.travel(LONG)
        content_queue.drain()
        dispatcher.enqueue(rescue.overdue() if with_rescue else [])
    raise AssertionError(f"the roadmap stays {row.status}")


def assert_events_without_gaps(roadmap_id: UUID) -> list[statuses.Event]:
    page = events.events_after(roadmap_id, 0)
    assert [event.seq for event in page] == list(range(1, len(page) + 1))
    assert the_roadmap(roadmap_id).last_seq == len(page)
    assert page[0].type == "roadmap.queued"
    assert [event.seq for event in page if event.is_terminal] == [len(page)]
    return page


class TestTwice:
    def test_planning_and_building_a_finished_roadmap_again_changes_and_calls_nothing(
        self, small: Small
    ) -> None:
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        assert the_roadmap(roadmap_id).status == "ready"
        before, asked = everything(), list(small.asked)

        content.plan_roadmap(str(roadmap_id))
        for row in rows(Content):
            content.build_content(str(row["id"]))

        assert everything() == before
        assert small.asked == asked
        assert len(set(asked)) == len(asked) == 1 + CONTENTS

    def test_planning_again_while_contents_are_pending_only_names_them_again(self) -> None:
        roadmap_id, contents = planned()
        before, second = everything(), Small()
        tutorial, resources, _ = contents[:3]
        again = plan_job.plan(roadmap_id, second)
        assert [step.id for step in again] == [tutorial, resources, *contents[3:5]]
        assert everything() == before
        assert second.asked == []

    def test_writing_a_content_again_while_others_are_pending_changes_nothing(self) -> None:
        _, contents = planned()
        content_job.build_content(contents[0], Small())
        before, second = everything(), Small()
        again = content_job.build_content(contents[0], second)
        assert again == [Job(JobName.build_content, contents[2], first=True)]  # may be lost
        assert everything() == before
        assert second.asked == []

    def test_a_failed_roadmap_is_not_planned_again(self) -> None:
        roadmap_id = accepted()
        plan_job.plan(roadmap_id, Failing("outline", GeneratorFault("No.", lasting=True)))
        before, second = everything(), Small()
        assert plan_job.plan(roadmap_id, second) == []
        assert everything() == before
        assert second.asked == []

    def test_what_does_not_exist_any_more_is_passed_over(self) -> None:
        second = Small()
        assert plan_job.plan(new_id(), second) == []
        assert content_job.build_content(new_id(), second) == []
        assert second.asked == []

    def test_threads_that_build_everything_twice_write_everything_once(self) -> None:
        roadmap_id, contents = planned()
        shared = Small()

        def work(mine: list[UUID]) -> None:
            for content_id in mine:
                for step in content_job.build_content(content_id, shared):
                    if step.first:
                        content_job.build_content(step.id, shared)

        threads = [
            threading.Thread(target=work, args=[order])
            for order in (contents, contents[::-1], contents, contents[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert the_roadmap(roadmap_id).status == "ready"
        assert sorted(shared.asked) == sorted(set(shared.asked))
        assert len(rows(ContentVersion)) == CONTENTS
        assert_events_without_gaps(roadmap_id)


@pytest.mark.usefixtures("paused")
class TestLeases:
    def test_who_finds_a_roadmap_held_comes_back_when_the_lease_is_over(self) -> None:
        roadmap_id = accepted()
        second, found = Small(), []
        plan_job.plan(
            roadmap_id, Interrupted(lambda: found.extend(plan_job.plan(roadmap_id, second)))
        )
        assert second.asked == []
        assert [(step.name, step.id) for step in found] == [(JobName.plan_roadmap, roadmap_id)]
        assert 0 < found[0].delay <= leases.LASTS.total_seconds() + leases.AFTER
        assert the_roadmap(roadmap_id).title == "too late"  # the holder was in time

    def test_who_finds_a_content_held_comes_back_when_the_lease_is_over(self) -> None:
        _, contents = planned()
        second, found = Small(), []
        first = Interrupted(lambda: found.extend(content_job.build_content(contents[0], second)))
        steps = content_job.build_content(contents[0], first)
        assert steps == [Job(JobName.build_content, contents[2], first=True)]  # the quiz
        assert second.asked == []
        assert [(step.name, step.id) for step in found] == [(JobName.build_content, contents[0])]
        assert 0 < found[0].delay <= leases.LASTS.total_seconds() + leases.AFTER
        assert the_content(contents[0]).status == "ready"

    def test_a_roadmap_is_taken_over_when_the_lease_is_over_and_the_late_outline_is_discarded(
        self,
    ) -> None:
        roadmap_id = accepted()
        second, steps = Small(), list[Job]()

        def take_over() -> None:
            wait_out(lambda: plan_job.plan(roadmap_id, second))
            assert second.asked == []
            steps.extend(plan_job.plan(roadmap_id, second))

        assert (
            plan_job.plan(roadmap_id, Interrupted(take_over)) == steps
        )  # again: they may have been lost

        row = the_roadmap(roadmap_id)
        assert (row.status, row.title) == ("building", "Backend engineer with Python")
        assert (row.attempts, row.interruptions) == (1, 1)
        assert second.asked == ["outline"]
        assert row.contents_total == len(rows(Content)) == CONTENTS
        assert len(steps) == FIRST
        assert (len(rows(Stage)), len(rows(Module)), len(rows(Concept))) == (1, 1, 2)

    def test_a_content_is_taken_over_when_the_lease_is_over_and_the_late_text_is_discarded(
        self,
    ) -> None:
        roadmap_id, contents = planned()
        second = Small()

        def take_over() -> None:
            wait_out(lambda: content_job.build_content(contents[0], second))
            assert second.asked == []
            content_job.build_content(contents[0], second)

        again = content_job.build_content(contents[0], Interrupted(take_over))
        assert [step for step in again if not step.first] == []  # the quiz: it may be lost

        assert len(second.asked) == 1
        (version,) = rows(ContentVersion)
        assert version["version"] == 1
        assert "too late" not in str(version["body"])
        row = the_content(contents[0])
        assert (
            row.version,
            row.attempts,
            row.interruptions,
            the_roadmap(roadmap_id).contents_ready,
        ) == (1, 1, 1, 1)

    def test_a_late_worker_whose_successor_has_not_finished_discards_its_text_too(self) -> None:
        _, contents = planned()

        def take_over_and_think() -> None:
            wait_out(lambda: content_job.build_content(contents[0], Small()))
            with transaction():
                assert leases.claim(leases.BUILDING, contents[0]) is not None

        content_job.build_content(contents[0], Interrupted(take_over_and_think))
        assert rows(ContentVersion) == []
        assert the_content(contents[0]).status == "building"

    @pytest.mark.parametrize("lasting", [True, False])
    def test_the_fault_of_a_late_outline_harms_and_says_nothing(self, lasting: bool) -> None:
        roadmap_id = accepted()

        def take_over() -> None:
            wait_out(lambda: plan_job.plan(roadmap_id, Small()))
            plan_job.plan(roadmap_id, Small())

        assert (
            plan_job.plan(
                roadmap_id, Interrupted(take_over, GeneratorFault("Gave up.", lasting=lasting))
            )
            == []
        )
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).error) == ("building", "")
        assert "roadmap.failed" not in [event.type for event in events.events_after(roadmap_id, 0)]
        assert error_records(roadmap_id) == []

    @pytest.mark.parametrize("lasting", [True, False])
    def test_the_fault_of_a_late_text_harms_and_says_nothing(self, lasting: bool) -> None:
        roadmap_id, contents = planned()

        def take_over() -> None:
            wait_out(lambda: content_job.build_content(contents[0], Small()))
            content_job.build_content(contents[0], Small())

        late = Interrupted(take_over, GeneratorFault("Gave up.", lasting=lasting))
        again = content_job.build_content(contents[0], late)
        assert [step for step in again if not step.first] == []
        assert (the_content(contents[0]).status, the_content(contents[0]).error) == ("ready", "")
        assert (
            the_roadmap(roadmap_id).contents_ready,
            the_roadmap(roadmap_id).contents_failed,
        ) == (1, 0)
        assert error_records(roadmap_id) == []


class TestFaults:
    def test_an_outline_that_never_succeeds_fails_with_its_reason_after_the_last_attempt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = use(
            Failing("outline", GeneratorFault("The provider answered 500: down.")), monkeypatch
        )
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        waiting = the_roadmap(roadmap_id)
        assert (waiting.status, waiting.error) == ("queued", "The provider answered 500: down.")

        row = run_until_final(roadmap_id)

        assert (row.status, row.error) == ("failed", "The provider answered 500: down.")
        assert failing.asked == ["outline"] * settings.max_attempts
        assert assert_events_without_gaps(roadmap_id)[-1].data == {"reason": row.error}
        assert error_records(roadmap_id) == [row.error]

    def test_a_lasting_fault_is_not_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failing = use(
            Failing("outline", GeneratorFault("The key is wrong.", lasting=True)), monkeypatch
        )
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).error) == (
            "failed",
            "The key is wrong.",
        )
        assert failing.asked == ["outline"]

    def test_a_fault_that_passes_leaves_no_trace_in_the_roadmap(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(Failing("", GeneratorFault("Busy."), times=3), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        row = run_until_final(roadmap_id)
        assert (row.status, row.error, row.contents_ready, row.contents_failed) == (
            "ready",
            "",
            CONTENTS,
            0,
        )
        assert [part for part in rows(Content) if part["error"]] == []
        assert_events_without_gaps(roadmap_id)

    def test_what_the_provider_asks_to_wait_is_waited(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = use(
            Failing("outline", GeneratorFault("Slow down.", retry_after=120), times=1), monkeypatch
        )
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        clock.travel(timedelta(seconds=60))
        assert content_queue.drain() == 0
        assert failing.asked == ["outline"]
        clock.travel(timedelta(seconds=61))
        content_queue.drain()
        assert the_roadmap(roadmap_id).status == "ready"

    def test_one_kind_that_never_succeeds_leaves_a_partial_roadmap_that_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = use(Failing("quiz", GeneratorFault("No quiz today.")), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))

        row = run_until_final(roadmap_id)

        assert (row.status, row.contents_ready, row.contents_failed) == ("partial", 4, 2)
        assert "2 of 6" in row.error
        failed = [part for part in rows(Content) if part["status"] == "failed"]
        assert {(part["kind"], part["error"]) for part in failed} == {("quiz", "No quiz today.")}
        quizzes = [asked for asked in failing.asked if asked.startswith("quiz")]
        assert len(quizzes) == 2 * settings.max_attempts
        assert len(failing.asked) == len(quizzes) + 4 + 1
        assert_events_without_gaps(roadmap_id)

    def test_a_roadmap_of_which_nothing_could_be_written_is_failed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NothingWritten(Small):
            def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
                raise GeneratorFault("Out of ink.", lasting=True)

        use(NothingWritten(), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == ("failed", 0, CONTENTS)
        assert "6 of 6" in row.error
        assert_events_without_gaps(roadmap_id)

    def test_a_mistake_in_a_generator_ends_in_a_reason_after_a_bounded_number_of_calls(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = use(Failing("outline", AttributeError("a mistake of ours")), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        row = run_until_final(roadmap_id, with_rescue=True)
        assert row.status == "failed"
        assert "AttributeError" in row.error
        assert "mistake of ours" not in row.error
        assert broken.asked == ["outline"] * settings.max_attempts
        assert_events_without_gaps(roadmap_id)

    def test_a_roadmap_is_planned_although_its_deadline_has_passed_meanwhile(self) -> None:
        deadline = (clock.now() + timedelta(days=1)).date()
        roadmap_id = accepted(deadline=deadline, scope="track")
        clock.travel(timedelta(days=3))
        assert len(plan_job.plan(roadmap_id, Small())) == FIRST


class TestDeaths:
    def die(self, work: Callable[[], object]) -> None:
        with pytest.raises(Killed):
            work()

    def test_a_roadmap_whose_planners_die_again_and_again_is_given_up(self) -> None:
        roadmap_id, deadly = accepted(), Failing("outline", Killed())
        for _ in range(MOST_INTERRUPTIONS):
            self.die(lambda: plan_job.plan(roadmap_id, deadly))
            wait_out(lambda: plan_job.plan(roadmap_id, deadly))
        assert plan_job.plan(roadmap_id, deadly) == []
        row = the_roadmap(roadmap_id)
        assert (row.status, row.error) == (
            "failed",
            "Its worker died or hung too often while planning it. Retry it.",
        )
        assert (row.attempts, row.interruptions) == (1, MOST_INTERRUPTIONS)
        assert len(deadly.asked) == MOST_INTERRUPTIONS
        assert error_records(roadmap_id) == [row.error]
        assert_events_without_gaps(roadmap_id)

    def test_a_content_whose_writers_die_again_and_again_is_given_up_and_the_rest_is_not(
        self,
    ) -> None:
        roadmap_id, contents = planned()
        deadly = Failing("", Killed())
        for _ in range(MOST_INTERRUPTIONS):
            self.die(lambda: content_job.build_content(contents[0], deadly))
            wait_out(lambda: content_job.build_content(contents[0], deadly))
        for content_id in contents:
            content_job.build_content(content_id, Small())
        assert the_roadmap(roadmap_id).status == "partial"
        row = the_content(contents[0])
        assert (row.status, row.error) == (
            "failed",
            "Its worker died or hung too often while writing it. Retry it.",
        )
        assert (row.attempts, row.interruptions) == (1, MOST_INTERRUPTIONS)
        assert len(deadly.asked) == MOST_INTERRUPTIONS
        assert_events_without_gaps(roadmap_id)

    def test_a_planner_that_dies_once_does_no_harm(self) -> None:
        roadmap_id = accepted()
        self.die(lambda: plan_job.plan(roadmap_id, Failing("outline", Killed())))
        wait_out(lambda: plan_job.plan(roadmap_id, Small()))
        steps = plan_job.plan(roadmap_id, Small())
        for step in steps:
            steps += content_job.build_content(step.id, Small())
        assert the_roadmap(roadmap_id).status == "ready"
        found = assert_events_without_gaps(roadmap_id)
        assert [event.data["attempt"] for event in found if event.type == "roadmap.planning"] == [
            1,
            1,
        ]


class TestEvents:
    def test_the_event_of_every_content_has_the_progress_at_that_time(
        self, client: TestClient, small: Small
    ) -> None:
        path = client.post("/api/v1/roadmaps", json={"goal": GOAL}).headers["location"]
        found = assert_events_without_gaps(UUID(path.rpartition("/")[2]))
        first = [
            "roadmap.queued",
            "roadmap.planning",
            "roadmap.analysed",
            "roadmap.drafted",
            "roadmap.outlined",
        ]
        assert [event.type for event in found[: len(first)]] == first
        progress = [event.data["ready"] for event in found if event.type == "content.ready"]
        assert progress == list(range(1, CONTENTS + 1))
        assert found[-1].type == "roadmap.ready"
        assert found[-1].data["ready"] == found[-1].data["total"] == CONTENTS

    def test_events_are_read_from_any_number_on(self) -> None:
        roadmap_id, contents = planned()
        for content_id in contents:
            content_job.build_content(content_id, Small())
        found = assert_events_without_gaps(roadmap_id)
        for after in range(len(found) + 1):
            assert events.events_after(roadmap_id, after) == found[after:]
        assert events.last_seqs([roadmap_id, new_id()]) == {(roadmap_id, LOCAL_OWNER): len(found)}


class TestCreating:
    def request(self, owner: UUID = LOCAL_OWNER) -> NewRoadmap:
        return NewRoadmap(owner, RoadmapRequest(goal=GOAL))

    def test_a_batch_is_stored_whole_with_its_first_events(self) -> None:
        batch = [self.request() for _ in range(256)]
        assert create_many(batch) == [Job(JobName.plan_roadmap, new.id) for new in batch]
        assert {row["id"] for row in rows(Roadmap, Roadmap.status == "queued")} == {
            new.id for new in batch
        }
        assert [(event["seq"], event["type"]) for event in rows(RoadmapEvent)] == [
            (1, "roadmap.queued")
        ] * 256

    def test_a_row_of_an_account_that_is_gone_fails_alone(self) -> None:
        batch = [self.request(), self.request(new_id()), self.request(), self.request(new_id())]
        first, second, third, fourth = create_many(batch)
        assert (first, third) == (
            Job(JobName.plan_roadmap, batch[0].id),
            Job(JobName.plan_roadmap, batch[2].id),
        )
        assert isinstance(second, Unauthenticated)
        assert isinstance(fourth, Unauthenticated)
        assert {row["id"] for row in rows(Roadmap)} == {batch[0].id, batch[2].id}
        assert len(rows(RoadmapEvent)) == 2

    def test_a_batch_of_one_row_of_an_account_that_is_gone_stores_nothing(self) -> None:
        (result,) = create_many([self.request(new_id())])
        assert isinstance(result, Unauthenticated)
        assert rows(Roadmap) == rows(RoadmapEvent) == []
