"""Concurrency limits: how many requests of an account or address run at once.

The threads that run handlers are few, and no account may keep all of them busy: its requests wait
for each other. Requests without an account have threads of their own and a bounded queue. The IPv6
addresses of a site (a /48) count as one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeVar, cast
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool

from core.backends import API_HANDLERS, PUBLIC_HANDLERS
from core.db import settings
from core.errors import RateLimited, Unavailable
from web.http.host_and_csrf import site_of

Result = TypeVar("Result")

AT_ONCE = max(API_HANDLERS // 2, 1)  # of one account
WAITING = 100  # of one account, beside those
PUBLIC_LINE = 120  # public requests that run or wait, of all addresses; as many by a link
PUBLIC_OF_ONE = 40  # of one address
BY_LINK_OF_ONE = 10  # of one address by a link, whose lessons may be long
PUBLIC_SECONDS = 10.0  # for which one waits
LARGE_AT_ONCE = 4  # accounts whose bodies may be large
LARGE_OF_ONE = 2  # of one account: one is read, and another waits
AGENTS = 10  # requests of one account to the MCP server, which may wait for a roadmap
TOO_BUSY = "Too many concurrent requests without an account. Try again later."


class AccountRequests:
    """Requests of one kind that one account has: some run, and others wait for their turn."""

    def __init__(self, at_once: int) -> None:
        self.turns, self.count = asyncio.Semaphore(at_once), 0


class AccountLimit:
    """Limit of concurrent requests of each account; as many as `waiting` wait for their turn."""

    def __init__(self, at_once: int, waiting: int, refusal: str, retry_after: int) -> None:
        self._at_once, self._most = at_once, at_once + waiting
        self._refusal, self._retry_after = refusal, retry_after
        self.accounts: dict[UUID, AccountRequests] = {}  # that have requests

    @asynccontextmanager
    async def slot(self, account_id: UUID) -> AsyncIterator[None]:
        """Wait for the account's turn. Raises RateLimited when too many of its requests wait."""
        requests = self.accounts.setdefault(account_id, AccountRequests(self._at_once))
        if requests.count >= self._most:
            raise RateLimited(self._refusal, retry_after=self._retry_after)
        requests.count += 1
        try:
            async with requests.turns:
                yield
        finally:
            requests.count -= 1
            if not requests.count:
                del self.accounts[account_id]


handlers = AccountLimit(
    AT_ONCE,
    WAITING,
    f"{AT_ONCE + WAITING} requests of this account are waiting. Wait for their responses.",
    retry_after=1,
)
_large_bodies = AccountLimit(
    1,
    LARGE_OF_ONE - 1,
    "Another large document of this account is being processed. Wait until it is done.",
    retry_after=5,
)
agents = AccountLimit(
    AGENTS,
    0,
    f"{AGENTS} requests of this account to /mcp are running. Wait for their responses.",
    retry_after=5,
)
_public = anyio.CapacityLimiter(PUBLIC_HANDLERS)
_by_link = anyio.CapacityLimiter(PUBLIC_HANDLERS - 1)  # a thread is left for the login
# Public requests that run or wait, by address; and those by a link.
_public_requests: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
_probes: dict[Callable[..., Any], asyncio.Task[Any]] = {}  # that run


async def share_probe(function: Callable[..., Result], *given: Any) -> Result:
    """Run a probe in a thread, and share its result with probes that arrive meanwhile.

    Probes keep one thread busy at most.
    """
    running = _probes.get(function)
    if running is None or running.done() or running.get_loop() is not asyncio.get_running_loop():
        running = _probes[function] = asyncio.create_task(run_in_threadpool(function, *given))
    return cast(Result, await asyncio.shield(running))


async def in_public_thread(
    address: str, function: Callable[..., Result], *given: Any, by_link: bool = False
) -> Result:
    """Run a function in a thread for public requests. Raises RateLimited, Unavailable.

    Requests by a share link leave a thread and a line to the others.
    """
    requests, address = _public_requests[by_link], site_of(address)
    if requests[address] >= (BY_LINK_OF_ONE if by_link else PUBLIC_OF_ONE):
        raise RateLimited(
            "Too many requests from this address are waiting. Wait for their responses.",
            retry_after=2,
        )
    if requests.total() >= PUBLIC_LINE:
        raise Unavailable(TOO_BUSY, retry_after=5)
    requests[address] += 1
    try:
        with anyio.move_on_after(PUBLIC_SECONDS):  # a function that has begun ends
            async with _by_link if by_link else nullcontext():
                return await anyio.to_thread.run_sync(function, *given, limiter=_public)
        raise Unavailable(TOO_BUSY, retry_after=5)
    finally:
        requests[address] -= 1
        if not requests[address]:
            del requests[address]


def large_body_slot(account_id: UUID) -> AbstractAsyncContextManager[None]:
    """Limit requests whose bodies may be large, from reading to response. Raises RateLimited.

    Two of an account follow each other, as when a form is sent twice.
    """
    busy = _large_bodies.accounts
    if account_id not in busy and len(busy) >= LARGE_AT_ONCE:
        raise RateLimited(
            f"{len(busy)} large documents are being processed. Try again later.", retry_after=5
        )
    return _large_bodies.slot(account_id)


async def run_for_account(account_id: UUID, function: Callable[..., Result], *given: Any) -> Result:
    """Run it in a thread when it is the account's turn; at once in embedded mode.

    Raises RateLimited.
    """
    return await await_for_account(account_id, run_in_threadpool, function, *given)


async def await_for_account(
    account_id: UUID, function: Callable[..., Awaitable[Result]], *given: Any
) -> Result:
    """Await a coroutine when it is the account's turn; at once in embedded mode.

    Raises RateLimited.
    """
    if settings.embedded:
        return await function(*given)
    async with handlers.slot(account_id):
        return await function(*given)
