"""The threads that run handlers are few: no account may keep all of them busy; its requests wait for each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from core.errors import TooMany
from core.storage import API_HANDLERS

AT_ONCE = max(API_HANDLERS // 2, 1)  # of one account
WAITING = 100  # of one account, beside those


class _Line:
    def __init__(self) -> None:
        self.turns, self.length = asyncio.Semaphore(AT_ONCE), 0


_lines: dict[UUID, _Line] = {}


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
