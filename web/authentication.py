"""Who is calling: a login's token, in a header or a browser's cookie, an API key, or the local owner of embedded mode."""

from collections.abc import Callable
from contextlib import suppress
from hmac import compare_digest
from typing import Any, TypeVar
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from core.db import settings
from core.errors import Forbidden, Unauthenticated
from roadmap.accounts import api_keys
from roadmap.accounts.identity import LOCAL_OWNER, Principal, Scope
from web import tokens
from web.http import host_and_csrf, limits
from web.http.concurrency import run_for_account
from web.revocation_cache import revocations

Result = TypeVar("Result")
EVERYTHING = frozenset(Scope)
ACCOUNTS = {
    Scope.admin: "the account of an administrator",
    Scope.observe: "the account of an administrator or an observer",
}


NOBODY = Principal(UUID(int=0), frozenset())
MONITOR = Principal(
    UUID(int=0), frozenset()
)  # who shows METRICS_TOKEN: for the counts and nothing else
LOCAL = Principal(LOCAL_OWNER, EVERYTHING)


def is_monitor(request: Request) -> bool:
    """Whether METRICS_TOKEN is shown. How long it takes tells nothing about it."""
    token = settings.metrics_token
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return compare_digest(given.encode(), token.get_secret_value().encode())


async def identify(request: Request) -> Principal:
    """Raises Unauthenticated, Forbidden, and Unavailable when nobody can say whether a login has ended."""
    if settings.embedded:
        host_and_csrf.check_same_site(request)
        return LOCAL
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not secret:
            raise _needed()
        return (
            await _with_key(request, secret)
            if secret.startswith(api_keys.PREFIX)
            else await _with_token(secret)
        )
    if cookie := tokens.cookie_of(request):
        caller = await _with_token(cookie)
        assert caller.session_id is not None
        host_and_csrf.check_same_site(request, caller.session_id)
        return caller
    raise _needed()


def count_once(request: Request) -> None:
    """Count what was refused before anybody asked who calls: for the account whose proof this process knows already, so that
    nobody's mistakes are charged to the whole office, or else for the address. Raises TooMany.
    """
    if settings.embedded or limits.is_counted(request):
        return
    account_id = _known_account(request)
    if account_id is None:
        limits.limit_anonymous(request)
    else:
        limits.count_request(request, account_id)


def check_scope(caller: Principal, scope: Scope, *, login_only: bool) -> None:
    """Raises Forbidden."""
    if login_only and settings.embedded:
        raise Forbidden(
            "Embedded mode has no accounts, and so neither logins nor keys: whoever sits at this machine is the owner."
        )
    if login_only and caller.session_id is None:
        raise Forbidden("This needs a login; an API key cannot do it.")
    if scope not in caller.scopes:
        who = ACCOUNTS.get(scope) if caller.session_id else None
        raise Forbidden(f"This needs {who or f'a key with the scope {scope}'}.")


async def run_for_caller(caller: Principal, function: Callable[..., Result], *given: Any) -> Result:
    """Run a function in a thread when it is the turn of the caller's account.

    Raises RateLimited, and Unauthenticated when the login or key has ended while it waited.
    """

    def run() -> Result:
        revocations.check_still(caller)
        return function(*given)

    return await run_for_account(caller.account_id, run)


async def _with_token(token: str) -> Principal:
    login = tokens.read_access_token(token)
    await revocations.check_login(login)
    return Principal(login.account_id, api_keys.scopes_of(login), login.session_id)


async def _with_key(request: Request, key: str) -> Principal:
    bearer = revocations.known_key(key)
    if bearer is None:
        limits.check_anonymous(request)  # it costs a query to find out that there is no such key
        bearer = await run_in_threadpool(revocations.look_up_key, key)
    await revocations.check_key(bearer)
    return Principal(bearer.account_id, bearer.scopes, key_id=bearer.key_id)


def _known_account(request: Request) -> UUID | None:
    """Without asking the database. Good enough for counting, and for nothing else."""
    secret = request.headers.get("authorization", "").partition(" ")[2] or tokens.cookie_of(request)
    if secret.startswith(api_keys.PREFIX):
        bearer = revocations.known_key(secret)
        return bearer.account_id if bearer is not None else None
    with suppress(Unauthenticated):
        login = tokens.read_access_token(secret)
        return None if revocations.has_ended(login.session_id) else login.account_id
    return None


def _needed() -> Unauthenticated:
    return Unauthenticated(
        "This needs Authorization: Bearer <token>: a token from POST /api/v1/auth/login, or an API key."
    )
