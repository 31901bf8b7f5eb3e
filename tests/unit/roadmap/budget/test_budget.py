"""Costs: reserved before a call and settled after it, exactly once; budgets hold; receipts and estimates add up."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core import clock
from core.db import database, session, settings, transaction
from core.errors import NotFound, Unavailable
from core.ids import new_id
from core.setting_types import Price
from models.accounts import Account
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from models.spending import ModelCall, MonthlySpending
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.budget import budget as budget_
from roadmap.budget import cost_report
from roadmap.budget.budget import (
    BudgetedCall,
    BudgetMeter,
    BudgetReserved,
    CallPurpose,
    OverBudget,
    cost,
    month_of,
)
from roadmap.budget.cost_report import (
    AccountMonth,
    CallRecord,
    StepCost,
    estimate,
    pending_estimate,
    receipt,
)
from roadmap.generation import retry_policy
from roadmap.generation.cancellation import StopSignal
from roadmap.generation.context import GeneratorFault
from roadmap.plan.views import Estimate

MODEL, PROMPTS = "gpt-5-mini", "4f1a"
PRICE = Price(MODEL, Decimal("0.25"), Decimal(2))
MOST = {"most_prompt_tokens": 4000, "most_completion_tokens": 2000}
RESERVED = 1000 + 4000  # what such a call can cost
USED = (400, 300), 100 + 600  # tokens, and what they cost


@pytest.fixture(autouse=True)
def books(immediate: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, with a price for the model and no budget."""
    with transaction():
        for table in (ModelCall, MonthlySpending):
            table.delete().execute()
    monkeypatch.setattr(retry_policy, "SAVE_PAUSE", 0)
    budgets(monkeypatch)


def budgets(
    monkeypatch: pytest.MonkeyPatch, *, roadmap: str = "0", month: str = "0", **others: Any
) -> None:
    amounts = {"budget_per_roadmap": Decimal(roadmap), "budget_per_user_month": Decimal(month)}
    changed = settings.model_copy(
        update={"model_prices": (PRICE,), "openai_model": MODEL, **amounts, **others}
    )
    for module in (budget_, cost_report):
        monkeypatch.setattr(module, "settings", changed)


def a_roadmap(owner_id: UUID = LOCAL_OWNER) -> UUID:
    roadmap_id, now = new_id(), clock.now()
    head = {
        "goal": "A goal",
        "level": "beginner",
        "hours_per_week": 5,
        "language": "en",
        "status": "building",
    }
    with transaction():
        Roadmap.insert(
            id=roadmap_id, owner=owner_id, **head, due_at=now, created_at=now, updated_at=now
        ).execute()
    return roadmap_id


def an_account() -> UUID:
    owner_id = new_id()
    with transaction():
        Account.insert(
            id=owner_id, email=f"{owner_id}@example.org", password_hash="", created_at=clock.now()
        ).execute()
    return owner_id


def a_call(roadmap_id: UUID, content_id: UUID | None = None, **others: Any) -> BudgetedCall:
    """Of one content, or with None for the roadmap's outline; not begun yet."""
    options = {"owner_id": LOCAL_OWNER, "step": "quiz", "stop": StopSignal(), **MOST, **others}
    purpose = CallPurpose(options.pop("owner_id"), roadmap_id, None, content_id, attempt=1)
    ledger = BudgetMeter(purpose, options.pop("stop"))
    return ledger.call(options.pop("step"), MODEL, PROMPTS, **options)


def begun(roadmap_id: UUID, content_id: UUID | None = None, **others: Any) -> BudgetedCall:
    """A call that runs. Its worker is dead unless the test goes on with it."""
    return a_call(roadmap_id, content_id, **others).__enter__()


def ended(call: BudgetedCall, error: BaseException | None = None) -> None:
    """It may be with an error, which goes on to who made the call."""
    with pytest.raises(type(error)) if error else nullcontext(), ExitStack() as stack:
        stack.push(call)
        if error:
            raise error


def spent(roadmap_id: UUID) -> int:
    with session():
        return int(Roadmap.get_by_id(roadmap_id).spent)


def by_month(owner_id: UUID = LOCAL_OWNER) -> dict[str, int]:
    with session():
        return dict(
            MonthlySpending.select(MonthlySpending.month, MonthlySpending.amount)
            .where(MonthlySpending.owner_id == owner_id)
            .tuples()
        )


def records() -> list[dict[str, Any]]:
    """All calls, the oldest first."""
    with session():
        return list(ModelCall.select().order_by(ModelCall.id).dicts())


def told(*names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in records()]


def travel_to(moment: datetime) -> None:
    clock.travel(moment - clock.now())


