"""Calls of a model with a price, and the sums in the database."""

from contextlib import ExitStack, nullcontext
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import session, settings, transaction
from core.ids import new_id
from core.setting_types import Price
from models.accounts import Account
from models.records import ModelCall, MonthlySpending
from models.roadmaps import Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.budget import budget as budget_
from roadmap.budget import cost_report
from roadmap.budget.budget import BudgetedCall, BudgetMeter, CallPurpose
from roadmap.generation.retry_policy import StopSignal

MODEL, PROMPTS = "gpt-5-mini", "4f1a"
PRICE = Price(MODEL, Decimal("0.25"), Decimal(2))
MOST = {"most_prompt_tokens": 4000, "most_completion_tokens": 2000}
RESERVED = 1000 + 4000  # what such a call can cost
USED = (400, 300), 100 + 600  # tokens, and what they cost


def budgets(
    monkeypatch: pytest.MonkeyPatch, *, roadmap: str = "0", month: str = "0", **others: Any
) -> None:
    amounts = {"budget_per_roadmap": Decimal(roadmap), "budget_per_user_month": Decimal(month)}
    changed = settings.model_copy(
        update={"model_prices": (PRICE,), "openai_model": MODEL} | amounts | others
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


def call_columns(*names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in records()]
