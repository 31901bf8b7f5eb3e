"""Waiting for conditions; the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

SHORTEST, LONGEST, GROWTH = (
    0.02,
    0.1,
    1.1,
)  # seconds between two looks, and how much longer each pause is than the one before


def least_seconds(act: Callable[[], object], *, below: float) -> float:
    """How long `act` takes: the least of up to three times, until one is `below` so many seconds.

    Other work of the machine only adds to it.
    """
    taken: list[float] = []
    while len(taken) < 3 and min(taken, default=below) >= below:
        began = time.monotonic()
        act()
        taken.append(time.monotonic() - began)
    return min(taken)


def wait_until(
    condition: Callable[[], Value | None], *, timeout: float = 60, reason: str = ""
) -> Value:
    """The first true value of `condition`; fails after `timeout` seconds with `reason`.

    It is looked at often at first and then less so: a look at a service keeps it from its work.
    """
    deadline, pause = time.monotonic() + timeout, SHORTEST
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {reason or condition}")
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
