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
from roadmap.principals import Principal
from web.standing import standing

Result = TypeVar("Result")

AT_ONCE = max(API_HANDLERS // 2, 1)  # of one account
WAITING = 100  # of one account, beside those
LARGE_AT_ONCE = 4  # accounts whose bodies may be large
LARGE_OF_ONE = 2  # of one account: one is read, and another waits


class _Line:
    def __init__(self) -> None:
        self.turns, self.length = asyncio.Semaphore(AT_ONCE), 0


_lines: dict[UUID, _Line] = {}


class _Large:
    def __init__(self) -> None:
        self.turn, self.length = asyncio.Lock(), 0


_large: dict[UUID, _Large] = {}  # by account


@asynccontextmanager
async def few_at_once(account_id: UUID) -> AsyncIterator[None]:
    """For a `with` around a request whose body may be large, from its reading to its answer: two of an account follow each
    other, as those of a form that is sent twice. Raises TooMany.
    """
    if account_id not in _large and len(_large) >= LARGE_AT_ONCE:
        raise TooMany(f"{len(_large)} large documents are being read already. Come back in a moment.", retry_after=5)
    line = _large.setdefault(account_id, _Large())
    if line.length >= LARGE_OF_ONE:
        raise TooMany("Another large document of yours is being read. Wait until that is done.", retry_after=5)
    line.length += 1
    try:
        async with line.turn:
            yield
    finally:
        line.length -= 1
        if not line.length:
            del _large[account_id]


async def in_turn(principal: Principal, function: Callable[..., Result], *given: Any) -> Result:
    """Run it in a thread, when it is this account's turn. One person at one machine need not wait.

    Raises TooMany, and Unauthenticated when the login or key has ended while it waited.
    """
    if settings.embedded:
        return await run_in_threadpool(function, *given)
    async with turn(principal.account_id):
        standing.check_still(principal)
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
