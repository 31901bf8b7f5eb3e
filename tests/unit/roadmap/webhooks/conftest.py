"""A receiver, and pauses without jitter."""

from collections.abc import Iterator

import pytest

from roadmap.webhooks import sender
from testing.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender.random, "uniform", lambda low, high: low)
