"""Budgets for model calls.

The highest cost is reserved before a call, the real one settled after.

So running calls can never cost more than the budgets, however many there are. Every transaction
locks its rows in one order (the roadmap, the account's month, the calls), so that no two wait for
each other.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import peewee

from core import clock, metric_counters
from core.db import settings, transaction
from core.ids import new_id
from core.metric_definitions import MODEL_CALLS, MODEL_COST, MODEL_SECONDS, MODEL_TOKENS
from core.setting_types import Price
from models.records import ModelCall, MonthlySpending
from models.roadmaps import Roadmap
from roadmap.generation.context import (
    JUDGE_PROJECT,
    QUIZ_CHECK,
    Cause,
    GeneratorFault,
    MeteredCall,
    RetryLater,
    UsageMeter,
)
from roadmap.generation.llm.rate_control import RetryStagger
from roadmap.generation.retry_policy import StopSignal, ms_since, retry_save

MICRO = 10**6  # of these are one unit of the currency
MOST_TOKENS = 2**31 - 1  # of one call: the columns hold no more
LONGEST_REASON = 500  # characters


class CallOutcome(StrEnum):
    running = "running"
    ok = "ok"
    fault = "fault"
    stopped = "stopped"
    lost = "lost"  # its worker is gone, and its cost unknown: the reserved amount counts


@dataclass(frozen=True, slots=True)
class CallPurpose:
    """Purpose of a call. The outline of a roadmap has neither concept nor content."""

    owner_id: UUID
    roadmap_id: UUID
    concept_id: UUID | None
    content_id: UUID | None
    attempt: int


class OverBudget(GeneratorFault):
    """A call could cost more than is left of a budget.

    Amounts are millionths of the currency.
    """

    def __init__(self, budget: str, remedy: str, *, limit: int, spent: int, most: int) -> None:
        limit_, spent_, most_ = (
            f"{money(each):f} {settings.currency}" for each in (limit, spent, most)
        )
        super().__init__(
            f"The budget of {budget} is {limit_}; {spent_} of it is spent or reserved for calls "
            f"that run, and this call could cost up to {most_}. {remedy}",
            lasting=True,
        )


class BudgetReserved(RetryLater):
    """The rest of the budget is reserved for calls that run. They take seconds."""

    cause = Cause.budget
    _stagger = RetryStagger()

    def __init__(self) -> None:
        super().__init__(
            "What is left of the budget is reserved for calls that run.",
            2 * self._stagger.next_delay(),
        )


class BudgetMeter(UsageMeter):
    """Meter of one task.

    Every model call of its generator is paid from the owner's budgets.
    """

    def __init__(
        self,
        purpose: CallPurpose,
        stop: StopSignal,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self._purpose, self._stop, self.show = purpose, stop, show
        self.calls = 0  # begun

    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> "BudgetedCall":
        """Return a context manager for one model call.

        Entering raises OverBudget, GeneratorFault or Unavailable, and then the model must not be
        called. Leaving raises Unavailable when the database stays away.
        """
        facts = {"step": step, "model": model, "prompt_version": prompt_version}
        price = price_of(model)
        most = cost(price, most_prompt_tokens, most_completion_tokens)
        return BudgetedCall(self, asdict(self._purpose) | facts, price, most, self._stop)


class BudgetedCall(MeteredCall):
    """Model call, which costs what is reserved unless its usage is known."""

    def __init__(
        self,
        ledger: BudgetMeter,
        facts: dict[str, Any],
        price: Price | None,
        most: int,
        stop: StopSignal,
    ) -> None:
        self._ledger, self._stop = ledger, stop
        self._facts, self._price, self._most = facts, price, most
        self._id, self._billed, self._ended = new_id(), most, False
        self._tokens: tuple[int | None, ...] = (None, None, None)

    def used(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
    ) -> None:
        """Note the usage that the provider reports, or None.

        More than was reserved is possible.
        """
        prompt, completion = _plausible(prompt_tokens), _plausible(completion_tokens)
        cached = min(_plausible(cached_tokens) or 0, prompt or 0)
        self._tokens = prompt, completion, cached or None
        if prompt is None or completion is None:
            self._billed = self._most
        else:
            self._billed = cost(self._price, prompt, completion, cached)

    def unbilled(self) -> None:
        """Note that the provider bills nothing for its answer."""
        self._billed = 0

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Call `callback`, from any thread, on a stop; never after the end of the call."""
        self._stop.on_stop(lambda: None if self._ended else callback())

    def received(self, text: str) -> None:
        """Show the text that is being written, if somebody wants to see it."""
        if self._ledger.show is not None:
            self._ledger.show(text)

    def __enter__(self) -> Self:
        if self._stop.stopped:
            raise GeneratorFault("The work is no longer needed. The model was not called.")
        self._stop.begun = monotonic()  # a part may take several calls, each as long as it takes
        now = clock.now()
        self._month = month_of(now)
        try:
            with transaction():
                _reserve(self._facts, self._month, self._most)
                ModelCall.insert(
                    **self._facts,
                    id=self._id,
                    outcome=CallOutcome.running,
                    reserved=self._most,
                    price=self._most,
                    started_at=now,
                ).execute()
        except OverBudget:
            if self._facts["step"] in (
                QUIZ_CHECK,
                JUDGE_PROJECT,
            ):  # nothing is unwritten without it
                raise
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
        tokens = dict(zip(("prompt", "completion", "cached"), self._tokens, strict=True))
        outcome, reason = _ending(error, stopped=self._stop.stopped)
        result = {
            "outcome": outcome,
            "reason": reason,
            "price": self._billed,
            "ms": ms_since(self._started),
            **{f"{kind}_tokens": count for kind, count in tokens.items()},
        }
        retry_save(self._settle, result)
        seconds, count = monotonic() - self._started, metric_counters.count
        model, step = self._facts["model"], self._facts["step"]
        count(MODEL_CALLS, model=model, step=step, outcome=outcome.value)
        metric_counters.observe(MODEL_SECONDS, seconds, model=model, step=step)
        count(MODEL_COST, self._billed / MICRO, model=model, currency=settings.currency)
        for kind, used in tokens.items():
            if used is not None and kind != "cached":  # which are among those of the prompt
                count(MODEL_TOKENS, used, model=model, kind=kind)

    def _settle(self, result: dict[str, Any]) -> None:
        """Save the real cost, once.

        The answer of the database to an earlier try may be lost.

        A call that counts as lost by now still has its reservation, as a running one does.
        """
        rest = self._billed - self._most
        unsettled = ModelCall.outcome.in_((CallOutcome.running, CallOutcome.lost))
        update = ModelCall.update(result).where(ModelCall.id == self._id, unsettled)
        with suppress(_SettledBefore), transaction():
            _add(Roadmap.spent, rest, Roadmap.id == self._facts["roadmap_id"])
            _add(MonthlySpending.amount, rest, _in_month(self._facts["owner_id"], self._month))
            if update.execute() == 0:
                raise _SettledBefore


