"""Rate limits of accounts, and of addresses without an account.

They are decided in the process, and shared through Redis in the background.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

from starlette.requests import Request

from core.background_refresh import BackgroundRefresh
from core.db import settings
from core.errors import RateLimited, Unauthenticated
from web.http.host_and_csrf import address_of, site_of
from web.http.rate_limiter import Limit, Limiter, SharedLimits, whole_seconds

MINUTE, QUARTER, HOUR = 60, 900, 3600  # seconds
OF_SITE = 8  # times as many for all addresses of an IPv6 site as for one of its networks
REQUESTS = Limit("requests", settings.requests_per_minute, MINUTE)
ANONYMOUS = Limit("strangers", settings.requests_per_minute // 2, MINUTE)
# Of one account, from one address
LOGIN_PAIR = Limit("login-pair", settings.login_attempts, QUARTER)
LOGIN_ACCOUNT = Limit("login-account", settings.login_attempts * 10, HOUR)  # from anywhere
LOGIN_ADDRESS = Limit("login-address", settings.login_attempts * 10, QUARTER)  # of any account
LOGINS = Limit("logins", settings.login_attempts * 20, QUARTER)  # of one account
NEW_KEYS = Limit("new-keys", settings.login_attempts * 6, HOUR)  # of one account
# Of one account: an import may store 16 MiB, and an export reads all that the account has
IMPORTS = Limit("imports", settings.requests_per_minute // 10, HOUR)
EXPORTS = Limit("exports", -(-settings.requests_per_minute // 60), HOUR)
AGENT_CHANGES = Limit("agent-changes", settings.requests_per_minute * 2, HOUR)  # of one account
REGISTRATIONS = Limit("registrations", settings.login_attempts * 2, HOUR)  # from one address

limiter = Limiter()
_shared = (
    SharedLimits(settings.redis_url.get_secret_value(), limiter) if settings.redis_url else None
)
exchange = BackgroundRefresh(_shared.exchange, name="SharedLimits") if _shared else None


def count_request(request: Request, account_id: UUID) -> None:
    """Count a request of an account. Raises RateLimited."""
    if not settings.embedded:  # one person, at this machine
        request.scope["state"]["counted"] = (REQUESTS, account_id.hex)
        _hit(REQUESTS, account_id.hex)


def limit_anonymous(request: Request) -> None:
    """Count a request without proof for its address. Raises RateLimited."""
    if not settings.embedded:
        address = address_of(request)
        request.scope["state"]["counted"] = (ANONYMOUS, address)
        for limit, key in _places(ANONYMOUS, address):
            _hit(limit, key)


def check_anonymous(request: Request) -> None:
    """Raise RateLimited if the address has no request left, without counting this one."""
    if not settings.embedded:
        for limit, key in _places(ANONYMOUS, address_of(request)):
            _refuse(limit, limiter.wait(limit, key))


def count_nothing(request: Request) -> None:
    """Never count this request, whatever the response is."""
    request.scope["state"]["counted"] = (None, "")


def is_of_account(request: Request) -> bool:
    """Whether it was counted for an account, and not for an address."""
    return request.scope.get("state", {}).get("counted", (None, ""))[0] is REQUESTS


def rate_limit_headers(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the headers RateLimit and RateLimit-Policy (an IETF draft) of a counted request."""
    limit, key = state.get("counted", (None, ""))
    if limit is None or not limit.most:
        return []
    left, seconds = limiter.left(limit, key)
    return [
        (b"ratelimit-policy", f'"{limit.name}";q={limit.most};w={limit.seconds}'.encode()),
        (b"ratelimit", f'"{limit.name}";r={left};t={whole_seconds(seconds)}'.encode()),
    ]


@contextmanager
def attempt(request: Request, who: str) -> Iterator[None]:
    """Count the check of a password of `who` inside if it was wrong. Raises RateLimited."""
    # Redis need not know who logs in
    address, account = address_of(request), hashlib.sha256(who.encode()).hexdigest()[:32]
    places = (
        (LOGIN_PAIR, f"{account} {address}"),
        *_places(LOGIN_ADDRESS, address),
        (LOGIN_ACCOUNT, account),
    )
    taken, settle = [], limiter.refund
    try:
        for limit, key in places:  # before it is checked: those that run at once count too
            _hit(limit, key, publish=False)
            taken.append((limit, key))
        yield
    except Unauthenticated:
        settle = limiter.publish
        raise
    finally:
        for limit, key in taken:
            settle(limit, key)


def count_login(email: str) -> None:
    """Count an attempt, right or wrong: each right one stores a session. Raises RateLimited."""
    _hit(LOGINS, hashlib.sha256(email.encode()).hexdigest()[:32])


def check_import(account_id: UUID) -> None:
    """Raise RateLimited if no import is left, without counting one."""
    if not settings.embedded:
        _refuse(IMPORTS, limiter.wait(IMPORTS, account_id.hex))


def count_for(limit: Limit, account_id: UUID) -> None:
    """Count what an account does. Raises RateLimited."""
    if not settings.embedded:
        _hit(limit, account_id.hex)


def count_registration(request: Request) -> None:
    """Count a registration for its address. Raises RateLimited."""
    for limit, key in _places(REGISTRATIONS, address_of(request)):
        _hit(limit, key)


def _places(limit: Limit, address: str) -> list[tuple[Limit, str]]:
    """Return what counts for an address: the address, and of an IPv6 network its site."""
    site = site_of(address)
    return [(limit, address), *([(_limit_of_site(limit), site)] if site != address else [])]


@cache
def _limit_of_site(limit: Limit) -> Limit:
    return Limit(f"{limit.name}-site", limit.most * OF_SITE, limit.seconds)


def _hit(limit: Limit, key: str, *, publish: bool = True) -> None:
    wait = limiter.hit(limit, key, publish=publish)
    if exchange is not None:
        exchange.request()
    _refuse(limit, wait)


def _refuse(limit: Limit, wait: float) -> None:
    if wait:
        seconds = whole_seconds(wait)
        raise RateLimited(
            f"Rate limit exceeded ({limit.most} per {limit.seconds} s). Retry in {seconds} s.",
            retry_after=seconds,
        )
