"""Prices for every test of budgets."""

import pytest

from core.db import transaction
from models.records import ModelCall, MonthlySpending
from roadmap.generation import retry_policy
from tests.unit.roadmap.budget.books import budgets


@pytest.fixture(autouse=True)
def books(immediate: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, with a price for the model and no budget."""
    with transaction():
        for table in (ModelCall, MonthlySpending):
            table.delete().execute()
    monkeypatch.setattr(retry_policy, "SAVE_PAUSE", 0)
    budgets(monkeypatch)
