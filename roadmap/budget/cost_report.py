"""Receipts of roadmaps, and estimates.

Amounts are in the currency of the settings.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import session, settings
from core.json_types import LazyModel, from_row
from models.records import ModelCall, MonthlySpending
from models.roadmaps import Concept, Content, ContentVersion, Roadmap
from roadmap.accounts.access import FIRST, get_owned
from roadmap.budget.budget import (
    CallOutcome,
    cost,
    is_running,
    money,
    month_of,
    oldest_running,
    price_of,
    total_of,
)
from roadmap.generation.checked_concepts import is_checked
from roadmap.generation.context import BUILT_IN, QUIZ_CHECK
from roadmap.plan.outline import CONTENT_KINDS, ContentKind
from roadmap.plan.statuses import ContentStatus
from roadmap.plan.views import Estimate

# Prompt and completion tokens of a call of each step: assumptions, until enough are measured.
ASSUMED: dict[str, tuple[int, int]] = {
    "analysis": (900, 400),
    "outline": (1200, 4500),
    "stages": (800, 400),
    "stage": (1200, 1200),
    "repair": (5500, 4500),
    "revise": (5500, 4500),
    **{kind: entry.tokens for kind, entry in CONTENT_KINDS.items()},
    QUIZ_CHECK: (2200, 300),
}
ENOUGH = 5  # measured calls of a step
RECENT = 200  # calls whose mean is expected of the next one


class StepCost(LazyModel):
    """All calls of a step.

    `failed` counts calls without an answer. Tokens are as reported by the provider.
    """

    step: str = Field(description="Step of the generation.")
    calls: int = Field(description="Number of calls.")
    failed: int = Field(description="Number of calls without an answer.")
    prompt_tokens: int = Field(description="Prompt tokens.")
    completion_tokens: int = Field(description="Completion tokens.")
    cached_tokens: int = Field(description="Prompt tokens that the provider had in its cache.")
    ms: int = Field(description="Total duration in milliseconds.")
    price: Decimal = Field(description="Cost in the currency of the receipt.")


class CallRecord(LazyModel):
    """One model call.

    While it runs, and if the cost is unknown, `price` is the maximum cost.
    """

    id: UUID
    at: datetime
    step: str = Field(description="Step of the generation.")
    concept_id: UUID | None = Field(description="ID of the concept; null: the plan.")
    model: str = Field(description="Name of the model.")
    prompt_version: str = Field(description="Version of the prompt.")
    attempt: int = Field(description="Number, from 1.")
    outcome: CallOutcome = Field(description="Outcome.")
    reason: str = Field(description="Reason of the failure; empty: none.")
    prompt_tokens: int | None = Field(description="Prompt tokens; null: unknown.")
    completion_tokens: int | None = Field(description="Completion tokens; null: unknown.")
    cached_tokens: int | None = Field(
        description="Prompt tokens that the provider had in its cache; null: none, or unknown."
    )
    ms: int | None = Field(description="Duration in milliseconds; null: running.")
    price: Decimal = Field(
        description="Cost. While the call runs, or if the cost is unknown, its maximum."
    )


class AccountMonth(LazyModel):
    """Cost of all roadmaps of the account in this month (UTC), with reservations.

    `budget` null: no limit.
    """

    month: str = Field(description="Year and month (UTC).")
    spent: Decimal = Field(description="Cost of all roadmaps, including reservations.")
    budget: Decimal | None = Field(description="Limit; null: none.")


class Receipt(LazyModel):
    """Cost report of a roadmap.

    `spent` counts against `budget` (null: no limit) and includes `reserved`, for running calls.
    `estimate` is null if no call remains. `calls` are in order, oldest first.
    """

    currency: str = Field(description="Currency code of three letters.")
    spent: Decimal = Field(description="Cost that counts against the budget.")
    reserved: Decimal = Field(description="Part of it that is reserved for running calls.")
    budget: Decimal | None = Field(description="Limit; null: none.")
    over_budget: bool = Field(description="Whether parts are unwritten because a budget was spent.")
    account_month: AccountMonth = Field(description="All roadmaps of the account in this month.")
    estimate: Estimate | None = Field(
        description="Estimate of the remaining cost; null: no call remains."
    )
    steps: list[StepCost] = Field(description="Totals by step.")
    saved: Estimate | None = Field(
        description="Estimate of what parts taken from the built-in catalogue would have cost; "
        "null: none was taken."
    )
    calls: list[CallRecord] = Field(description="Model calls, oldest first.")
    next_cursor: str | None


@session()
def receipt(owner_id: UUID, roadmap_id: UUID, *, limit: int, after: UUID | None) -> Receipt:
    """Return the receipt with a page of calls. Raises NotFound.

    `after` is the id at which the previous page ended.
    """
    of_roadmap, month = ModelCall.roadmap_id == roadmap_id, month_of(clock.now())
    page = (
        ModelCall.select().where(of_roadmap, ModelCall.id > (after or FIRST)).order_by(ModelCall.id)
    )
    of_month = MonthlySpending.select(MonthlySpending.amount).where(
        MonthlySpending.owner_id == owner_id, MonthlySpending.month == month
    )
    row = get_owned(owner_id, roadmap_id)
    oldest = oldest_running()
    calls = [
        from_row(
            CallRecord,
            call,
            at=call.started_at,
            price=money(call.price),
            outcome=CallOutcome.lost
            if call.outcome == CallOutcome.running and call.started_at <= oldest
            else call.outcome,
        )
        for call in page.limit(limit + 1)
    ]
    to_come = pending_estimate(roadmap_id)
    reserved = ModelCall.select(total_of(ModelCall.reserved)).where(of_roadmap, *is_running())
    return Receipt(
        currency=settings.currency,
        spent=money(row.spent),
        reserved=money(int(reserved.scalar())),
        budget=settings.budget_per_roadmap or None,
        over_budget=row.over_budget,
        account_month=AccountMonth(
            month=month,
            spent=money(of_month.scalar() or 0),
            budget=settings.budget_per_user_month or None,
        ),
        estimate=to_come if to_come.calls else None,
        steps=_steps(roadmap_id),
        saved=saved(row),
        calls=calls[:limit],
        next_cursor=str(calls[limit - 1].id) if len(calls) > limit else None,
    )


@session()
def pending_estimate(roadmap_id: UUID) -> Estimate:
    """Estimate the contents that wait to be written."""
    pending = (
        Content.select(Content.kind, Content.version, Concept.key, Concept.title)
        .join(Concept)
        .where(
            Content.roadmap == roadmap_id,
            Content.status == ContentStatus.pending,
            ~Concept.removed,
        )
        .tuples()
    )
    language = Roadmap.select(Roadmap.language).where(Roadmap.id == roadmap_id).scalar()
    kinds = Counter(
        kind
        for kind, version, key, title in pending
        if version or not is_checked(key, title, language)
    )
    return estimate(kinds, settings.openai_model if settings.openai_api_key else None)


@session()
def saved(row: Roadmap) -> Estimate | None:
    """Estimate the parts of a model's roadmap that are from the catalogue; None: there are none."""
    is_current = (ContentVersion.content == Content.id) & (
        ContentVersion.version == Content.version
    )
    taken = (
        Content.select(Content.kind, peewee.fn.COUNT(Content.id))
        .join(ContentVersion, on=is_current)
        .where(Content.roadmap == row.id, ContentVersion.generator == BUILT_IN)
        .group_by(Content.kind)
    )
    if row.generator == BUILT_IN:
        return None
    found = estimate(dict(taken.tuples()), settings.openai_model)
    return found if found.calls else None


