"""What calls of a model may cost, and what they did: the most is reserved before a call, the truth is settled after it.

So the calls that run can never cost more than the budgets, however many they are. Every transaction here takes its rows in
one order, the roadmap, the account's month, the calls, so that no two of them wait for each other.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import peewee

from core import clock, metric_counters
from core.db import settings, transaction
from core.ids import new_id
from core.metric_definitions import MODEL_CALLS, MODEL_COST, MODEL_SECONDS, MODEL_TOKENS
from core.settings import Price
from models.roadmaps import Roadmap
from models.spending import ModelCall, MonthlySpending
from roadmap.generation.cancellation import StopSignal
from roadmap.generation.context import Cause, GeneratorFault, RetryLater
from roadmap.generation.llm.rate_control import RetryStagger
from roadmap.generation.retry_policy import ms_since, retry_save

MICRO = 10**6  # of these are one unit of the currency
MOST_TOKENS = 2**31 - 1  # that the books can hold of one call; who says more has miscounted
LONGEST_REASON = 500  # characters


class CallOutcome(StrEnum):
    running = "running"
    ok = "ok"
    fault = "fault"
    stopped = "stopped"
    lost = "lost"  # its worker is gone, and with it what the call cost: it counts as the most


@dataclass(frozen=True, slots=True)
class CallPurpose:
    """What a call is for. The outline of a roadmap has neither concept nor content."""

    owner_id: UUID
    roadmap_id: UUID
    concept_id: UUID | None
    content_id: UUID | None
    attempt: int


class OverBudget(GeneratorFault):
    """What a call could cost does not fit into what is left of a budget. Amounts are millionths of the currency."""

    def __init__(self, budget: str, remedy: str, *, limit: int, spent: int, most: int) -> None:
        super().__init__(
            f"The budget of {budget} is {_said(limit)}; {_said(spent)} of it is spent or reserved for calls that run, "
            f"and this call could cost up to {_said(most)}. {remedy}",
            lasting=True,
        )


class MoneyHeld(RetryLater):
    """There is money for this call, but other calls that run may still need it: they take seconds."""

    cause = Cause.budget
    _turns = RetryStagger()

    def __init__(self) -> None:
        super().__init__(
            "What is left of the budget is reserved for calls that run.", 2 * self._turns.next()
        )


class BudgetMeter:
    """The Meter of one piece of work: whatever its generator asks of a model is paid from the budgets of its owner."""

    def __init__(self, purpose: CallPurpose, stop: StopSignal) -> None:
        self._purpose, self._stop = purpose, stop
        self.calls = 0  # that were begun

    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        *,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> "BudgetedCall":
        """For a `with` around one call of a model. Entering raises OverBudget, GeneratorFault or Unavailable, and then nothing
        may be called; leaving raises Unavailable when the database stays away.
        """
        facts = {
            **asdict(self._purpose),
            "step": step,
            "model": model,
            "prompt_version": prompt_version,
        }
        price = price_of(model)
        return BudgetedCall(
            self, facts, price, cost(price, most_prompt_tokens, most_completion_tokens), self._stop
        )


class BudgetedCall:
    """One call in the books. Unless somebody says what it was billed, it has cost the most that it can have cost."""

    def __init__(
        self,
        ledger: BudgetMeter,
        facts: dict[str, Any],
        price: Price | None,
        most: int,
        stop: StopSignal,
    ) -> None:
        self._ledger = ledger
        self._facts, self._price, self._most, self._stop = facts, price, most, stop
        self._id, self._billed, self._ended = new_id(), most, False
        self._tokens: tuple[int | None, int | None] = (None, None)

    def used(self, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """What the provider says; None where it does not. More than was reserved is believed."""
        prompt, completion = self._tokens = _believed(prompt_tokens), _believed(completion_tokens)
        if prompt is None or completion is None:
            self._billed = self._most
        else:
            self._billed = cost(self._price, prompt, completion)

    def unbilled(self) -> None:
        """The provider answered in a way that costs nothing."""
        self._billed = 0

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call this, from whatever thread, when nobody wants the answer any more; never after the call's end."""
        self._stop.on_stop(lambda: None if self._ended else callback())

    def __enter__(self) -> Self:
        if self._stop.stopped:
            raise GeneratorFault("Nobody wants this any more; the model was not called.")
        now = clock.now()
        self._month = month_of(now)
        try:
            with transaction():
                _reserve(self._facts, self._month, self._most)
                running = {
                    "outcome": CallOutcome.running,
                    "reserved": self._most,
                    "price": self._most,
                    "started_at": now,
                }
                ModelCall.insert(**self._facts, **running, id=self._id).execute()
        except OverBudget:
            with transaction():
                Roadmap.update(over_budget=True).where(
                    Roadmap.id == self._facts["roadmap_id"]
                ).execute()
            raise
        self._started = monotonic()
        self._ledger.calls += 1
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._ended = True
        prompt, completion = self._tokens
        outcome, reason = _ending(error, stopped=self._stop.stopped)
        told = {
            "outcome": outcome,
            "reason": reason,
            "price": self._billed,
            "ms": ms_since(self._started),
        }
        told |= {"prompt_tokens": prompt, "completion_tokens": completion}
        retry_save(partial(self._settle, told))
        self._count(outcome, monotonic() - self._started)

    def _count(self, outcome: CallOutcome, seconds: float) -> None:
        """What is settled, once."""
        model, step = self._facts["model"], self._facts["step"]
        metric_counters.count(MODEL_CALLS, model=model, step=step, outcome=outcome.value)
        metric_counters.observe(MODEL_SECONDS, seconds, model=model, step=step)
        metric_counters.count(
            MODEL_COST, self._billed / MICRO, model=model, currency=settings.currency
        )
        for kind, tokens in zip(("prompt", "completion"), self._tokens, strict=True):
            if tokens is not None:
                metric_counters.count(MODEL_TOKENS, tokens, model=model, kind=kind)

    def _settle(self, told: dict[str, Any]) -> None:
        """Once, however often it is tried: an answer of the database may be lost after it has done as it was told. A call that
        was given up as lost meanwhile still counts with what was reserved, as one that runs does.
        """
        rest = self._billed - self._most
        unsettled = ModelCall.outcome.in_((CallOutcome.running, CallOutcome.lost))
        try:
            with transaction():
                _add(Roadmap.spent, rest, Roadmap.id == self._facts["roadmap_id"])
                _add(MonthlySpending.amount, rest, _in_month(self._facts["owner_id"], self._month))
                if ModelCall.update(told).where(ModelCall.id == self._id, unsettled).execute() == 0:
                    raise _SettledBefore
        except _SettledBefore:
            return


