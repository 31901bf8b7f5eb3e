"""Budgets of a roadmap and of an account, and their months."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import SecretStr

from core import clock
from core.db import session, settings, transaction
from core.ids import new_id
from models.roadmaps import Roadmap
from roadmap.budget.budget import BudgetReserved, OverBudget, month_of
from roadmap.generation.context import GeneratorFault
from tests.unit.roadmap.budget.books import (
    RESERVED,
    USED,
    a_call,
    a_roadmap,
    begun,
    budgets,
    by_month,
    call_columns,
    ended,
    records,
    spent,
)


def travel_to(moment: datetime) -> None:
    clock.travel(moment - clock.now())


class TestBudgets:
    def test_a_call_that_fills_the_budget_to_the_last_millionth_begins(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.005", month="0.005")
        roadmap_id = a_roadmap()
        begun(roadmap_id)
        assert (spent(roadmap_id), list(by_month().values())) == (RESERVED, [RESERVED])

    def test_a_roadmap_without_room_for_the_most_is_over_its_budget(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.009999", currency="EUR")
        roadmap_id = a_roadmap()
        ended(begun(roadmap_id))
        with pytest.raises(OverBudget) as raised:
            begun(roadmap_id, new_id())
        assert str(raised.value) == (
            "The budget of this roadmap is 0.009999 EUR; 0.005 EUR of it is spent or "
            "reserved for calls that run, and this call could cost up to 0.005 EUR. Raise "
            "BUDGET_PER_ROADMAP, then retry."
        )
        assert raised.value.lasting
        assert (len(records()), spent(roadmap_id), list(by_month().values())) == (
            1,
            RESERVED,
            [RESERVED],
        )
        with session():
            assert Roadmap.get_by_id(roadmap_id).over_budget

    @pytest.mark.parametrize(
        ("now", "month", "expected"),
        [((2026, 11, 30), "2026-11", "2026-12"), ((2026, 12, 1), "2026-12", "2027-01")],
    )
    def test_an_account_without_room_for_the_most_is_over_its_budget(
        self, now: tuple[int, int, int], month: str, expected: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, month="0.009999")
        travel_to(datetime(*now, 12, tzinfo=UTC))
        first, second = a_roadmap(), a_roadmap()
        ended(begun(first))
        with pytest.raises(OverBudget) as raised:
            begun(second)
        assert str(raised.value) == (
            f"The budget of this account for {month} is 0.009999 USD; "
            "0.005 USD of it is spent or reserved for calls that run, "
            "and this call could cost up to 0.005 USD. Raise BUDGET_PER_USER_MONTH, "
            f"or retry when the next month's budget starts on {expected}-01 (UTC)."
        )
        assert raised.value.lasting
        assert (len(records()), spent(first), spent(second), by_month()) == (
            1,
            RESERVED,
            0,
            {month: RESERVED},
        )
        with session():
            assert [Roadmap.get_by_id(id_).over_budget for id_ in (first, second)] == [False, True]

    @pytest.mark.parametrize("budget", ["roadmap", "month"])
    def test_what_calls_that_run_may_give_back_is_waited_for(
        self, monkeypatch: pytest.MonkeyPatch, budget: str
    ) -> None:
        budgets(monkeypatch, **{budget: "0.009999"})
        roadmap_id = a_roadmap()
        running = begun(roadmap_id)
        with pytest.raises(BudgetReserved) as raised:
            begun(roadmap_id, new_id())
        assert not raised.value.lasting
        assert raised.value.wait == raised.value.retry_after > 1
        assert (len(records()), spent(roadmap_id)) == (1, RESERVED)
        with session():
            assert not Roadmap.get_by_id(roadmap_id).over_budget
        running.used(*USED[0])
        ended(running)
        begun(roadmap_id, new_id())
        assert spent(roadmap_id) == USED[1] + RESERVED

    def test_what_the_dead_hold_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        budgets(monkeypatch, roadmap="0.009999")
        roadmap_id = a_roadmap()
        begun(roadmap_id, new_id())
        clock.travel(timedelta(seconds=settings.lease_seconds + 1))
        with pytest.raises(OverBudget):
            begun(roadmap_id, new_id())

    def test_the_first_call_of_a_month_may_be_too_dear_as_well(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, month="0.004999")
        roadmap_id = a_roadmap()
        with pytest.raises(OverBudget, match=r"is 0\.004999 USD; 0 USD of it is spent"):
            begun(roadmap_id)
        assert (records(), spent(roadmap_id), by_month()) == ([], 0, {})

    def test_what_a_call_did_not_use_is_there_for_the_next(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.006", month="0.006")
        roadmap_id = a_roadmap()
        for _ in range(2):
            with a_call(roadmap_id) as call:
                call.used(*USED[0])
        with pytest.raises(OverBudget):  # 1400 and 5000
            begun(roadmap_id)
        assert (spent(roadmap_id), list(by_month().values())) == (2 * USED[1], [2 * USED[1]])

    def test_a_budget_of_zero_is_no_limit(self) -> None:
        roadmap_id, million = a_roadmap(), 1_000_000
        for _ in range(2):
            with a_call(roadmap_id, most_completion_tokens=million * million) as call:
                call.used(0, million)
        begun(roadmap_id, most_prompt_tokens=0, most_completion_tokens=million * million)
        assert spent(roadmap_id) == 2 * million * million + 2 * 2 * million

    def test_who_has_spent_more_than_a_budget_that_was_lowered_calls_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(8000, 5000)
        budgets(monkeypatch, roadmap="0.006")
        with pytest.raises(OverBudget, match=r"0\.012 USD of it is spent"):
            begun(roadmap_id, most_prompt_tokens=0, most_completion_tokens=0)

    def test_no_secret_of_the_settings_stands_in_a_message(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secrets: dict[str, Any] = {
            "openai_api_key": SecretStr("sk-a-secret"),
            "secret_key": SecretStr("another-secret" * 3),
            "database_url": SecretStr("postgresql://user:a-third-secret@db.example/roadmap"),
        }
        budgets(monkeypatch, roadmap="0.001", **secrets)
        with pytest.raises(OverBudget) as raised:
            begun(a_roadmap())
        assert "0.001 USD" in str(raised.value)
        assert "secret" not in repr(raised.value) + str(raised.value.__context__)

    def test_for_a_roadmap_that_is_gone_nothing_is_called(self) -> None:
        with pytest.raises(
            GeneratorFault,
            match=r"^The roadmap no longer exists\. The model was not called\.$",
        ) as raised:
            begun(new_id())
        assert raised.value.lasting
        assert not isinstance(raised.value, OverBudget)
        assert (records(), by_month()) == ([], {})

    def test_a_roadmap_that_is_deleted_while_its_call_runs_stays_in_the_books(self) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(*USED[0])
            with transaction():
                Roadmap.delete().where(Roadmap.id == roadmap_id).execute()
        assert call_columns("outcome", "price") == [("ok", USED[1])]
        assert list(by_month().values()) == [USED[1]]


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is where the day begins first."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EAST-14")
        time.tzset()
        yield
    time.tzset()


class TestMonths:
    @pytest.mark.usefixtures("far_east")
    def test_a_month_is_that_of_utc(self) -> None:
        assert (
            month_of(datetime(2026, 12, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2026-11"
        )
        assert month_of(datetime(2026, 1, 31, 23, 30, tzinfo=UTC)) == "2026-01"

    def test_a_call_counts_in_the_month_in_which_it_began(self) -> None:
        travel_to(datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            clock.travel(timedelta(minutes=2))
            begun(roadmap_id, new_id())
            call.used(*USED[0])
        assert by_month() == {"2026-11": USED[1], "2026-12": RESERVED}
        assert spent(roadmap_id) == USED[1] + RESERVED

    def test_a_new_month_has_a_new_budget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        budgets(monkeypatch, month="0.005")
        travel_to(datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
        roadmap_id = a_roadmap()
        ended(begun(roadmap_id))
        with pytest.raises(OverBudget):
            begun(roadmap_id, new_id())
        clock.travel(timedelta(minutes=2))
        begun(roadmap_id, new_id())
        assert by_month() == {"2026-11": RESERVED, "2026-12": RESERVED}
