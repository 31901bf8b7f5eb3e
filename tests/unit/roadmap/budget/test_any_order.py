"""Sums and budgets hold in any order of calls."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import peewee
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.db import session
from core.ids import new_id
from models.records import ModelCall
from roadmap.budget.budget import BudgetedCall, BudgetReserved, OverBudget
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import StopSignal
from tests.unit.roadmap.budget.books import (
    a_roadmap,
    an_account,
    begun,
    budgets,
    by_month,
    ended,
    spent,
)

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
    """Runs the calls of the test, and keeps sums of its own."""

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
