"""How much one account, or one address without an account, may ask for. Decided in the process; Redis is told beside it."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from starlette.requests import Request

from core.background_refresh import BackgroundRefresh
from core.db import settings
from core.errors import RateLimited, Unauthenticated
from core.rate_limiter import Limit, Limiter, SharedLimits, whole_seconds
from web.http.host_and_csrf import address_of

MINUTE, QUARTER, HOUR = 60, 900, 3600  # seconds
REQUESTS = Limit("requests", settings.requests_per_minute, MINUTE)
STRANGERS = Limit("strangers", settings.requests_per_minute // 2, MINUTE)
LOGIN_PAIR = Limit(
    "login-pair", settings.login_attempts, QUARTER
)  # of one account, from one address
LOGIN_ACCOUNT = Limit("login-account", settings.login_attempts * 10, HOUR)  # from anywhere
LOGIN_ADDRESS = Limit("login-address", settings.login_attempts * 10, QUARTER)  # of any account
LOGINS = Limit("logins", settings.login_attempts * 20, QUARTER)  # of one account
NEW_KEYS = Limit("new-keys", settings.login_attempts * 6, HOUR)  # of one account
IMPORTS = Limit(
    "imports", settings.requests_per_minute // 10, HOUR
)  # of one account: each may leave 16 MiB behind
EXPORTS = Limit(
    "exports", -(-settings.requests_per_minute // 60), HOUR
)  # of one account: each reads all that it has
REGISTRATIONS = Limit("registrations", settings.login_attempts * 2, HOUR)  # from one address

limiter = Limiter()
_shared = (
    SharedLimits(settings.redis_url.get_secret_value(), limiter) if settings.redis_url else None
)
exchange = BackgroundRefresh(_shared.exchange, name="SharedLimits") if _shared else None


def start() -> None:
    if exchange is not None:
        exchange.start()


def stop() -> None:
    if exchange is not None:
        exchange.stop()


def count_request(request: Request, account_id: UUID) -> None:
    """Count it. Raises TooMany."""
    if not settings.embedded:  # one person, at this machine
        request.scope["state"]["counted"] = (REQUESTS, account_id.hex)
        _hit(REQUESTS, account_id.hex)


def limit_anonymous(request: Request) -> None:
    """Count it for the address: nobody has shown who they are. Raises TooMany."""
    if not settings.embedded:
        address = address_of(request)
        request.scope["state"]["counted"] = (STRANGERS, address)
        _hit(STRANGERS, address)


def check_anonymous(request: Request) -> None:
    """Without counting it: nobody has shown who they are yet. Raises TooMany."""
    if not settings.embedded:
        _refuse(STRANGERS, limiter.wait(STRANGERS, address_of(request)))


def count_nothing(request: Request) -> None:
    """Whatever is answered to it."""
    request.scope["state"]["counted"] = (None, "")


def is_counted(request: Request) -> bool:
    return "counted" in request.scope.get("state", {})


def is_of_account(request: Request) -> bool:
    """Whether it was counted for an account, and not for an address."""
    return request.scope.get("state", {}).get("counted", (None, ""))[0] is REQUESTS


def rate_limit_headers(state: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The headers that say how much is left of what this request was counted by (an IETF draft: RateLimit, RateLimit-Policy)."""
    limit, key = state.get("counted", (None, ""))
    if limit is None or not limit.most:
        return {}
    left, seconds = limiter.left(limit, key)
    return {
        b"ratelimit-policy": f'"{limit.name}";q={limit.most};w={limit.seconds}'.encode(),
        b"ratelimit": f'"{limit.name}";r={left};t={whole_seconds(seconds)}'.encode(),
    }


@contextmanager
def attempt(request: Request, who: str) -> Iterator[None]:
    """For a `with` around the check of a password of `who`: it counts when it was wrong. Raises TooMany."""
    address, account = (
        address_of(request),
        hashlib.sha256(who.encode()).hexdigest()[:32],
    )  # Redis need not know who logs in
    places = (
        (LOGIN_PAIR, f"{account} {address}"),
        (LOGIN_ADDRESS, address),
        (LOGIN_ACCOUNT, account),
    )
    taken = []
    try:
        for (
            limit,
            key,
        ) in places:  # before it is known whether it is right: those that run at once count too
            _hit(limit, key, tell=False)
            taken.append((limit, key))
        yield
    except Unauthenticated:
        for limit, key in taken:
            limiter.publish(limit, key)
        raise
    except BaseException:
        _give_back(taken)
        raise
    else:
        _give_back(taken)


def count_login(email: str) -> None:
    """Count it, right or wrong: each right one leaves a session behind. Raises TooMany."""
    _hit(LOGINS, hashlib.sha256(email.encode()).hexdigest()[:32])


def count_new_key(account_id: UUID) -> None:
    """Count it. Raises TooMany."""
    _hit(NEW_KEYS, account_id.hex)


def check_import(account_id: UUID) -> None:
    """Without counting it. Raises TooMany."""
    if not settings.embedded:
        _refuse(IMPORTS, limiter.wait(IMPORTS, account_id.hex))


def count_import(account_id: UUID) -> None:
    """Count it. Raises TooMany."""
    if not settings.embedded:
        _hit(IMPORTS, account_id.hex)


def count_export(account_id: UUID) -> None:
    """Count it. Raises TooMany."""
    _hit(EXPORTS, account_id.hex)


def count_registration(request: Request) -> None:
    """Count it. Raises TooMany."""
    _hit(REGISTRATIONS, address_of(request))


def _give_back(taken: list[tuple[Limit, str]]) -> None:
    for limit, key in taken:
        limiter.refund(limit, key)


def _hit(limit: Limit, key: str, *, tell: bool = True) -> None:
    wait = limiter.hit(limit, key, publish=tell)
    if exchange is not None:
        exchange.ask()
    _refuse(limit, wait)


def _refuse(limit: Limit, wait: float) -> None:
    if wait:
        seconds = whole_seconds(wait)
        raise RateLimited(
            f"That was too often ({limit.most} in {limit.seconds} s). Come back in {seconds} s.",
            retry_after=seconds,
        )
