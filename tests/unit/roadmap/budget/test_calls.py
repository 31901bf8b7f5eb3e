"""Calls of a model: reserved, settled once, and lost with their worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import database, transaction
from core.errors import Unavailable
from core.ids import new_id
from core.setting_types import Price
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.budget import budget as budget_
from roadmap.budget.budget import (
    BudgetedCall,
    BudgetMeter,
    BudgetReserved,
    CallPurpose,
    cost,
    month_of,
)
from roadmap.generation import retry_policy
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import StopSignal
from tests.unit.roadmap.budget.books import (
    MODEL,
    MOST,
    PRICE,
    PROMPTS,
    RESERVED,
    USED,
    a_call,
    a_roadmap,
    an_account,
    begun,
    budgets,
    by_month,
    call_columns,
    ended,
    records,
    spent,
)


@contextmanager
def away() -> Iterator[None]:
    """A transaction that does not come to be."""
    raise Unavailable("Away.")
    yield


@contextmanager
def answer_lost() -> Iterator[None]:
    """A transaction that is committed, but its answer is lost."""
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

    def test_tokens_in_the_cache_of_the_provider_cost_their_own_price_if_there_is_one(self) -> None:
        cheaper = replace(PRICE, cached=Decimal("0.025"))
        assert cost(cheaper, 1_000_000, 0, 800_000) == 50_000 + 20_000
        assert cost(PRICE, 1_000_000, 0, 800_000) == 250_000

    def test_no_more_tokens_are_cached_than_the_prompt_has(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, model_prices=(replace(PRICE, cached=Decimal(0)),))
        with a_call(a_roadmap()) as call:
            call.used(400, 0, 10**6)
        assert call_columns("price", "prompt_tokens", "cached_tokens") == [(0, 400, 400)]

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
        assert call_columns("reserved", "price", "prompt_tokens", "completion_tokens") == [
            (0, 0, 400, 300)
        ]
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
        after = clock.now()
        assert before <= row.pop("started_at") <= after
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
            "cached_tokens": None,
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
        assert call_columns("outcome", "reason", "price", "reserved") == [
            ("ok", "", price, RESERVED)
        ]
        assert call_columns("prompt_tokens", "completion_tokens") == [kept]
        month = month_of(clock.now())
        assert (spent(roadmap_id), by_month()) == (price, {month: price})

    def test_an_answer_without_usage_costs_the_most(self) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id):
            pass
        assert call_columns("outcome", "price") == [("ok", RESERVED)]
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
    def test_a_failed_call_costs_the_most_unless_its_usage_is_known(
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
        assert call_columns("outcome", "reason", "price") == [(*kept, price)]
        assert (spent(roadmap_id), list(by_month().values())) == (price, [price])

    def test_an_answer_that_came_before_the_stop_was_noticed_is_an_answer(self) -> None:
        stop = StopSignal()
        with a_call(a_roadmap(), stop=stop) as call:
            stop.stop()
            call.used(*USED[0])
        assert call_columns("outcome", "price") == [("ok", USED[1])]

    def test_its_time_is_measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(budget_, "monotonic", lambda: 100.0)
        monkeypatch.setattr(retry_policy, "monotonic", lambda: 101.25)
        with a_call(a_roadmap()):
            pass
        assert call_columns("ms") == [(1250,)]

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
            GeneratorFault, match=r"^The work is no longer needed\. The model was not called\.$"
        ):
            begun(roadmap_id, stop=stop)
        assert (records(), by_month(), spent(roadmap_id)) == ([], {}, 0)


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
        assert call_columns("outcome", "price") == [("ok", USED[1])]
        assert (spent(roadmap_id), list(by_month().values())) == (USED[1], [USED[1]])

    def test_it_is_settled_once_when_the_answer_of_the_database_is_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id) as call:
            call.used(*USED[0])
            next_transactions(monkeypatch, answer_lost, answer_lost)
        assert call_columns("outcome", "price") == [("ok", USED[1])]
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
        assert call_columns("outcome", "price") == [("running", RESERVED)]
        begun(roadmap_id, content_id)
        assert call_columns("outcome", "price") == [("lost", RESERVED), ("running", RESERVED)]
        assert (spent(roadmap_id), list(by_month().values())) == (2 * RESERVED, [2 * RESERVED])


class TestDeaths:
    @pytest.mark.parametrize("content_id", [new_id(), None], ids=["content", "outline"])
    def test_a_call_whose_worker_died_is_lost_with_the_next_and_has_cost_the_most(
        self, content_id: UUID | None
    ) -> None:
        roadmap_id = a_roadmap()
        begun(roadmap_id, content_id, step="analysis")
        with a_call(roadmap_id, content_id, step="outline") as call:
            assert call_columns("outcome", "price") == [("lost", RESERVED), ("running", RESERVED)]
            assert spent(roadmap_id) == 2 * RESERVED
            call.used(*USED[0])
        assert call_columns("outcome", "price") == [("lost", RESERVED), ("ok", USED[1])]
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
        assert call_columns("outcome") == [("running",)] * 4
        begun(first, content_id)
        assert call_columns("outcome") == [
            ("lost",),
            ("running",),
            ("running",),
            ("running",),
            ("running",),
        ]
        begun(first, None)
        assert call_columns("outcome") == [
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
        assert call_columns("outcome") == [("ok",), ("fault",), ("running",)]

    def test_a_call_that_does_not_begin_gives_up_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, roadmap="0.005")
        roadmap_id, content_id = a_roadmap(), new_id()
        begun(roadmap_id, content_id)
        with pytest.raises(BudgetReserved):
            begun(roadmap_id, content_id)
        assert call_columns("outcome") == [("running",)]

    def test_a_worker_that_was_only_late_says_what_its_call_has_cost(self) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        late = begun(roadmap_id, content_id)
        with a_call(roadmap_id, content_id) as call:
            call.used(*USED[0])
        late.used(40, 30)
        ended(late)
        assert call_columns("outcome", "price", "prompt_tokens") == [
            ("ok", 70, 40),
            ("ok", USED[1], 400),
        ]
        assert (spent(roadmap_id), list(by_month().values())) == (70 + USED[1], [70 + USED[1]])

    def test_a_late_worker_that_knows_nothing_leaves_the_sums_as_they_are(self) -> None:
        roadmap_id, content_id = a_roadmap(), new_id()
        late = begun(roadmap_id, content_id)
        begun(roadmap_id, content_id)
        ended(late, GeneratorFault("The model did not answer within 90 s."))
        assert call_columns("outcome", "price") == [("fault", RESERVED), ("running", RESERVED)]
        assert (spent(roadmap_id), list(by_month().values())) == (2 * RESERVED, [2 * RESERVED])
