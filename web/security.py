"""Who is calling: signed access tokens, and the local owner of embedded mode."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from starlette.requests import Request

from core.errors import Forbidden, Unauthenticated, Unavailable
from core.runtime import settings
from core.settings import LOOPBACK
from core.storage import HASHES_AT_ONCE, signing_keys
from roadmap.accounts import LOCAL_OWNER

Result = TypeVar("Result")

HASHES_WAITING = 64

# itsdangerous signs with the last key and verifies with all; ours come with the signing one first
_tokens = URLSafeTimedSerializer(list(reversed(signing_keys(settings))), salt="roadmap.access-token")
_hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)


def issue_token(user_id: UUID) -> str:
    return str(_tokens.dumps(user_id.hex))


def authenticate(request: Request) -> UUID:
    """The account that this request acts as. No query: the token is signed. Raises Unauthenticated, Forbidden."""
    if settings.embedded:
        return LOCAL_OWNER
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("This needs an access token: Authorization: Bearer <token>, from POST /api/v1/auth/login.")
    try:
        return UUID(_tokens.loads(token, max_age=int(settings.token_ttl_seconds)))
    except SignatureExpired:
        raise Unauthenticated("The access token has expired. Log in again.") from None
    except (BadSignature, ValueError, TypeError, AttributeError):
        raise Unauthenticated("The access token is not valid. Log in again.") from None


async def run_hashing(function: Callable[..., Result], *args: object) -> Result:
    """Run a function that hashes a password: at most two at once, and a bounded line behind them."""
    if _hashing.statistics().tasks_waiting >= HASHES_WAITING:
        raise Unavailable("Too many people are logging in at once. Try again.", retry_after=5)
    return await anyio.to_thread.run_sync(function, *args, limiter=_hashing)


def check_host(request: Request) -> None:
    """Embedded mode has no accounts, so a name other than this machine's is refused: a web page elsewhere could
    otherwise point its own host name here (DNS rebinding) and act as the owner. Raises Forbidden.
    """
    if not settings.embedded:
        return
    host = request.headers.get("host", "").rsplit("@", 1)[-1].lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name not in LOOPBACK:
        raise Forbidden("In embedded mode requests must name this machine: http://127.0.0.1 or http://localhost.")
