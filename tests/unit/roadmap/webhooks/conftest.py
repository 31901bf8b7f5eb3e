"""A receiver, pauses without jitter, and a clock that stands still."""

from collections.abc import Iterator

import pytest

from roadmap.webhooks import sender
from testing.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch, still: None) -> None:
    """Let time pass where a test moves the clock, and pauses last as long as they may."""
    monkeypatch.setattr(sender.random, "uniform", lambda low, high: low)
