"""Threads that hash passwords: a few, since each takes 19 MiB, with a bounded queue."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from core.backends import HASHES_AT_ONCE
from core.errors import Unavailable

Result = TypeVar("Result")

WAITING = 64

_hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)


async def hash_in_thread(function: Callable[..., Result], *args: object) -> Result:
    """Run a function that hashes a password. Raises Unavailable when the line is full."""
    if _hashing.statistics().tasks_waiting >= WAITING:
        raise Unavailable("Too many people are logging in at once. Try again.", retry_after=5)
    return await anyio.to_thread.run_sync(function, *args, limiter=_hashing)