class _SettledBefore(Exception):
    """Undoes the transaction that finds it so."""


def month_of(now: datetime) -> str:
    """2026-11, in UTC."""
    return f"{now.astimezone(UTC):%Y-%m}"


def price_of(model: str) -> Price | None:
    """None when nobody has said it."""
    return next((price for price in settings.model_prices if price.model == model), None)


def cost(price: Price | None, prompt_tokens: int, completion_tokens: int) -> int:
    """Millionths of the currency, rounded up: as many as the price of a million tokens for each. 0 without a price."""
    return (
        math.ceil(prompt_tokens * price.prompt + completion_tokens * price.completion)
        if price
        else 0
    )


def money(micro: int) -> Decimal:
    """An amount in the currency."""
    return Decimal(micro) / MICRO


def _said(micro: int) -> str:
    return f"{money(micro):f} {settings.currency}"


def _believed(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


def _ending(error: BaseException | None, *, stopped: bool) -> tuple[CallOutcome, str]:
    """Why it ended. Words of errors that are not ours may contain anything, so that only their names are kept."""
    if error is None:
        return CallOutcome.ok, ""
    reason = (
        str(error)[:LONGEST_REASON] if isinstance(error, GeneratorFault) else type(error).__name__
    )
    broken_off = stopped or not isinstance(error, Exception)
    return CallOutcome.stopped if broken_off else CallOutcome.fault, reason


def _reserve(facts: dict[str, Any], month: str, most: int) -> None:
    _take_from_roadmap(facts["roadmap_id"], most)
    _take_from_month(facts["owner_id"], month, most)
    # All calls for one content, and all for an outline, are made under one lease: who makes the next one has it, and the
    # worker of one that still runs is gone. If it is not, it will yet say what its call has cost.
    same = (ModelCall.roadmap_id == facts["roadmap_id"]) & (
        ModelCall.content_id == facts["content_id"]
    )
    ModelCall.update(outcome=CallOutcome.lost).where(
        same, ModelCall.outcome == CallOutcome.running
    ).execute()


def _take_from_roadmap(roadmap_id: UUID, most: int) -> None:
    limit = int(settings.budget_per_roadmap * MICRO)
    if _add(Roadmap.spent, most, Roadmap.id == roadmap_id, *_within(Roadmap.spent, most, limit)):
        return
    sums = _spent_and_held(
        Roadmap.spent, Roadmap.id == roadmap_id, ModelCall.roadmap_id == roadmap_id
    )
    if sums is None:
        raise GeneratorFault(
            "The roadmap does not exist any more; the model was not called.", lasting=True
        )
    spent, held = sums
    if spent - held + most <= limit:
        raise MoneyHeld
    raise OverBudget(
        "this roadmap", "Raise BUDGET_PER_ROADMAP to go on.", limit=limit, spent=spent, most=most
    )


def _take_from_month(owner_id: UUID, month: str, most: int) -> None:
    limit, its = int(settings.budget_per_user_month * MICRO), _in_month(owner_id, month)
    MonthlySpending.insert(owner_id=owner_id, month=month, amount=0).on_conflict_ignore().execute()
    if _add(MonthlySpending.amount, most, its, *_within(MonthlySpending.amount, most, limit)):
        return
    spent, held = _spent_and_held(MonthlySpending.amount, its, ModelCall.owner_id == owner_id) or (
        0,
        0,
    )
    if spent - held + most <= limit:
        raise MoneyHeld
    anew = date.fromisoformat(f"{month}-01") + timedelta(days=32)
    remedy = f"Raise BUDGET_PER_USER_MONTH, or go on when the month's budget begins anew on {anew:%Y-%m}-01 (UTC)."
    raise OverBudget(f"this account for {month}", remedy, limit=limit, spent=spent, most=most)


def oldest_running() -> datetime:
    """A call that began before this, and did not end, has lost its worker: none may work for so long."""
    return clock.now() - timedelta(seconds=settings.lease_seconds)


def _spent_and_held(sum_: Any, its: Any, whose: Any) -> tuple[int, int] | None:
    """A sum, and what of it calls that run hold and may give back; both of one moment, so in one statement."""
    young = ModelCall.started_at > oldest_running()
    running = ModelCall.select(peewee.fn.COALESCE(peewee.fn.SUM(ModelCall.price), 0))
    running = running.where(whose, young, ModelCall.outcome == CallOutcome.running)
    row = sum_.model.select(sum_, running).where(its).tuples().first()
    return None if row is None else (int(row[0]), int(row[1]))


def _add(sum_: Any, amount: int, *where: Any) -> bool:
    """Whether there is such a row."""
    return bool(sum_.model.update({sum_: sum_ + amount}).where(*where).execute() == 1)


def _within(sum_: Any, amount: int, limit: int) -> tuple[Any, ...]:
    return (sum_ + amount <= limit,) if limit else ()


def _in_month(owner_id: UUID, month: str) -> Any:
    return (MonthlySpending.owner_id == owner_id) & (MonthlySpending.month == month)
