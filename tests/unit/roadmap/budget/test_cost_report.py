"""Receipts and estimates."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from core import clock
from core.db import settings, transaction
from core.errors import NotFound
from core.ids import new_id
from core.setting_types import Price
from models.records import ModelCall, MonthlySpending
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.budget.budget import month_of
from roadmap.budget.cost_report import (
    AccountMonth,
    CallRecord,
    StepCost,
    estimate,
    pending_estimate,
    receipt,
)
from roadmap.plan.views import Estimate
from tests.unit.roadmap.budget.books import (
    MODEL,
    PRICE,
    PROMPTS,
    RESERVED,
    USED,
    a_call,
    a_roadmap,
    an_account,
    begun,
    budgets,
)


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
        at = datetime(2126, 11, 30, 12, 30, 15, 250_000, tzinfo=UTC)
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

        report = receipt(LOCAL_OWNER, roadmap_id, limit=100, after=None)

        assert (report.currency, report.spent, report.reserved, report.budget) == (
            "EUR",
            Decimal("0.0325"),
            Decimal("0.005"),
            Decimal("0.5"),
        )
        assert report.over_budget
        assert report.account_month == AccountMonth(
            month=month, spent=Decimal("0.03875"), budget=Decimal("2.25")
        )
        assert report.estimate is None
        outline = {
            "calls": 1,
            "failed": 0,
            "prompt_tokens": 1000,
            "completion_tokens": 3000,
            "cached_tokens": 0,
            "ms": 8000,
        }
        quiz = {
            "calls": 5,
            "failed": 3,
            "prompt_tokens": 1900,
            "completion_tokens": 3000,
            "cached_tokens": 0,
            "ms": 8520,
        }
        assert report.steps == [
            StepCost(step="outline", **outline, price=Decimal("0.00625")),
            StepCost(step="quiz", **quiz, price=Decimal("0.02625")),
        ]
        assert (
            sum(step.price for step in report.steps)
            == sum(call.price for call in report.calls)
            == report.spent
        )
        assert [call.id for call in report.calls] == ids
        outcomes = ["ok", "fault", "stopped", "lost", "ok", "running"]
        assert [call.outcome for call in report.calls] == outcomes
        common = {
            "step": "quiz",
            "concept_id": concept_id,
            "model": MODEL,
            "prompt_version": PROMPTS,
        }
        call = {"attempt": 1, "outcome": "fault", "reason": "Empty.", "prompt_tokens": 900}
        call |= {"completion_tokens": None, "cached_tokens": None, "ms": 500}
        call |= {"id": ids[1], "at": at + timedelta(seconds=1), "price": Decimal("0.005")}
        assert report.calls[1] == CallRecord(**common, **call)
        call = {"attempt": 2, "outcome": "ok", "reason": "", "prompt_tokens": 1000}
        call |= {"completion_tokens": 3000, "cached_tokens": None, "ms": 8000}
        call |= {"id": ids[4], "at": at + timedelta(seconds=4), "price": Decimal("0.00625")}
        assert report.calls[4] == CallRecord(**common, **call)
        assert report.next_cursor is None

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
        month = month_of(clock.now())
        assert written["account_month"] == {"month": month, "spent": "0", "budget": None}

    def test_the_receipt_of_a_roadmap_that_has_called_nothing_is_empty(self) -> None:
        report = receipt(LOCAL_OWNER, a_roadmap(), limit=10, after=None)
        assert (report.spent, report.reserved, report.budget, report.over_budget) == (
            Decimal(0),
            Decimal(0),
            None,
            False,
        )
        assert (report.steps, report.calls, report.next_cursor, report.estimate) == (
            [],
            [],
            None,
            None,
        )

    def test_a_receipt_agrees_with_what_the_ledger_wrote(self) -> None:
        roadmap_id = a_roadmap()
        with a_call(roadmap_id, new_id()) as call:
            call.used(*USED[0], cached_tokens=300)
        begun(roadmap_id, new_id())
        report = receipt(LOCAL_OWNER, roadmap_id, limit=10, after=None)
        assert (report.spent, report.reserved) == (Decimal("0.0057"), Decimal("0.005"))
        assert report.account_month.spent == report.steps[0].price == Decimal("0.0057")

    def test_calls_are_read_page_by_page_without_gaps(self) -> None:
        roadmap_id = a_roadmap()
        ids = [booked(roadmap_id, "quiz") for _ in range(5)]
        booked(a_roadmap(), "quiz")
        pages, after = [], None
        for _ in range(3):
            report = receipt(LOCAL_OWNER, roadmap_id, limit=2, after=after)
            pages.append([call.id for call in report.calls])
            assert report.steps[0].calls == 5
            assert report.next_cursor == (str(pages[-1][-1]) if len(pages) < 3 else None)
            after = pages[-1][-1]
        assert pages == [ids[:2], ids[2:4], ids[4:]]

    def test_a_page_that_is_just_full_is_the_last(self) -> None:
        roadmap_id = a_roadmap()
        ids = [booked(roadmap_id, "quiz") for _ in range(2)]
        report = receipt(LOCAL_OWNER, roadmap_id, limit=2, after=None)
        assert ([call.id for call in report.calls], report.next_cursor) == (ids, None)

    def test_the_roadmap_of_somebody_else_does_not_exist(self) -> None:
        roadmap_id = a_roadmap(an_account())
        for missing in (roadmap_id, new_id()):
            with pytest.raises(NotFound) as raised:
                receipt(LOCAL_OWNER, missing, limit=10, after=None)
            assert raised.value.detail == "This roadmap does not exist."


class TestEstimates:
    def test_without_measurements_the_assumptions_count(self) -> None:
        found = estimate({"tutorial": 30, "quiz": 10, "resources": 0}, MODEL)
        prompt, completion = 30 * 2600 + 10 * 4000, 30 * 2600 + 10 * 1200
        price = Decimal(prompt * 25 + completion * 200) / 100 / 10**6
        assert found == Estimate(
            calls=40,
            prompt_tokens=prompt,
            completion_tokens=completion,
            price=price,
            currency="USD",
            measured=False,
        )

    def test_a_step_with_a_model_of_its_own_has_its_price(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prices = (PRICE, Price("own", Decimal(1), Decimal(2)))
        budgets(monkeypatch, openai_model_quiz="own", model_prices=prices)
        quiz = Decimal(4000 * 1 + 1200 * 2) / 10**6
        assert estimate({"quiz": 1}, MODEL).price == quiz
        both = estimate({"quiz": 1, "tutorial": 1}, MODEL).price
        assert both == estimate({"tutorial": 1}, MODEL).price + quiz

    def test_every_step_has_an_assumption(self) -> None:
        steps = ("analysis", "outline", "repair", "revise", "tutorial", "resources", "quiz")
        found = estimate(dict.fromkeys(steps, 1), MODEL)
        assert (found.calls, found.prompt_tokens, found.completion_tokens) == (7, 22_200, 18_200)

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
            100 + 2600,
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
        assert (found.calls, found.prompt_tokens, found.price) == (2, 8000, None)

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
            2 * 2600 + 4000,
            2 * 2600 + 1200,
        )
        assert receipt(LOCAL_OWNER, roadmap_id, limit=1, after=None).estimate == found

    def test_without_a_key_nothing_is_to_come(self) -> None:
        roadmap_id = a_roadmap()
        waiting(roadmap_id, "tutorial")
        assert pending_estimate(roadmap_id) == estimate({}, None)
        assert receipt(LOCAL_OWNER, roadmap_id, limit=1, after=None).estimate is None


def test_a_quiz_that_is_checked_is_a_call_more(monkeypatch: pytest.MonkeyPatch) -> None:
    checking = settings.model_copy(update={"quiz_check": True})
    monkeypatch.setattr("roadmap.budget.cost_report.settings", checking)
    found = estimate({"quiz": 3, "tutorial": 2}, MODEL)
    assert (found.calls, found.completion_tokens) == (8, 3 * (1200 + 300) + 2 * 2600)
    assert estimate({"tutorial": 2}, MODEL).calls == 2
