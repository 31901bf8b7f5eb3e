"""The threads that run handlers are few: no account may keep all of them busy; its requests wait for each other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from core.errors import TooMany
from core.runtime import settings
from core.storage import API_HANDLERS

Result = TypeVar("Result")

AT_ONCE = max(API_HANDLERS // 2, 1)  # of one account
WAITING = 100  # of one account, beside those


class _Line:
    def __init__(self) -> None:
        self.turns, self.length = asyncio.Semaphore(AT_ONCE), 0


_lines: dict[UUID, _Line] = {}


async def in_turn(account_id: UUID, function: Callable[..., Result], *given: Any) -> Result:
    """Run it in a thread, when it is this account's turn. One person at one machine need not wait. Raises TooMany."""
    if settings.embedded:
        return await run_in_threadpool(function, *given)
    async with turn(account_id):
        return await run_in_threadpool(function, *given)


@asynccontextmanager
async def turn(account_id: UUID) -> AsyncIterator[None]:
    """For a `with` around what runs in a thread. Raises TooMany."""
    line = _lines.setdefault(account_id, _Line())
    if line.length >= AT_ONCE + WAITING:
        raise TooMany(f"{line.length} of your requests are waiting already. Wait for their answers.", retry_after=1)
    line.length += 1
    try:
        async with line.turns:
            yield
    finally:
        line.length -= 1
        if not line.length:
            del _lines[account_id]
