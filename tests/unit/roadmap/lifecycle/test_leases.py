"""Leases: renewed while work runs, and taken over in two looks."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import session, settings, transaction
from core.ids import new_id
from models.roadmaps import Content, ContentVersion, Roadmap
from roadmap.budget import budget
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS, StopSignal
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.leases import CHALLENGE, LASTS
from tests.unit.roadmap.lifecycle.leased import Leased, all_claimed, away, claimed, holding
from tests.unit.roadmap.lifecycle.test_jobs import (
    FIRST,
    LEASE_OVER,
    Failing,
    Heart,
    Interrupted,
    Killed,
    Small,
    accepted,
    planned,
    rows,
    the_roadmap,
    wait_out,
)

pytestmark = pytest.mark.usefixtures("immediate")
MOMENT = timedelta(milliseconds=1)


class TestRenewal:
    def test_work_that_takes_longer_than_a_lease_keeps_its_row(
        self, leased: Leased, heart: Heart
    ) -> None:
        second = Small()

        def think_long() -> None:
            for _ in range(2):
                before = leased.row.lease_until
                clock.travel(LASTS * 0.6)
                heart.beat()
                assert leased.row.lease_until > before + LASTS / 2
            (step,) = leased.run(second)
            assert (step.name, step.id) == (leased.work.job, leased.row_id)

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
        monkeypatch.setattr(leases, "monotonic", lambda: passed[0])

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

    def test_each_call_of_a_model_may_take_the_longest_time(
        self, leased: Leased, heart: Heart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A quiz needs several, which together take longer."""
        passed, second = [0.0], Small()
        for module in (leases, budget):
            monkeypatch.setattr(module, "monotonic", lambda: passed[0])
        meter: Any = None

        class Metered(Interrupted):
            def metered(self, its: Any) -> "Metered":
                nonlocal meter
                meter = its
                return self

        def call_often() -> None:
            for _ in range(4):
                with meter.call(
                    "quiz", "small", "", most_prompt_tokens=1, most_completion_tokens=1
                ):
                    passed[0] += settings.lease_seconds * 0.9
                    before = leased.row.lease_until
                    clock.travel(timedelta(seconds=1))
                    heart.beat()
                    assert leased.row.lease_until > before

        leased.run(Metered(call_often))
        leased.run(second)
        assert second.asked == []
        assert leased.row.status == leased.done

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
        now = clock.now()
        renewed = [
            row
            for row in (*rows(Content), *rows(Roadmap))
            if row["lease_until"] and row["lease_until"] > now
        ]
        assert {row["lease_token"] for row in renewed} == set(running)
        assert len(running) == FIRST + 1

    def test_a_lost_lease_stops_its_work_and_no_other(self, leased: Leased, heart: Heart) -> None:
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

    def test_what_cannot_be_renewed_is_tried_again(
        self, leased: Leased, heart: Heart, caplog: pytest.LogCaptureFixture
    ) -> None:
        def see_an_outage() -> None:
            with away(), caplog.at_level(logging.INFO):
                heart.beat()
                heart.beat()
            levels = [each.levelname for each in caplog.records if "cannot be" in each.message]
            assert levels == ["INFO", "WARNING"]  # to miss one renewal is nothing
            before = leased.row.lease_until
            heart.beat()
            assert leased.row.lease_until > before

        leased.run(Interrupted(see_an_outage))
        assert leased.row.status == leased.done
        assert "ERROR" not in {line.levelname for line in caplog.records}  # it is no mistake

    def test_the_keeper_survives_a_mistake(
        self,
        leased: Leased,
        heart: Heart,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def mistaken(*_: Any) -> None:
            raise AttributeError("a mistake of ours")

        def see_a_mistake() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(leases, "skip_locked", mistaken)
                heart.beat()
            assert "a mistake of ours" in caplog.text
            before = leased.row.lease_until
            heart.beat()
            assert leased.row.lease_until > before

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

        while any(step.id == leased.row_id for step in leased.run(faults)):
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
        assert [step for step in leased.run(last) if not step.first] == []  # the quiz
        assert last.asked == []
        row = leased.row
        assert (row.status, row.lease_token) == ("failed", None)
        assert "died or hung too often" in row.error


class TestNewRows:
    def test_new_roadmaps_and_contents_have_no_lease_and_no_history(self) -> None:
        roadmap_id, _ = planned()
        waiting, now = the_roadmap(accepted()), clock.now()
        for row in (*rows(Content), waiting.__data__):
            assert (row["attempts"], row["interruptions"]) == (0, 0)
            assert (row["lease_token"], row["lease_until"], row["challenged_at"]) == (
                None,
                None,
                None,
            )
            assert row["due_at"] <= now
        done = the_roadmap(roadmap_id)
        assert (done.attempts, done.interruptions, done.lease_token, done.challenged_at) == (
            1,
            0,
            None,
            None,
        )