@contextmanager
def away() -> Iterator[None]:
    """A transaction that does not come to be."""
    raise Unavailable("Away.")
    yield


@contextmanager
def answer_lost() -> Iterator[None]:
    """A transaction that is committed, but nobody hears of it."""
    with transaction():
        yield
    raise Unavailable("Away.")


def next_transactions(monkeypatch: pytest.MonkeyPatch, *these: Callable[[], Any]) -> None:
    left = list(these)
    monkeypatch.setattr(budget_, "transaction", lambda: left.pop(0)() if left else transaction())


class TestPrices:
    @pytest.mark.parametrize(
        ("prompt", "completion", "micro"),
        [(0, 0, 0), (4, 0, 1), (5, 0, 2), (1, 1, 3), (1_000_000, 1_000_000, 2_250_000)],
    )
    def test_tokens_cost_their_price_rounded_up_to_a_millionth(
        self, prompt: int, completion: int, micro: int
    ) -> None:
        assert cost(PRICE, prompt, completion) == micro

    def test_a_price_is_that_of_the_model_that_is_called(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Price("other", Decimal(1), Decimal(1))
        budgets(monkeypatch, model_prices=(other, PRICE))
        assert [budget_.price_of(name) for name in ("other", MODEL, "unknown")] == [
            other,
            PRICE,
            None,
        ]

    def test_without_a_price_calls_cost_nothing_and_their_tokens_count(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, model_prices=())
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(400, 300)
        assert told("reserved", "price", "prompt_tokens", "completion_tokens") == [(0, 0, 400, 300)]
        assert (spent(roadmap_id), set(by_month().values())) == (0, {0})


class TestACall:
    def test_while_it_runs_the_most_is_reserved_and_no_connection_is_held(self) -> None:
        roadmap_id, content_id, concept_id, before = a_roadmap(), new_id(), new_id(), clock.now()
        ledger = BudgetMeter(
            CallPurpose(LOCAL_OWNER, roadmap_id, concept_id, content_id, attempt=3), StopSignal()
        )
        with ledger.call("tutorial", MODEL, PROMPTS, **MOST):
            assert database.is_closed()
            (row,) = records()
            assert (spent(roadmap_id), by_month()) == (RESERVED, {month_of(before): RESERVED})
        assert before <= row.pop("started_at") <= clock.now()
        assert row.pop("id").version == 7
        assert row == {
            "owner_id": LOCAL_OWNER,
            "roadmap_id": roadmap_id,
            "concept_id": concept_id,
            "content_id": content_id,
            "step": "tutorial",
            "model": MODEL,
            "prompt_version": PROMPTS,
            "attempt": 3,
            "outcome": "running",
            "reason": "",
            "reserved": RESERVED,
            "price": RESERVED,
            "prompt_tokens": None,
            "completion_tokens": None,
            "ms": None,
        }

    @pytest.mark.parametrize(
        ("usage", "price", "kept"),
        [
            (USED[0], USED[1], USED[0]),
            ((0, 0), 0, (0, 0)),
            ((4000, 2000), RESERVED, (4000, 2000)),
            (
                (8000, 5000),
                2000 + 10_000,
                (8000, 5000),
            ),  # more than it should have been: books are honest
            ((None, None), RESERVED, (None, None)),
            ((400, None), RESERVED, (400, None)),
            ((None, 300), RESERVED, (None, 300)),
            ((-1, 300), RESERVED, (None, 300)),
            ((400, 2**31), RESERVED, (400, None)),
        ],
    )
    def test_an_answer_costs_what_was_used_and_the_most_when_that_is_not_known(
        self, usage: tuple[Any, Any], price: int, kept: tuple[Any, Any]
    ) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(*usage)
        assert told("outcome", "reason", "price", "reserved") == [("ok", "", price, RESERVED)]
        assert told("prompt_tokens", "completion_tokens") == [kept]
        assert (spent(roadmap_id), by_month()) == (price, {month_of(clock.now()): price})

    def test_an_answer_of_which_nobody_says_anything_costs_the_most(self) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id):
            pass
        assert told("outcome", "price") == [("ok", RESERVED)]
        assert (spent(roadmap_id), list(by_month().values())) == (RESERVED, [RESERVED])

    @pytest.mark.parametrize(
        ("bill", "price"),
        [
            (lambda call: call.used(*USED[0]), USED[1]),
            (lambda call: call.used(None, None), RESERVED),
            (lambda call: call.unbilled(), 0),
            (lambda call: None, RESERVED),
        ],
    )
    @pytest.mark.parametrize(
        ("error", "stops", "kept"),
        [
            (GeneratorFault("The model refuses."), False, ("fault", "The model refuses.")),
            (GeneratorFault("x" * 600), False, ("fault", "x" * 500)),
            (TimeoutError("after 90 s"), False, ("fault", "TimeoutError")),
            (RuntimeError("Authorization: Bearer sk-a-secret"), False, ("fault", "RuntimeError")),
            (GeneratorFault("Broken off."), True, ("stopped", "Broken off.")),
            (KeyboardInterrupt(), False, ("stopped", "KeyboardInterrupt")),
        ],
        ids=["fault", "long fault", "time", "mistake with a secret", "stopped", "interrupted"],
    )
    def test_a_failed_call_costs_the_most_unless_somebody_has_said_what(
        self,
        error: BaseException,
        stops: bool,
        kept: tuple[str, str],
        bill: Callable[[BudgetedCall], None],
        price: int,
    ) -> None:
        roadmap_id, stop = a_roadmap(), StopSignal()
        call = begun(roadmap_id, stop=stop)
        bill(call)
        if stops:
            stop.stop()
        ended(call, error)
        assert told("outcome", "reason", "price") == [(*kept, price)]
        assert (spent(roadmap_id), list(by_month().values())) == (price, [price])

    def test_an_answer_that_came_before_the_stop_was_noticed_is_an_answer(self) -> None:
        stop = StopSignal()
        with a_call(a_roadmap(), stop=stop) as call:
            stop.stop()
            call.used(*USED[0])
        assert told("outcome", "price") == [("ok", USED[1])]

    def test_its_time_is_measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(budget_, "monotonic", lambda: 100.0)
        monkeypatch.setattr(retry_policy, "monotonic", lambda: 101.25)
        with a_call(a_roadmap()):
            pass
        assert told("ms") == [(1250,)]

    def test_calls_of_two_roadmaps_add_up_in_the_month_of_their_owner(self) -> None:
        first, second, other, others = a_roadmap(), a_roadmap(), an_account(), None
        others = a_roadmap(other)
        for roadmap_id, owner_id, tokens in (
            (first, LOCAL_OWNER, 4),
            (second, LOCAL_OWNER, 8),
            (others, other, 12),
        ):
            with a_call(roadmap_id, owner_id=owner_id) as call:
                call.used(tokens, 0)
        assert [spent(roadmap_id) for roadmap_id in (first, second, others)] == [1, 2, 3]
        assert (list(by_month().values()), list(by_month(other).values())) == ([3], [3])