class _SettledBefore(Exception):
    """Undo the transaction: the call is settled."""


def month_of(now: datetime) -> str:
    """Return the month in UTC, such as 2026-11."""
    return f"{now.astimezone(UTC):%Y-%m}"


def price_of(model: str) -> Price | None:
    """Return the price of a model; None when it is not configured."""
    return next((price for price in settings.model_prices if price.model == model), None)


def cost(
    price: Price | None, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0
) -> int:
    """Return the cost in millionths of the currency, rounded up; 0 without a price.

    A price is that of a million tokens, and so the millionths that one token costs.
    `cached_tokens` are among those of the prompt.
    """
    if price is None:
        return 0
    cached_price = price.prompt if price.cached is None else price.cached
    return math.ceil(
        (prompt_tokens - cached_tokens) * price.prompt
        + cached_tokens * cached_price
        + completion_tokens * price.completion
    )


def money(micro: int) -> Decimal:
    """Return an amount in the currency."""
    return Decimal(micro) / MICRO


def _plausible(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


def _ending(error: BaseException | None, *, stopped: bool) -> tuple[CallOutcome, str]:
    """Return the outcome of a call and its reason.

    Of foreign errors only the name is kept: their messages may contain anything.
    """
    if error is None:
        return CallOutcome.ok, ""
    is_stopped = stopped or not isinstance(error, Exception)
    outcome = CallOutcome.stopped if is_stopped else CallOutcome.fault
    is_ours = isinstance(error, GeneratorFault)
    return outcome, str(error)[:LONGEST_REASON] if is_ours else type(error).__name__


def _reserve(facts: dict[str, Any], month: str, most: int) -> None:
    roadmap_id, owner_id = facts["roadmap_id"], facts["owner_id"]
    _take(
        Roadmap.spent,
        most,
        settings.budget_per_roadmap,
        where=Roadmap.id == roadmap_id,
        calls=ModelCall.roadmap_id == roadmap_id,
        name="this roadmap",
        remedy="Raise BUDGET_PER_ROADMAP, then retry.",
    )
    MonthlySpending.insert(owner_id=owner_id, month=month, amount=0).on_conflict_ignore().execute()
    next_month = date.fromisoformat(f"{month}-01") + timedelta(days=32)
    _take(
        MonthlySpending.amount,
        most,
        settings.budget_per_user_month,
        where=_in_month(owner_id, month),
        calls=ModelCall.owner_id == owner_id,
        name=f"this account for {month}",
        remedy="Raise BUDGET_PER_USER_MONTH, or retry when the next month's budget starts "
        f"on {next_month:%Y-%m}-01 (UTC).",
    )
    # All calls for one content, and all for an outline, are made under one lease. So the next one
    # means that the worker of a call that still runs is gone; if not, it will settle its cost.
    ModelCall.update(outcome=CallOutcome.lost).where(
        ModelCall.roadmap_id == roadmap_id,
        ModelCall.content_id == facts["content_id"],
        ModelCall.outcome == CallOutcome.running,
    ).execute()


def _take(
    sum_: Any, most: int, budget: Decimal, *, where: Any, calls: Any, name: str, remedy: str
) -> None:
    """Reserve an amount in a row of `sum_`, whose calls are `calls`.

    A budget of 0 is no limit.

    Raises BudgetReserved, OverBudget, and GeneratorFault without such a row.
    """
    limit = int(budget * MICRO)
    within = (sum_ + most <= limit,) if limit else ()
    if _add(sum_, most, where, *within):
        return
    # The sum, and the part of it that running calls may give back, of one moment.
    running = ModelCall.select(total_of(ModelCall.price)).where(calls, *is_running())
    row = sum_.model.select(sum_, running).where(where).tuples().first()
    if row is None:
        raise GeneratorFault(
            "The roadmap no longer exists. The model was not called.", lasting=True
        )
    spent, held = (int(each) for each in row)
    if spent - held + most <= limit:
        raise BudgetReserved
    raise OverBudget(name, remedy, limit=limit, spent=spent, most=most)


def total_of(column: Any) -> Any:
    """Return the sum of a column; 0 without rows."""
    return peewee.fn.COALESCE(peewee.fn.SUM(column), 0)


def is_running() -> tuple[Any, Any]:
    """Return the conditions for calls whose lease is not over."""
    return ModelCall.outcome == CallOutcome.running, ModelCall.started_at > oldest_running()


def oldest_running() -> datetime:
    """Return the time before which no running call can have begun.

    Its lease would be over.
    """
    return clock.now() - timedelta(seconds=settings.lease_seconds)


def _add(sum_: Any, amount: int, *where: Any) -> bool:
    """Add an amount to the sum, and return whether there is such a row."""
    return bool(sum_.model.update({sum_: sum_ + amount}).where(*where).execute() == 1)


def _in_month(owner_id: UUID, month: str) -> Any:
    return (MonthlySpending.owner_id == owner_id) & (MonthlySpending.month == month)
