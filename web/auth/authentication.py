"""Authentication: the principal of a request.

It comes from a login's token in a header or cookie, from an API key, or is the local owner of
embedded mode.
"""

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
from roadmap.accounts.identity import LOCAL_OWNER, Bearer, Login, Principal, Scope
from web.auth import tokens
from web.auth.revocation_cache import revocations
from web.http import host_and_csrf, limits
from web.http.concurrency import run_for_account

Result = TypeVar("Result")
EVERYTHING = frozenset(Scope)
ACCOUNTS = {
    Scope.admin: "an administrator account",
    Scope.observe: "an administrator or observer account",
}
NEEDED = (
    "Authentication required. Send Authorization: Bearer <token>, with a token from POST "
    "/api/v1/auth/login or an API key."
)
ANONYMOUS = Principal(UUID(int=0), frozenset())
MONITOR = Principal(UUID(int=0), frozenset())  # a client with METRICS_TOKEN, for metrics alone
LOCAL = Principal(LOCAL_OWNER, EVERYTHING)


def is_monitor(request: Request) -> bool:
    """Whether the request has METRICS_TOKEN, compared in constant time."""
    token = settings.metrics_token
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return compare_digest(given.encode(), token.get_secret_value().encode())


async def identify(request: Request) -> Principal:
    """Return the principal of the request.

    Raises Unauthenticated, Forbidden, and Unavailable when it is not known whether its login has
    ended.
    """
    if settings.embedded:
        host_and_csrf.check_same_site(request)
        return LOCAL
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme and (scheme.lower() != "bearer" or not secret):
        raise Unauthenticated(NEEDED)
    if scheme and secret.startswith(api_keys.PREFIX):
        bearer = revocations.known_key(secret)
        if bearer is None:
            limits.check_anonymous(request)  # looking for a key that does not exist costs a query
            bearer = await run_in_threadpool(revocations.look_up_key, secret)
        await revocations.check_key(bearer)
        return Principal(
            bearer.account_id, bearer.scopes, key_id=bearer.key_id, key_name=bearer.key_name
        )
    token = secret if scheme else tokens.cookie_of(request)
    if not token:
        raise Unauthenticated(NEEDED)
    login = tokens.read_access_token(token)
    await revocations.check_login(login)
    if not scheme:
        host_and_csrf.check_same_site(request, login.session_id)
    return Principal(login.account_id, api_keys.scopes_of(login), login.session_id)


def count_once(request: Request) -> None:
    """Count a request that was refused before authentication. Raises RateLimited.

    It counts for its account if the process knows its proof already, so that one person's mistakes
    are not charged to a whole office, or else for its address. Nothing is asked of the database.
    """
    if settings.embedded or "counted" in request.scope.get("state", {}):
        return
    secret = request.headers.get("authorization", "").partition(" ")[2] or tokens.cookie_of(request)
    known: Login | Bearer | None = None
    if secret.startswith(api_keys.PREFIX):
        known = revocations.known_key(secret)
    else:
        with suppress(Unauthenticated):
            login = tokens.read_access_token(secret)
            known = None if revocations.has_ended(login.session_id) else login
    if known is None:
        limits.limit_anonymous(request)
    else:
        limits.count_request(request, known.account_id)


def check_scope(caller: Principal, scope: Scope, *, login_only: bool) -> None:
    """Raise Forbidden unless the caller has this scope, and a login where one is needed."""
    if login_only and settings.embedded:
        raise Forbidden(
            "Embedded mode has no accounts, logins or API keys. It belongs to the user of "
            "this machine and needs no authentication."
        )
    if login_only and caller.session_id is None:
        raise Forbidden("API keys cannot do this. Use the token of a login.")
    if scope not in caller.scopes:
        who = ACCOUNTS.get(scope) if caller.session_id else None
        raise Forbidden(f"This requires {who or f'a key with the scope {scope}'}.")


async def run_for_principal(
    caller: Principal, function: Callable[..., Result], *given: Any
) -> Result:
    """Run a function in a thread when it is the turn of the caller's account.

    Raises RateLimited, and Unauthenticated when the login or key has ended while it waited.
    """

    def run() -> Result:
        revocations.check_still(caller)
        return function(*given)

    return await run_for_account(caller.account_id, run)