class TestStopping:
    def test_a_stop_is_passed_on_to_the_call_that_runs(self) -> None:
        stop, heard = StopSignal(), list[str]()
        with a_call(a_roadmap(), stop=stop) as call:
            call.on_stop(lambda: heard.append("early"))
            stop.stop()
            assert heard == ["early"]
            call.on_stop(lambda: heard.append("late"))
            assert heard == ["early", "late"]

    def test_a_stop_after_its_end_is_no_concern_of_a_call(self) -> None:
        stop, heard = StopSignal(), list[str]()
        with a_call(a_roadmap(), stop=stop) as call:
            call.on_stop(lambda: heard.append("first"))
        with a_call(a_roadmap(), stop=stop) as call:
            call.on_stop(lambda: heard.append("second"))
            stop.stop()
        assert heard == ["second"]

    def test_after_a_stop_no_call_begins(self) -> None:
        roadmap_id, stop = a_roadmap(), StopSignal()
        stop.stop()
        with pytest.raises(
            GeneratorFault, match=r"^Nobody wants this any more; the model was not called\.$"
        ):
            begun(roadmap_id, stop=stop)
        assert (records(), by_month(), spent(roadmap_id)) == ([], {}, 0)


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
            "The budget of this roadmap is 0.009999 EUR; 0.005 EUR of it is spent or reserved for calls that run, "
            "and this call could cost up to 0.005 EUR. Raise BUDGET_PER_ROADMAP to go on."
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
        ("now", "month", "anew"),
        [((2026, 11, 30), "2026-11", "2026-12"), ((2026, 12, 1), "2026-12", "2027-01")],
    )
    def test_an_account_without_room_for_the_most_is_over_its_budget(
        self, now: tuple[int, int, int], month: str, anew: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, month="0.009999")
        travel_to(datetime(*now, 12, tzinfo=UTC))
        first, second = a_roadmap(), a_roadmap()
        ended(begun(first))
        with pytest.raises(OverBudget) as raised:
            begun(second)
        assert str(raised.value) == (
            f"The budget of this account for {month} is 0.009999 USD; 0.005 USD of it is spent or reserved for calls that run, "
            "and this call could cost up to 0.005 USD. Raise BUDGET_PER_USER_MONTH, or go on when the month's budget begins "
            f"anew on {anew}-01 (UTC)."
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
            match=r"^The roadmap does not exist any more; the model was not called\.$",
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
        assert told("outcome", "price") == [("ok", USED[1])]
        assert list(by_month().values()) == [USED[1]]


class TestOutages:
    def test_no_call_begins_while_the_database_is_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id = a_roadmap()
        next_transactions(monkeypatch, away)
        with pytest.raises(Unavailable):
            begun(roadmap_id)
        assert (records(), spent(roadmap_id), by_month()) == ([], 0, {})

    def test_what_a_call_cost_waits_for_the_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(*USED[0])
            next_transactions(monkeypatch, away, away)
        assert told("outcome", "price") == [("ok", USED[1])]
        assert (spent(roadmap_id), list(by_month().values())) == (USED[1], [USED[1]])

    def test_it_is_settled_once_when_the_answer_of_the_database_is_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(*USED[0])
            next_transactions(monkeypatch, answer_lost, answer_lost)
        assert told("outcome", "price") == [("ok", USED[1])]
        assert (spent(roadmap_id), list(by_month().values())) == (USED[1], [USED[1]])

    def test_in_the_end_it_counts_as_the_most_and_as_lost_with_the_next_call(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        monkeypatch.setattr(retry_policy, "SAVE_PATIENCE", -1)
        call = begun(roadmap_id, content_id)
        call.used(*USED[0])
        next_transactions(monkeypatch, away)
        with pytest.raises(Unavailable):
            ended(call)
        assert told("outcome", "price") == [("running", RESERVED)]
        begun(roadmap_id, content_id)
        assert told("outcome", "price") == [("lost", RESERVED), ("running", RESERVED)]
        assert (spent(roadmap_id), list(by_month().values())) == (2 * RESERVED, [2 * RESERVED])


class TestDeaths:
    @pytest.mark.parametrize("content_id", [new_id(), None], ids=["content", "outline"])
    def test_a_call_whose_worker_died_is_lost_with_the_next_and_has_cost_the_most(
        self, content_id: UUID | None
    ) -> None:
        roadmap_id = a_roadmap()
        begun(roadmap_id, content_id, step="analysis")
        with a_call(roadmap_id, content_id, step="outline") as call:
            assert told("outcome", "price") == [("lost", RESERVED), ("running", RESERVED)]
            assert spent(roadmap_id) == 2 * RESERVED
            call.used(*USED[0])
        assert told("outcome", "price") == [("lost", RESERVED), ("ok", USED[1])]
        assert (spent(roadmap_id), list(by_month().values())) == (
            RESERVED + USED[1],
            [RESERVED + USED[1]],
        )

    def test_calls_for_something_else_run_on(self) -> None:
        first, second, content_id = a_roadmap(), a_roadmap(), new_id()
        begun(first, content_id)
        begun(first, new_id())
        begun(first, None)
        begun(second, None)
        assert told("outcome") == [("running",)] * 4
        begun(first, content_id)
        assert told("outcome") == [
            ("lost",),
            ("running",),
            ("running",),
            ("running",),
            ("running",),
        ]
        begun(first, None)
        assert told("outcome") == [
            ("lost",),
            ("running",),
            ("lost",),
            ("running",),
            ("running",),
            ("running",),
        ]

    def test_what_is_settled_is_not_lost(self) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        for error in (None, GeneratorFault("No.")):
            ended(begun(roadmap_id, content_id), error)
        begun(roadmap_id, content_id)
        assert told("outcome") == [("ok",), ("fault",), ("running",)]

    def test_a_call_that_does_not_begin_gives_up_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.005")
        roadmap_id, content_id = a_roadmap(), new_id()
        begun(roadmap_id, content_id)
        with pytest.raises(BudgetReserved):
            begun(roadmap_id, content_id)
        assert told("outcome") == [("running",)]

    def test_a_worker_that_was_only_late_says_what_its_call_has_cost(self) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        late = begun(roadmap_id, content_id)
        with a_call(roadmap_id, content_id) as call:
            call.used(*USED[0])
        late.used(40, 30)
        ended(late)
        assert told("outcome", "price", "prompt_tokens") == [("ok", 70, 40), ("ok", USED[1], 400)]
        assert (spent(roadmap_id), list(by_month().values())) == (70 + USED[1], [70 + USED[1]])

    def test_a_late_worker_that_knows_nothing_leaves_the_sums_as_they_are(self) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        late = begun(roadmap_id, content_id)
        begun(roadmap_id, content_id)
        ended(late, GeneratorFault("The model did not answer within 90 s."))
        assert told("outcome", "price") == [("fault", RESERVED), ("running", RESERVED)]
        assert (spent(roadmap_id), list(by_month().values())) == (2 * RESERVED, [2 * RESERVED])


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


BEGIN = st.tuples(st.just("begin"), st.integers(0, 5), st.integers(0, 4000))
END = st.tuples(
    st.sampled_from(["ok", "unknown", "unbilled", "fault", "paid fault", "stopped"]),
    st.integers(0, 9),
    st.integers(0, 100),
)
OTHER = st.tuples(st.sampled_from(["die", "next month"]), st.integers(0, 9), st.just(0))
ROADMAP_LIMIT, MONTH_LIMIT = 20_000, 30_000


@dataclass
class Running:
    """A call, and what it is to be taken back from."""

    call: BudgetedCall
    stop: StopSignal
    roadmap_id: UUID
    month: str
    tokens: int


class Bookkeeper:
    """Does what it is told, and keeps sums of its own."""

    def __init__(self) -> None:
        self.owner_id = an_account()
        self.roadmaps = [a_roadmap(self.owner_id) for _ in range(2)]
        self.places = [(self.roadmaps[n % 2], None if n > 3 else new_id()) for n in range(6)]
        self.open: list[Running] = []
        self.dead: list[Running] = []
        self.of_roadmap = dict.fromkeys(self.roadmaps, 0)
        self.of_month: dict[str, int] = {}

    def do(self, verb: str, which: int, number: int) -> None:
        if verb == "begin":
            self.begin(*self.places[which], number)
        elif verb == "next month":
            clock.travel(timedelta(days=31))
        elif self.open:
            chosen = self.open.pop(which % len(self.open))
            if verb == "die":
                self.dead.append(chosen)
            else:
                self.end(verb, chosen, number)

    def begin(self, roadmap_id: UUID, content_id: UUID | None, tokens: int) -> None:
        most, month, stop = 2 * tokens, f"{clock.now():%Y-%m}", StopSignal()
        fits = (
            self.of_roadmap[roadmap_id] + most <= ROADMAP_LIMIT
            and self.of_month.get(month, 0) + most <= MONTH_LIMIT
        )
        sizes = {"most_prompt_tokens": 0, "most_completion_tokens": tokens}
        with nullcontext() if fits else pytest.raises((OverBudget, BudgetReserved)):
            call = begun(roadmap_id, content_id, owner_id=self.owner_id, stop=stop, **sizes)
            self.open.append(Running(call, stop, roadmap_id, month, tokens))
            self.add(roadmap_id, month, most)

    def end(self, verb: str, its: Running, percent: int) -> None:
        used, most = its.tokens * percent // 100, 2 * its.tokens
        if verb in ("ok", "paid fault"):
            its.call.used(0, used)
        if verb == "unbilled":
            its.call.unbilled()
        if verb == "stopped":
            its.stop.stop()
        ended(its.call, None if verb in ("ok", "unknown") else GeneratorFault("No."))
        price = {"ok": 2 * used, "paid fault": 2 * used, "unbilled": 0}.get(verb, most)
        self.add(its.roadmap_id, its.month, price - most)

    def add(self, roadmap_id: UUID, month: str, amount: int) -> None:
        self.of_roadmap[roadmap_id] += amount
        self.of_month[month] = self.of_month.get(month, 0) + amount

    def check(self) -> None:
        assert {roadmap_id: spent(roadmap_id) for roadmap_id in self.roadmaps} == self.of_roadmap
        assert by_month(self.owner_id) == self.of_month
        assert max(self.of_roadmap.values()) <= ROADMAP_LIMIT
        assert max(self.of_month.values(), default=0) <= MONTH_LIMIT

    def check_rows(self) -> None:
        total = peewee.fn.SUM(ModelCall.price)
        with session():
            query = ModelCall.select(ModelCall.roadmap_id, total).where(
                ModelCall.owner_id == self.owner_id
            )
            priced = dict(query.group_by(ModelCall.roadmap_id).tuples())
        assert {id_: priced.get(id_, 0) for id_ in self.roadmaps} == self.of_roadmap
        assert sum(self.of_roadmap.values()) == sum(self.of_month.values())


class TestAnyOrder:
    @pytest.fixture(autouse=True)
    def limited(self, books: None, monkeypatch: pytest.MonkeyPatch) -> None:
        budgets(monkeypatch, roadmap="0.02", month="0.03")

    @given(st.lists(BEGIN | BEGIN | END | OTHER, max_size=25))
    def test_whatever_happens_the_sums_are_those_of_the_calls_and_within_the_budgets(
        self, deeds: list[tuple[str, int, int]]
    ) -> None:
        clock.reset()
        keeper = Bookkeeper()
        for deed in deeds:
            keeper.do(*deed)
            keeper.check()
        keeper.check_rows()


def booked(roadmap_id: UUID, step: str, **facts: Any) -> UUID:
    """A call that is in the books."""
    call_id = new_id()
    its = {
        "owner_id": LOCAL_OWNER,
        "roadmap_id": roadmap_id,
        "model": MODEL,
        "prompt_version": PROMPTS,
        "attempt": 1,
    }
    its |= {"outcome": "ok", "reserved": RESERVED, "price": 0, "started_at": clock.now(), **facts}
    with transaction():
        ModelCall.insert(id=call_id, step=step, **its).execute()
    return call_id


def measured(step: str, *tokens: tuple[int | None, int | None], **facts: Any) -> None:
    """Calls of any roadmap that have used so many."""
    for prompt, completion in tokens:
        booked(new_id(), step, prompt_tokens=prompt, completion_tokens=completion, **facts)


def waiting(roadmap_id: UUID, *kinds: str, status: str = "pending", removed: bool = False) -> None:
    """A concept of the roadmap with these contents."""
    place = {
        "roadmap": roadmap_id,
        "key": str(new_id()),
        "position": 0,
        "title": "A title",
        "description": "",
        "removed": removed,
    }
    stage, module, concept = new_id(), new_id(), new_id()
    with transaction():
        Stage.insert(id=stage, **place).execute()
        Module.insert(id=module, stage=stage, **place).execute()
        facts = {"week": 1, "hours": 1, "difficulty": 1, "prerequisites": [], "outcomes": []}
        Concept.insert(id=concept, module=module, **place, **facts).execute()
        for kind in kinds:
            content = {
                "roadmap": roadmap_id,
                "concept": concept,
                "kind": kind,
                "status": status,
                "due_at": clock.now(),
            }
            Content.insert(id=new_id(), **content).execute()


class TestReceipts:
    def test_a_receipt_has_every_call_and_the_sums_of_every_step(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.5", month="2.25", currency="EUR")
        roadmap_id, other, concept_id, month = (
            a_roadmap(),
            a_roadmap(),
            new_id(),
            month_of(clock.now()),
        )
        place = {"concept_id": concept_id, "content_id": new_id()}
        at = datetime(2026, 11, 30, 12, 30, 15, 250_000, tzinfo=UTC)
        used = {"prompt_tokens": 1000, "completion_tokens": 3000, "ms": 8000, "price": 6250}
        fault = {
            "outcome": "fault",
            "reason": "Empty.",
            "prompt_tokens": 900,
            "ms": 500,
            "price": 5000,
        }
        ids = [
            booked(roadmap_id, "outline", **used, started_at=at),
            booked(roadmap_id, "quiz", **place, **fault, started_at=at + timedelta(seconds=1)),
            booked(
                roadmap_id,
                "quiz",
                **place,
                outcome="stopped",
                price=5000,
                ms=20,
                started_at=at + timedelta(seconds=2),
            ),
            booked(
                roadmap_id,
                "quiz",
                **place,
                outcome="lost",
                price=5000,
                started_at=at + timedelta(seconds=3),
            ),
            booked(
                roadmap_id, "quiz", **place, **used, attempt=2, started_at=at + timedelta(seconds=4)
            ),
            booked(
                roadmap_id,
                "quiz",
                **place,
                outcome="running",
                price=5000,
                started_at=at + timedelta(seconds=5),
            ),
        ]
        booked(other, "quiz", **used)
        with transaction():
            Roadmap.update(spent=32_500, over_budget=True).where(Roadmap.id == roadmap_id).execute()
            for whose, which, amount in (
                (new_id(), month, 9),
                (LOCAL_OWNER, "2000-01", 7),
                (LOCAL_OWNER, month, 38_750),
            ):
                MonthlySpending.insert(owner_id=whose, month=which, amount=amount).execute()

        told = receipt(LOCAL_OWNER, roadmap_id, limit=100, after=None)

        assert (told.currency, told.spent, told.reserved, told.budget) == (
            "EUR",
            Decimal("0.0325"),
            Decimal("0.005"),
            Decimal("0.5"),
        )
        assert told.over_budget
        assert told.account_month == AccountMonth(
            month=month, spent=Decimal("0.03875"), budget=Decimal("2.25")
        )
        assert told.estimate is None
        outline = {
            "calls": 1,
            "failed": 0,
            "prompt_tokens": 1000,
            "completion_tokens": 3000,
            "ms": 8000,
        }
        quiz = {
            "calls": 5,
            "failed": 3,
            "prompt_tokens": 1900,
            "completion_tokens": 3000,
            "ms": 8520,
        }
        assert told.steps == [
            StepCost(step="outline", **outline, price=Decimal("0.00625")),
            StepCost(step="quiz", **quiz, price=Decimal("0.02625")),
        ]
        assert (
            sum(step.price for step in told.steps)
            == sum(call.price for call in told.calls)
            == told.spent
        )
        assert [call.id for call in told.calls] == ids
        outcomes = ["ok", "fault", "stopped", "lost", "ok", "running"]
        assert [call.outcome for call in told.calls] == outcomes
        common = {
            "step": "quiz",
            "concept_id": concept_id,
            "model": MODEL,
            "prompt_version": PROMPTS,
        }
        assert told.calls[1] == CallRecord(
            **{
                **common,
                "id": ids[1],
                "at": at + timedelta(seconds=1),
                "attempt": 1,
                "outcome": "fault",
                "reason": "Empty.",
            },
            **{
                "prompt_tokens": 900,
                "completion_tokens": None,
                "ms": 500,
                "price": Decimal("0.005"),
            },
        )
        assert told.calls[4] == CallRecord(
            **{
                **common,
                "id": ids[4],
                "at": at + timedelta(seconds=4),
                "attempt": 2,
                "outcome": "ok",
                "reason": "",
            },
            **{
                "prompt_tokens": 1000,
                "completion_tokens": 3000,
                "ms": 8000,
                "price": Decimal("0.00625"),
            },
        )
        assert told.next_cursor is None

    def test_money_is_written_as_exact_decimals(self) -> None:
        roadmap_id = a_roadmap()
        booked(roadmap_id, "quiz", price=1)
        with transaction():
            Roadmap.update(spent=123_456_789_000_001).where(Roadmap.id == roadmap_id).execute()
        written = receipt(LOCAL_OWNER, roadmap_id, limit=1, after=None).model_dump(mode="json")
        assert (written["spent"], written["reserved"], written["budget"]) == (
            "123456789.000001",
            "0",
            None,
        )
        assert (written["calls"][0]["price"], written["steps"][0]["price"]) == (
            "0.000001",
            "0.000001",
        )
        assert written["account_month"] == {
            "month": month_of(clock.now()),
            "spent": "0",
            "budget": None,
        }

    def test_the_receipt_of_a_roadmap_that_has_called_nothing_is_empty(self) -> None:
        told = receipt(LOCAL_OWNER, a_roadmap(), limit=10, after=None)
        assert (told.spent, told.reserved, told.budget, told.over_budget) == (
            Decimal(0),
            Decimal(0),
            None,
            False,
        )
        assert (told.steps, told.calls, told.next_cursor, told.estimate) == ([], [], None, None)

    def test_a_receipt_agrees_with_what_the_ledger_wrote(self) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id, new_id()) as call:
            call.used(*USED[0])
        begun(roadmap_id, new_id())
        told = receipt(LOCAL_OWNER, roadmap_id, limit=10, after=None)
        assert (told.spent, told.reserved) == (Decimal("0.0057"), Decimal("0.005"))
        assert told.account_month.spent == told.steps[0].price == Decimal("0.0057")

    def test_calls_are_read_page_by_page_without_gaps(self) -> None:
        roadmap_id = a_roadmap()
        ids = [booked(roadmap_id, "quiz") for _ in range(5)]
        booked(a_roadmap(), "quiz")
        pages, after = [], None
        for _ in range(3):
            told = receipt(LOCAL_OWNER, roadmap_id, limit=2, after=after)
            pages.append([call.id for call in told.calls])
            assert told.steps[0].calls == 5
            assert told.next_cursor == (str(pages[-1][-1]) if len(pages) < 3 else None)
            after = pages[-1][-1]
        assert pages == [ids[:2], ids[2:4], ids[4:]]

    def test_a_page_that_is_just_full_is_the_last(self) -> None:
        roadmap_id = a_roadmap()
        ids = [booked(roadmap_id, "quiz") for _ in range(2)]
        told = receipt(LOCAL_OWNER, roadmap_id, limit=2, after=None)
        assert ([call.id for call in told.calls], told.next_cursor) == (ids, None)

    def test_the_roadmap_of_somebody_else_does_not_exist(self) -> None:
        roadmap_id = a_roadmap(an_account())
        for missing in (roadmap_id, new_id()):
            with pytest.raises(NotFound) as raised:
                receipt(LOCAL_OWNER, missing, limit=10, after=None)
            assert raised.value.detail == "There is no such roadmap."


class TestEstimates:
    def test_without_measurements_the_assumptions_count(self) -> None:
        found = estimate({"tutorial": 30, "quiz": 10, "resources": 0}, MODEL)
        prompt, completion = 30 * 900 + 10 * 850, 30 * 2600 + 10 * 1200
        price = Decimal(prompt * 25 + completion * 200) / 100 / 10**6
        assert found == Estimate(
            calls=40,
            prompt_tokens=prompt,
            completion_tokens=completion,
            price=price,
            currency="USD",
            measured=False,
        )

    def test_every_step_has_an_assumption(self) -> None:
        steps = ("analysis", "outline", "repair", "revise", "tutorial", "resources", "quiz")
        found = estimate(dict.fromkeys(steps, 1), MODEL)
        assert (found.calls, found.prompt_tokens, found.completion_tokens) == (7, 15_650, 18_200)

    def test_measured_steps_count_with_their_mean_rounded_up(self) -> None:
        measured("quiz", (1, 10), (2, 10), (2, 10), (2, 10), (2, 12))
        found = estimate({"quiz": 3}, MODEL)
        assert (found.calls, found.prompt_tokens, found.completion_tokens, found.measured) == (
            3,
            6,
            32,
            True,
        )  # 5.4 and 31.2
        assert found.price == Decimal("0.000066")  # 1.5 and 64 millionths

    def test_it_is_measured_when_every_step_is(self) -> None:
        measured("quiz", *[(100, 10)] * 5)
        measured("tutorial", *[(200, 20)] * 4)
        assert estimate({"quiz": 1, "tutorial": 0}, MODEL).measured
        found = estimate({"quiz": 1, "tutorial": 1}, MODEL)
        assert (found.prompt_tokens, found.completion_tokens, found.measured) == (
            100 + 900,
            10 + 2600,
            False,
        )
        measured("tutorial", (200, 20))
        found = estimate({"quiz": 1, "tutorial": 1}, MODEL)
        assert (found.prompt_tokens, found.completion_tokens, found.measured) == (300, 30, True)

    def test_only_answers_of_this_model_and_step_that_say_all_their_tokens_are_measurements(
        self,
    ) -> None:
        measured("quiz", *[(100, 10)] * 5)
        for outcome in ("fault", "stopped", "lost", "running"):
            measured("quiz", (9999, 9999), outcome=outcome)
        measured("quiz", (9999, None), (None, 9999), (None, None))
        measured("quiz", (9999, 9999), model="other")
        measured("tutorial", (9999, 9999))
        found = estimate({"quiz": 1}, MODEL)
        assert (found.prompt_tokens, found.completion_tokens, found.measured) == (100, 10, True)

    def test_only_the_last_two_hundred_are_looked_at(self) -> None:
        measured("quiz", (9999, 9999))
        with transaction():
            measured("quiz", *[(100, 10)] * 200)
        found = estimate({"quiz": 1}, MODEL)
        assert (found.prompt_tokens, found.completion_tokens) == (100, 10)

    def test_a_model_without_a_price_has_an_estimate_without_one(self) -> None:
        found = estimate({"quiz": 2}, "unknown")
        assert (found.calls, found.prompt_tokens, found.price) == (2, 1700, None)

    def test_the_catalogue_calls_nothing_and_costs_nothing(self) -> None:
        nothing = Estimate(
            calls=0,
            prompt_tokens=0,
            completion_tokens=0,
            price=Decimal(0),
            currency="USD",
            measured=True,
        )
        assert (
            estimate({"quiz": 2}, None) == estimate({}, MODEL) == estimate({}, "unknown") == nothing
        )

    def test_contents_that_wait_and_are_in_the_plan_are_still_to_come(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, openai_api_key=SecretStr("sk-test"))
        roadmap_id = a_roadmap()
        waiting(roadmap_id, "tutorial", "quiz")
        waiting(roadmap_id, "tutorial")
        waiting(roadmap_id, "tutorial", "resources", removed=True)
        for status in ("building", "ready", "failed", "cancelled"):
            waiting(roadmap_id, "tutorial", status=status)
        waiting(a_roadmap(), "tutorial")
        found = pending_estimate(roadmap_id)
        assert (found.calls, found.prompt_tokens, found.completion_tokens) == (
            3,
            2 * 900 + 850,
            2 * 2600 + 1200,
        )
        assert receipt(LOCAL_OWNER, roadmap_id, limit=1, after=None).estimate == found

    def test_without_a_key_nothing_is_to_come(self) -> None:
        roadmap_id = a_roadmap()
        waiting(roadmap_id, "tutorial")
        assert pending_estimate(roadmap_id) == estimate({}, None)
        assert receipt(LOCAL_OWNER, roadmap_id, limit=1, after=None).estimate is None
