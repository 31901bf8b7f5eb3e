"""Leases that are handed back at a stop, and saves of paid work."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from core import clock
from core.errors import Unavailable
from models.roadmaps import Content, Roadmap
from roadmap.generation import retry_policy
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import StopSignal, retry_save
from roadmap.lifecycle.making import content_job, plan_job
from roadmap.lifecycle.making.leases import PLANNING, keeper
from tasks import content
from tasks.queues import content_queue
from tests.unit.roadmap.lifecycle.leased import Leased, all_claimed, away, claimed, holding
from tests.unit.roadmap.lifecycle.test_jobs import (
    CONTENTS,
    FIRST,
    Failing,
    Heart,
    Interrupted,
    Killed,
    Small,
    accepted,
    rows,
    the_roadmap,
    use,
    wait_out,
)

pytestmark = pytest.mark.usefixtures("immediate")


class TestHandingBack:
    @pytest.fixture
    def ending(self) -> Iterator[None]:
        """This consumer may end; for the other tests another one begins."""
        yield
        content_queue.begin()

    def test_a_row_that_is_handed_back_is_had_by_another_at_once(self, leased: Leased) -> None:
        second = Small()

        def be_stopped() -> None:
            before = clock.now()
            assert keeper.hand_back() == 1
            row = leased.row
            assert (row.status, row.attempts, row.interruptions) == (leased.work.waiting, 0, 0)
            assert (row.lease_token, row.lease_until, row.challenged_at) == (None, None, None)
            after = clock.now()
            assert before <= row.due_at <= after
            leased.run(second)

        leased.run(Interrupted(be_stopped))
        leased.assert_written_by(second)
        assert (leased.row.attempts, leased.row.interruptions) == (1, 0)

    @pytest.mark.parametrize("lasting", [True, False])
    def test_the_fault_of_work_that_was_handed_back_is_discarded(
        self, leased: Leased, lasting: bool
    ) -> None:
        late = Interrupted(keeper.hand_back, GeneratorFault("Gave up.", lasting=lasting))
        assert leased.run(late) == []
        assert (leased.row.status, leased.row.error, leased.row.attempts) == (
            leased.work.waiting,
            "",
            0,
        )

    def test_all_rows_of_both_kinds_are_handed_back(self) -> None:
        with holding(keeper, all_claimed()):
            assert keeper.hand_back() == FIRST + 1
            assert keeper.hand_back() == 0
        handed_back = [*rows(Content), *rows(Roadmap, Roadmap.status == "queued")]
        assert [row["status"] for row in handed_back] == ["pending"] * CONTENTS + ["queued"]
        assert {row["attempts"] for row in handed_back} == {0}

    def test_what_is_finished_is_not_handed_back(self, leased: Leased) -> None:
        leased.run(Small())
        assert keeper.hand_back() == 0
        assert (leased.row.status, leased.row.attempts) == (leased.done, 1)

    def test_what_others_have_taken_over_is_not_handed_back(
        self, leased: Leased, heart: Heart
    ) -> None:
        with pytest.raises(Killed):
            leased.run(Failing("", Killed()))
        old = leased.row.lease_token
        wait_out(lambda: leased.run(Small()))
        new = claimed(leased.work, leased.row_id)
        with heart.keeper.holding(leased.work, old, StopSignal()):
            assert heart.keeper.hand_back() == 0
        assert (leased.row.status, leased.row.lease_token) == (leased.work.held, new)

    def test_while_the_database_is_away_nothing_is_handed_back_and_the_lease_runs_out(
        self, leased: Leased
    ) -> None:
        second = Small()

        def be_stopped() -> None:
            before = leased.row
            with away(), pytest.raises(Unavailable):
                keeper.hand_back()
            after = leased.row
            assert (after.status, after.attempts, after.lease_token) == (
                before.status,
                1,
                before.lease_token,
            )
            wait_out(lambda: leased.run(second))
            leased.run(second)

        leased.run(Interrupted(be_stopped))
        leased.assert_written_by(second)

    @pytest.mark.usefixtures("ending")
    def test_a_consumer_whose_grace_is_over_hands_back_the_rows_of_its_tasks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(Interrupted(content_queue.notify_interrupted_tasks), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.attempts, row.lease_token) == ("queued", 0, None)

        use(Small(), monkeypatch)
        content.plan_roadmap(str(roadmap_id))
        assert the_roadmap(roadmap_id).status == "ready"

    @pytest.mark.usefixtures("ending")
    def test_a_consumer_whose_grace_is_over_ends_although_the_database_is_away(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def end() -> None:
            with away():
                content_queue.notify_interrupted_tasks()

        use(Interrupted(end), monkeypatch)
        roadmap_id = accepted()
        content.plan_roadmap(str(roadmap_id))
        assert "leases cannot be handed back" in caplog.text
        assert (
            the_roadmap(roadmap_id).title == "too late"
        )  # no other worker had it: the work counts


class TestSaving:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retry_policy, "SAVE_PAUSE", 0.01)

    def test_a_save_is_repeated_while_the_database_is_away(self) -> None:
        answers: list[Any] = [Unavailable("away"), Unavailable("away"), "saved"]

        def save() -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert retry_save(save) == "saved"
        assert answers == []

    def test_a_save_is_given_up_when_its_patience_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries: list[int] = []
        monkeypatch.setattr(retry_policy, "SAVE_PATIENCE", 2.5)
        monkeypatch.setattr(retry_policy, "monotonic", lambda: len(tries))  # each takes a second

        def save() -> None:
            tries.append(1)
            raise Unavailable("away")

        with pytest.raises(Unavailable):
            retry_save(save)
        assert len(tries) == 3

    def test_a_mistake_is_not_repeated(self) -> None:
        tries = []

        def save() -> None:
            tries.append(1)
            raise ValueError("a mistake of ours")

        with pytest.raises(ValueError, match="a mistake of ours"):
            retry_save(save)
        assert tries == [1]

    def test_a_database_that_is_away_at_the_save_costs_no_second_answer(
        self, leased: Leased
    ) -> None:
        with ExitStack() as outage:

            class Paid(Small):
                """The database goes away while it thinks, for two tries of the save."""

                def outline(self, *given: Any) -> Any:
                    made = super().outline(*given)
                    outage.enter_context(away(times=2))
                    return made

                def write(self, *given: Any) -> Any:
                    written = super().write(*given)
                    outage.enter_context(away(times=2))
                    return written

            generator = Paid()
            steps = leased.run(generator)
        leased.assert_written_by(generator)
        assert len(steps) == (FIRST if leased.work is PLANNING else 1)  # the quiz

    def test_a_database_that_is_away_at_the_note_of_a_fault_costs_no_second_question(
        self, leased: Leased
    ) -> None:
        with ExitStack() as outage:

            class Faulty(Small):
                def outline(self, *given: Any) -> Any:
                    super().outline(*given)
                    raise self.fault()

                def write(self, *given: Any) -> Any:
                    super().write(*given)
                    raise self.fault()

                def fault(self) -> GeneratorFault:
                    outage.enter_context(away(times=2))
                    return GeneratorFault("Busy.")

            generator = Faulty()
            (step,) = leased.run(generator)
        assert step.delay > 0
        assert len(generator.asked) == 1
        assert (leased.row.status, leased.row.error, leased.row.attempts) == (
            leased.work.waiting,
            "Busy.",
            1,
        )

    def test_a_save_whose_answer_is_lost_is_saved_once(
        self, leased: Leased, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost: list[Any] = []

        def each_answer_lost(save: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            found: list[Any] = []

            def save_and_lose_the_answer() -> Any:
                found.append(save(*args, **kwargs))
                if len(found) == 1:
                    raise Unavailable("the connection broke at the COMMIT")
                return found[-1]

            lost.append(save)
            return retry_save(save_and_lose_the_answer)

        monkeypatch.setattr(
            plan_job if leased.work is PLANNING else content_job, "retry_save", each_answer_lost
        )
        generator = Small()
        steps = leased.run(generator)
        assert lost
        leased.assert_written_by(generator)
        sent = [row["id"] for row in rows(Content) if row["kind"] != "quiz"]
        quiz = [row["id"] for row in rows(Content) if row["kind"] == "quiz"][:1]
        assert {step.id for step in steps} == set(sent if leased.work is PLANNING else quiz)

    def test_a_save_that_is_given_up_leaves_the_row_to_others(
        self, leased: Leased, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retry_policy, "SAVE_PATIENCE", 0.02)
        with ExitStack() as outage:
            late = Interrupted(lambda: outage.enter_context(away()))
            with pytest.raises(Unavailable):
                leased.run(late)
        second = Small()
        wait_out(lambda: leased.run(second))
        leased.run(second)
        leased.assert_written_by(second)
