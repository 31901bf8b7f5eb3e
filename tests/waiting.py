"""Waiting for conditions; the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

PAUSE = 0.02


def wait_until(condition: Callable[[], Value], *, timeout: float = 30, reason: str = "") -> Value:
    """The first true value of `condition`; fails after `timeout` seconds with `reason`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {reason or condition}")
        time.sleep(PAUSE)
