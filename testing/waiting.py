"""Waiting for conditions; the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

HANG = 180
"""Seconds after which a test that still waits is taken to hang: the limit of every wait.

It tells nothing about speed. A machine may be busy; pytest's own limit leaves room for three.
"""
BRIEF = 0.2
"""Seconds of a limit of the product's own that a test lets expire."""
SHORTEST, LONGEST, GROWTH = 0.02, 0.1, 1.1  # pauses in seconds; each is that much longer


def wait_until(condition: Callable[[], Value | None], *, reason: str = "") -> Value:
    """Return the first true value of `condition`; raise AssertionError when it hangs.

    It is looked at often at first and then less so: a look at a service keeps it from its work.
    """
    deadline, pause = time.monotonic() + HANG, SHORTEST
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {HANG} s: {reason or condition}")
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