@session()
def budget_suffices(roadmap_id: UUID) -> bool:
    """Whether the roadmap's budget is enough for the contents that wait, and a call beside them.

    Contents are estimated; a call is reserved with as much as the dearest one so far.
    """
    most = ModelCall.select(peewee.fn.MAX(ModelCall.reserved))
    spent = Roadmap.select(Roadmap.spent).where(Roadmap.id == roadmap_id).scalar() or 0
    call = most.where(ModelCall.roadmap_id == roadmap_id).scalar() or 0
    needed = money(spent + call) + (pending_estimate(roadmap_id).price or 0)
    return not settings.budget_per_roadmap or needed < settings.budget_per_roadmap


@session()
def estimate(kinds: Mapping[str, int], model: str | None) -> Estimate:
    """Estimate so many calls of each step.

    The catalogue, which has no model, makes none.
    """
    wanted = {step: calls for step, calls in kinds.items() if calls} if model else {}
    if settings.quiz_check and ContentKind.quiz in wanted:
        wanted[QUIZ_CHECK] = wanted[ContentKind.quiz]
    prompt, completion, total, measured, priced = 0, 0, 0, True, True
    for step, calls in wanted.items():
        its_model = settings.step_models.get(step, str(model))
        known, *sums = _measured(step, its_model)
        if known < ENOUGH:
            known, sums, measured = 1, list(ASSUMED[step]), False
        tokens = [-(-calls * each // known) for each in sums]  # rounded up
        prompt, completion = prompt + tokens[0], completion + tokens[1]
        price = price_of(its_model)
        priced &= price is not None
        total += cost(price, *tokens)
    return Estimate(
        calls=sum(wanted.values()),
        prompt_tokens=prompt,
        completion_tokens=completion,
        price=money(total) if priced else None,
        currency=settings.currency,
        measured=measured,
    )


def _measured(step: str, model: str) -> tuple[int, int, int]:
    """Return the count of recent calls with known tokens, and their sums."""
    last = (
        ModelCall.select(ModelCall.prompt_tokens, ModelCall.completion_tokens)
        .where(ModelCall.model == model, ModelCall.step == step)
        .where(
            ModelCall.outcome == CallOutcome.ok,
            ModelCall.prompt_tokens.is_null(False),
            ModelCall.completion_tokens.is_null(False),
        )
        .order_by(ModelCall.id.desc())
        .limit(RECENT)
    )
    sums = (total_of(last.c.prompt_tokens), total_of(last.c.completion_tokens))
    totals = last.select_from(peewee.fn.COUNT(peewee.SQL("*")), *sums).tuples()
    count, prompt, completion = map(int, totals.get())
    return count, prompt, completion


def _steps(roadmap_id: UUID) -> list[StepCost]:
    """Return the sums of each step, in the order of their first calls."""
    is_good = ModelCall.outcome.in_((CallOutcome.ok, CallOutcome.running))
    columns = ("prompt_tokens", "completion_tokens", "cached_tokens", "ms", "price")
    rows = (
        ModelCall.select(
            ModelCall.step,
            peewee.fn.COUNT(ModelCall.id).alias("calls"),
            peewee.fn.SUM(peewee.Case(None, [(is_good, 0)], 1)).alias("failed"),
            *(total_of(getattr(ModelCall, name)).alias(name) for name in columns),
        )
        .where(ModelCall.roadmap_id == roadmap_id)
        .group_by(ModelCall.step)
        .order_by(peewee.fn.MIN(ModelCall.started_at), ModelCall.step)
    )
    return [StepCost(**{**row, "price": money(int(row["price"]))}) for row in rows.dicts()]
