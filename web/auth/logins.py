"""Registration, logins and changes of credentials, for the API and the pages."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool

from core.backends import HASHES_AT_ONCE
from core.db import settings
from core.errors import NotFound, Unavailable
from roadmap.accounts import accounts, sessions
from roadmap.accounts.identity import Device, Login
from roadmap.accounts.schemas import (
    Credentials,
    Deletion,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
    User,
)
from roadmap.lifecycle.administration.account_deletion import cancel_work
from tasks.dispatcher import send_after_commit
from web.auth import tokens
from web.auth.revocation_cache import revocations
from web.endpoints.call import Call
from web.endpoints.endpoint import actor_of
from web.http import limits
from web.http.host_and_csrf import address_of
from web.http.security_log import log_security_event

Result = TypeVar("Result")
MOST_WAITING = 64  # for one of the threads that hash passwords
# A few threads, since each takes 19 MiB
_hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)
COOKIE_HEADER = f"{tokens.COOKIE}={{}}; Path=/; Max-Age={{}}; Secure; HttpOnly; SameSite=Lax"
FORGET = {  # headers that make a browser forget a login
    "Set-Cookie": COOKIE_HEADER.format("", 0),
    "Clear-Site-Data": '"cache", "storage"',
}


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """A login that has begun, with its token."""

    user: User
    login: Login
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that make a browser keep it."""
        return {"Set-Cookie": COOKIE_HEADER.format(self.token, int(settings.token_ttl_seconds))}


async def register(call: Call, registration: Registration) -> StartedLogin:
    """Make an account and log in. Raises Forbidden, Conflict, RateLimited, Unavailable."""
    limits.count_registration(call.request)
    given = registration.invitation
    invitation_id = tokens.read_invitation_token(given.get_secret_value()) if given else None
    return await _begin(call, "registered", partial(accounts.register, registration, invitation_id))


async def log_in(call: Call, credentials: Credentials) -> StartedLogin:
    """Log in. Raises Unauthenticated, ToBeDeleted, RateLimited, Unavailable."""
    limits.count_login(credentials.email)
    with limits.attempt(call.request, credentials.email):
        return await _begin(call, "logged-in", partial(accounts.log_in, credentials))


async def change_password(call: Call, change: PasswordChange) -> StartedLogin:
    """Change the password and end all logins, except for the one that begins now."""
    begin = partial(accounts.change_password, call.caller, change)
    with limits.attempt(call.request, call.owner.hex):
        return await _begin(call, "password-changed", begin)


async def change_email(call: Call, change: EmailChange) -> StartedLogin:
    """Change the address and end all logins, except for the one that begins now."""

    def begin(device: Device) -> tuple[User, Login]:
        return accounts.change_email(call.caller, change, device, actor_of(call))

    limits.count_login(call.owner.hex)  # the answer tells whether the new address has an account
    with limits.attempt(call.request, call.owner.hex):
        return await _begin(call, "email-changed", begin)


async def delete_account(call: Call, given: DeletionRequest) -> Deletion:
    """Delete the account, in 30 days for good, and end all its logins and its work."""

    def end_work() -> None:
        revocations.refresh()
        send_after_commit(cancel_work(call.owner))

    with limits.attempt(call.request, call.owner.hex):
        deletion = await hash_in_thread(accounts.delete, call.caller, given)
    log_security_event(
        call.request, "account-deleted", account=call.owner, session=call.caller.session_id
    )
    with suppress(Unavailable):  # upkeep cancels it within a minute
        await run_in_threadpool(end_work)
    return deletion


def end_login(call: Call, session_id: UUID | None, event: str = "session-ended") -> None:
    """End a login of the caller. Raises NotFound."""
    assert session_id is not None
    sessions.end(call.owner, session_id)
    revocations.refresh()
    log_security_event(call.request, event, account=call.owner, session=session_id)


async def hash_in_thread(function: Callable[..., Result], *given: object) -> Result:
    """Run a function that hashes a password. Raises Unavailable when the line is full."""
    if _hashing.statistics().tasks_waiting >= MOST_WAITING:
        raise Unavailable("Too many concurrent logins. Try again.", retry_after=5)
    return await anyio.to_thread.run_sync(function, *given, limiter=_hashing)


async def _begin(
    call: Call, event: str, begin: Callable[[Device], tuple[User, Login]]
) -> StartedLogin:
    """Begin a login in a hashing thread, and end the former one of the browser."""
    agent = "".join(c for c in call.request.headers.get("user-agent", "") if c.isprintable())

    def run() -> tuple[User, Login]:
        begun = begin(Device(agent[:200], address_of(call.request)))
        if call.caller.session_id is None:
            if (former := tokens.login_in_cookie(call.request)) is None:
                return begun
            with suppress(NotFound):
                sessions.end(former.account_id, former.session_id)
        revocations.refresh()
        return begun

    user, login = await hash_in_thread(run)
    log_security_event(call.request, event, account=user.id, session=login.session_id)
    return StartedLogin(user, login, tokens.access_token(login))
