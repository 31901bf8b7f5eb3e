"""Leases: renewed while work runs, taken over in two looks, handed back at an end; and what was paid for is saved."""

import importlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import peewee
import pytest
from playhouse.migrations import Runner

from core import clock
from core.backends import open_database, open_migration_database
from core.db import database, session, settings, transaction
from core.errors import Unavailable
from core.ids import new_id
from core.migrate import DIRECTORY, known
from models.roadmaps import Concept, Content, ContentVersion, Roadmap, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation import retry_policy
from roadmap.generation.cancellation import StopSignal
from roadmap.generation.context import GeneratorFault
from roadmap.generation.generator import Generator
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS, retry_save
from roadmap.lifecycle import content_job, leases, plan_job
from roadmap.lifecycle.leases import BUILDING, CHALLENGE, LASTS, PLANNING, LeaseKind, keeper
from roadmap.operations import execution_log
from roadmap.plan.jobs import Job
from tasks import content
from tasks.queues import content_queue
from tests.unit.roadmap.lifecycle.test_jobs import (
    CONTENTS,
    LEASE_OVER,
    Failing,
    Heart,
    Interrupted,
    Killed,
    Small,
    accepted,
    assert_told_without_gaps,
    beating_by_hand,
    planned,
    rows,
    the_content,
    the_roadmap,
    use,
    wait_out,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("immediate")

MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Leased:
    """A row that waits, and what works on it."""

    work: LeaseKind
    row_id: UUID

    def run(self, generator: Generator) -> list[Job]:
        if self.work is PLANNING:
            return plan_job.plan(self.row_id, generator)
        return content_job.build_content(self.row_id, generator)

    @property
    def row(self) -> Any:
        return the_roadmap(self.row_id) if self.work is PLANNING else the_content(self.row_id)

    @property
    def done(self) -> str:
        return "building" if self.work is PLANNING else "ready"

    def assert_written_by(self, generator: Small) -> None:
        """What stands there is the work of this one, once, and not that of one who came too late."""
        assert self.row.status == self.done
        assert len(generator.asked) == 1
        assert [
            row for row in (*rows(Roadmap), *rows(ContentVersion)) if "too late" in str(row)
        ] == []
        assert len(rows(Stage)) == 1
        assert len(rows(ContentVersion)) == (0 if self.work is PLANNING else 1)


@pytest.fixture(params=["roadmap", "content"])
def leased(request: pytest.FixtureRequest) -> Leased:
    return (
        Leased(PLANNING, accepted())
        if request.param == "roadmap"
        else Leased(BUILDING, planned()[1][0])
    )


@pytest.fixture
def heart() -> Iterator[Heart]:
    with beating_by_hand() as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats follow each other fast."""
    monkeypatch.setattr(leases, "sleep", lambda _: sleep(0.01))


@contextmanager
def away(*, times: int = 1_000_000) -> Iterator[None]:
    """The database refuses this many connections."""
    left, connect = [times], database.obj.connect

    def refuse(**options: Any) -> bool:
        if left[0] == 0:
            return bool(connect(**options))
        left[0] -= 1
        raise peewee.OperationalError("the database is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.obj, "connect", refuse)
        yield


def claimed(work: LeaseKind, row_id: UUID) -> UUID:
    """The token of a lease that nobody's work holds."""
    with transaction():
        token = leases.claim(work, row_id)
    assert token is not None
    return token


@contextmanager
def holding(keeper: leases.LeaseKeeper, works: Mapping[UUID, LeaseKind]) -> Iterator[None]:
    """All of these leases, by their tokens."""
    with ExitStack() as held:
        for token, work in works.items():
            held.enter_context(keeper.holding(work, token, StopSignal()))
        yield


def all_claimed() -> dict[UUID, LeaseKind]:
    """All contents of a roadmap, and another roadmap, by their tokens."""
    _, contents = planned()
    return {
        **{claimed(BUILDING, each): BUILDING for each in contents},
        claimed(PLANNING, accepted()): PLANNING,
    }


class TestRenewal:
    def test_work_that_takes_longer_than_a_lease_keeps_its_row(self, leased: Leased) -> None:
        second = Small()

        def think_long() -> None:
            for _ in range(2):
                before = leased.row.lease_until
                clock.travel(LASTS * 0.6)
                wait_until(
                    lambda before=before: leased.row.lease_until > before + LASTS / 2,
                    reason="the lease is renewed",
                )
            (step,) = leased.run(second)
            assert (step.name, step.id) == (leased.work.step, leased.row_id)

        first = Interrupted(think_long)
        leased.run(first)

        row = leased.row
        assert second.asked == []
        assert (row.status, row.attempts, row.interruptions) == (leased.done, 1, 0)
        assert "too late" in str([*rows(Roadmap), *rows(ContentVersion)])  # its own work, in time

    def test_a_renewal_wipes_out_a_challenge(self, leased: Leased, heart: Heart) -> None:
        second = Small()

        def be_challenged_and_renew() -> None:
            clock.travel(LEASE_OVER)
            (step,) = leased.run(second)
            assert leased.row.challenged_at is not None
            heart.beat()
            assert leased.row.challenged_at is None
            clock.travel(timedelta(seconds=step.delay))
            (again,) = leased.run(second)
            assert again.delay > 0

        leased.run(Interrupted(be_challenged_and_renew))
        assert second.asked == []
        assert (leased.row.status, leased.row.interruptions) == (leased.done, 0)

    def test_a_lease_that_ran_out_in_an_outage_needs_a_new_challenge_after_its_renewal(
        self, leased: Leased, heart: Heart
    ) -> None:
        second = Small()

        def run_out_twice() -> None:
            wait_out(lambda: leased.run(second))
            heart.beat()
            clock.travel(LEASE_OVER)
            leased.run(second)
            assert second.asked == []
            clock.travel(CHALLENGE + MOMENT)
            leased.run(second)

        leased.run(Interrupted(run_out_twice))
        leased.assert_written_by(second)

    def test_nothing_is_renewed_any_more_after_the_longest_time_that_work_may_take(
        self, leased: Leased, heart: Heart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passed, second = [0.0], Small()
        monkeypatch.setattr(leases, "monotonic", lambda: monotonic() + passed[0])

        def is_renewed() -> bool:
            before = leased.row.lease_until
            clock.travel(timedelta(seconds=1))
            heart.beat()
            return bool(leased.row.lease_until > before)

        def hang() -> None:
            assert is_renewed()
            passed[0] = settings.lease_seconds
            assert not is_renewed()
            wait_out(lambda: leased.run(second))
            leased.run(second)

        leased.run(Interrupted(hang))
        leased.assert_written_by(second)
        assert leased.row.interruptions == 1

    def test_many_leases_are_renewed_in_one_statement_for_each_table(
        self, heart: Heart, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = all_claimed()
        clock.travel(LEASE_OVER)
        with holding(heart.keeper, running), caplog.at_level(logging.DEBUG, logger="peewee"):
            heart.beat()
        seen = [
            record
            for record in caplog.records
            if record.name == "peewee" and record.threadName == "LeaseKeeper"
        ]
        assert len([record for record in seen if "UPDATE" in record.getMessage()]) == 2
        renewed = [
            row
            for row in (*rows(Content), *rows(Roadmap))
            if row["lease_until"] and row["lease_until"] > clock.now()
        ]
        assert {row["lease_token"] for row in renewed} == set(running)
        assert len(running) == CONTENTS + 1

    def test_who_has_lost_a_lease_is_told_and_nobody_else(
        self, leased: Leased, heart: Heart
    ) -> None:
        token, keeper = claimed(leased.work, leased.row_id), heart.keeper
        gone, mine, others = new_id(), StopSignal(), StopSignal()
        with keeper.holding(leased.work, token, mine), keeper.holding(leased.work, gone, others):
            heart.beat()
            assert (mine.stopped, others.stopped) == (False, True)
            with transaction():
                leased.work.table.update(lease_token=None).execute()
            heart.beat()
            assert mine.stopped

    def test_a_renewal_gives_no_lease_back_to_who_has_lost_it(
        self, leased: Leased, heart: Heart
    ) -> None:
        before = leased.row
        with holding(heart.keeper, {new_id(): leased.work}):
            heart.beat()
        assert leased.row.__data__ == before.__data__

    @pytest.mark.usefixtures("quick")
    def test_what_cannot_be_renewed_is_tried_again(
        self, leased: Leased, caplog: pytest.LogCaptureFixture
    ) -> None:
        def see_an_outage() -> None:
            with away():
                wait_until(
                    lambda: "1 leases cannot be renewed" in caplog.text, reason="a renewal fails"
                )
            before = leased.row.lease_until
            wait_until(lambda: leased.row.lease_until > before, reason="a renewal")

        leased.run(Interrupted(see_an_outage))
        assert leased.row.status == leased.done
        assert {line.levelname for line in caplog.records} == {"WARNING"}  # an outage is no mistake

    @pytest.mark.usefixtures("quick")
    def test_the_keeper_survives_a_mistake(
        self, leased: Leased, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def mistaken(*_: Any) -> None:
            raise AttributeError("a mistake of ours")

        def see_a_mistake() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(leases, "skip_locked", mistaken)
                wait_until(lambda: "a mistake of ours" in caplog.text, reason="a renewal fails")
            before = leased.row.lease_until
            wait_until(lambda: leased.row.lease_until > before, reason="a renewal")

        leased.run(Interrupted(see_a_mistake))
        assert leased.row.status == leased.done


@pytest.mark.usefixtures("heart")
class TestTakingOver:
    def test_one_look_takes_nothing_over_and_a_second_one_too_soon_neither(
        self, leased: Leased
    ) -> None:
        second = Small()

        def look_often() -> None:
            clock.travel(LEASE_OVER)
            leased.run(second)
            challenged_at = leased.row.challenged_at
            leased.run(second)
            clock.travel(CHALLENGE / 2)
            (step,) = leased.run(second)
            assert leased.row.challenged_at == challenged_at  # further looks do not put it off
            assert 0 < step.delay < CHALLENGE.total_seconds()
            assert second.asked == []
            clock.travel(CHALLENGE / 2 + MOMENT)
            leased.run(second)

        leased.run(Interrupted(look_often))
        leased.assert_written_by(second)

    def test_a_lease_that_has_not_run_out_is_not_challenged(self, leased: Leased) -> None:
        seen: list[datetime | None] = []

        def be_looked_at() -> None:
            leased.run(Small())
            seen.append(leased.row.challenged_at)

        leased.run(Interrupted(be_looked_at))
        assert seen == [None]

    def test_who_takes_over_counts_an_interruption_and_no_attempt(self, leased: Leased) -> None:
        seen: list[tuple[int, int, datetime | None]] = []

        def look() -> None:
            row = leased.row
            seen.append((row.attempts, row.interruptions, row.challenged_at))

        def take_over() -> None:
            wait_out(lambda: leased.run(Small()))
            leased.run(Interrupted(look))

        leased.run(Interrupted(take_over))
        assert seen == [(1, 1, None)]
        row = leased.row
        assert (row.attempts, row.interruptions) == (1, 1)
        assert (row.lease_token, row.lease_until, row.challenged_at) == (None, None, None)

    def test_of_many_who_come_after_the_challenge_one_gets_the_row(self, leased: Leased) -> None:
        with pytest.raises(Killed):
            leased.run(Failing("", Killed()))
        wait_out(lambda: leased.run(Small()))
        tokens: list[UUID | None] = []

        def take() -> None:
            with transaction():
                tokens.append(leases.claim(leased.work, leased.row_id))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [token for token in tokens if token is not None] == [leased.row.lease_token]
        assert (len(tokens), leased.row.interruptions) == (4, 1)

    def test_interruptions_use_up_no_attempts(self, leased: Leased) -> None:
        faults = Failing("", GeneratorFault("Busy."))
        with pytest.raises(Killed):
            leased.run(Failing("", Killed()))
        for _ in range(MOST_INTERRUPTIONS - 2):
            wait_out(lambda: leased.run(faults))
            with pytest.raises(Killed):
                leased.run(Failing("", Killed()))
        wait_out(lambda: leased.run(faults))
        assert faults.asked == []

        while leased.run(faults):
            assert len(faults.asked) < settings.max_attempts

        row = leased.row
        assert (row.status, row.error) == ("failed", "Busy.")
        assert len(faults.asked) == settings.max_attempts
        assert (row.attempts, row.interruptions) == (settings.max_attempts, MOST_INTERRUPTIONS - 1)

    def test_who_finds_that_others_died_too_often_says_so_and_leaves_no_lease(
        self, leased: Leased
    ) -> None:
        with session():
            leased.work.table.update(interruptions=MOST_INTERRUPTIONS - 1).execute()
        with pytest.raises(Killed):
            leased.run(Failing("", Killed()))
        wait_out(lambda: leased.run(Small()))
        last = Small()
        assert leased.run(last) == []
        assert last.asked == []
        row = leased.row
        assert (row.status, row.lease_token) == ("failed", None)
        assert "died or hung too often" in row.error


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
            assert before <= row.due_at <= clock.now()
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
            assert keeper.hand_back() == CONTENTS + 1
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
        assert the_roadmap(roadmap_id).title == "too late"  # nobody else had it: the work counts


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
        monkeypatch.setattr(retry_policy, "SAVE_PATIENCE", 0.05)
        tries = []

        def save() -> None:
            tries.append(1)
            raise Unavailable("away")

        with pytest.raises(Unavailable):
            retry_save(save)
        assert len(tries) > 1

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
        assert len(steps) == (CONTENTS if leased.work is PLANNING else 0)

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

        def each_answer_lost(save: Callable[[], Any]) -> Any:
            told: list[Any] = []

            def save_and_lose_the_answer() -> Any:
                told.append(save())
                if len(told) == 1:
                    raise Unavailable("the connection broke at the COMMIT")
                return told[-1]

            lost.append(save)
            return retry_save(save_and_lose_the_answer)

        monkeypatch.setattr(
            plan_job if leased.work is PLANNING else content_job, "retry_save", each_answer_lost
        )
        generator = Small()
        steps = leased.run(generator)
        assert lost
        leased.assert_written_by(generator)
        assert {step.id for step in steps} == {
            row["id"] for row in rows(Content) if leased.work is PLANNING
        }

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


class TestNewRows:
    def test_new_roadmaps_and_contents_have_no_lease_and_no_history(self) -> None:
        roadmap_id, _ = planned()
        waiting = the_roadmap(accepted())
        for row in (*rows(Content), waiting.__data__):
            assert (row["attempts"], row["interruptions"]) == (0, 0)
            assert (row["lease_token"], row["lease_until"], row["challenged_at"]) == (
                None,
                None,
                None,
            )
            assert row["due_at"] <= clock.now()
        done = the_roadmap(roadmap_id)
        assert (done.attempts, done.interruptions, done.lease_token, done.challenged_at) == (
            1,
            0,
            None,
            None,
        )


class TestMigration:
    """What the version before wrote, and goes on writing during a deployment, works with this one."""

    @pytest.fixture
    def before(self, tmp_path: Path) -> Iterator[peewee.Database]:
        """A database of the version before; the application of this process uses it."""
        mine = settings.model_copy(update={"data_dir": tmp_path})
        old, its_own = open_migration_database(mine), database.obj
        execution_log.buffer.flush()
        old.connect()
        Runner(old, str(DIRECTORY)).up("0001_initial")
        database.initialize(open_database(mine))
        yield old
        execution_log.buffer.flush()
        database.close_all()
        database.initialize(its_own)
        old.close()

    def tables(self, old: peewee.Database) -> dict[str, Any]:
        """As the version before knows them: those that its migration makes."""
        made: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(old, "create_tables", made.extend)
            importlib.import_module("migrations.0001_initial").up(None, old)
        return {table.__name__: table for table in made}

    def owner(self, old: peewee.Database) -> None:
        """The account of the version before."""
        fields = {"id": LOCAL_OWNER, "email": "local@localhost", "name": "", "password_hash": ""}
        self.tables(old)["Account"].insert(**fields, created_at=datetime.now()).execute()

    def write(self, old: peewee.Database, status: str = "queued", **fields: Any) -> UUID:
        """A roadmap with one content, by the tables as the version before knows them."""
        tables = self.tables(old)
        now, roadmap_id = datetime.fromisoformat("2026-01-02T03:04:05.678901"), new_id()
        texts = dict.fromkeys(
            ("background", "motivation", "preferences", "title", "generator", "error"), ""
        )
        numbers = dict.fromkeys(
            ("weeks", "hours", "attempts", "contents_ready", "contents_failed"), 0
        )
        times = dict.fromkeys(("due_at", "created_at", "updated_at"), now)
        tables["Roadmap"].insert(
            **{**texts, **numbers, **times},
            **{
                "id": roadmap_id,
                "owner": LOCAL_OWNER,
                "goal": "Become a backend engineer in Python",
                "level": "beginner",
            },
            **{
                "hours_per_week": 5,
                "language": "en",
                "status": status,
                "contents_total": 1,
                "last_seq": 1,
                **fields,
            },
        ).execute()
        tables["RoadmapEvent"].insert(
            roadmap=roadmap_id, seq=1, type="roadmap.queued", data={}, at=now
        ).execute()
        if status == "building":
            place = {"roadmap": roadmap_id, "title": "A title", "description": "", "position": 0}
            stage, module, concept = new_id(), new_id(), new_id()
            tables["Stage"].insert(id=stage, **place).execute()
            tables["Module"].insert(id=module, stage=stage, **place).execute()
            tables["Concept"].insert(
                **{
                    "id": concept,
                    "module": module,
                    "key": "http",
                    "week": 1,
                    "hours": 1,
                    "difficulty": 1,
                    **place,
                },
                **{"prerequisites": [], "outcomes": [], "progress": "todo"},
            ).execute()
            tables["Content"].insert(
                **{
                    "id": new_id(),
                    "roadmap": roadmap_id,
                    "concept": concept,
                    "kind": "tutorial",
                    "status": "building",
                },
                **{
                    "version": 0,
                    "error": "",
                    "attempts": 1,
                    "due_at": now,
                    "lease_token": new_id(),
                    "lease_until": now,
                },
            ).execute()
        return roadmap_id

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_roadmap_that_the_version_before_wrote_is_planned(
        self, before: peewee.Database, when: str
    ) -> None:
        self.owner(before)
        roadmap_id = self.write(before) if when == "before" else None
        Runner(before, str(DIRECTORY)).up()
        roadmap_id = roadmap_id or self.write(before)
        assert len(plan_job.plan(roadmap_id, Small())) == CONTENTS
        row = the_roadmap(roadmap_id)
        assert (row.status, row.attempts, row.interruptions) == ("building", 1, 0)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_content_whose_worker_of_the_version_before_died_is_taken_over(
        self, before: peewee.Database, when: str
    ) -> None:
        self.owner(before)
        roadmap_id = self.write(before, "building") if when == "before" else None
        Runner(before, str(DIRECTORY)).up()
        roadmap_id = roadmap_id or self.write(before, "building")
        (found,) = rows(Content)
        assert (found["interruptions"], found["challenged_at"]) == (0, None)
        generator = Interrupted(lambda: None)
        wait_out(lambda: content_job.build_content(found["id"], generator))
        content_job.build_content(found["id"], generator)
        assert (the_content(found["id"]).status, the_content(found["id"]).interruptions) == (
            "ready",
            1,
        )
        assert the_roadmap(roadmap_id).status == "ready"
        assert_told_without_gaps(roadmap_id)

    def test_going_up_and_down_again_keeps_every_row_and_every_rule(
        self, before: peewee.Database
    ) -> None:
        self.owner(before)
        self.write(before, "building")
        columns, schema = self.columns(before), self.schema(before)
        dumped = self.dump(before, columns)
        runner = Runner(before, str(DIRECTORY))

        applied = runner.up()
        assert applied == known()[1:]
        assert self.dump(before, columns) == dumped

        for name in reversed(applied):
            assert runner.down() == [name]
        assert self.columns(before) == columns
        assert self.dump(before, columns) == dumped
        assert self.schema(before) == schema

    def test_what_hangs_on_a_roadmap_still_goes_with_it(self, before: peewee.Database) -> None:
        self.owner(before)
        roadmap_id = self.write(before, "building")
        Runner(before, str(DIRECTORY)).up()
        with transaction():
            Roadmap.delete().where(Roadmap.id == roadmap_id).execute()
        assert rows(Content) == rows(Stage) == rows(Concept) == []

    def columns(self, old: peewee.Database) -> dict[str, list[str]]:
        tables = [name for name in old.get_tables() if name != "schema_migration"]
        return {name: [column.name for column in old.get_columns(name)] for name in tables}

    def schema(self, old: peewee.Database) -> dict[str, Any]:
        return {
            name: (
                [(column.name, column.data_type, column.null) for column in old.get_columns(name)],
                sorted(
                    (index.name, tuple(index.columns), index.unique)
                    for index in old.get_indexes(name)
                ),
                sorted(
                    (key.column, key.dest_table, key.dest_column)
                    for key in old.get_foreign_keys(name)
                ),
            )
            for name in self.columns(old)
        }

    def dump(self, old: peewee.Database, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
        found = {}
        for name, of_table in columns.items():
            named = ", ".join(f'"{column}"' for column in of_table)
            found[name] = sorted(old.execute_sql(f'SELECT {named} FROM "{name}"').fetchall())
        return found
