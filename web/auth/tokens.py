"""Signed tokens of logins and invitations.

Each purpose has its own salt, so that no token is valid for another purpose. The first of the
keys signs, and all verify.
"""

import hashlib
import re
import time
from contextlib import suppress
from enum import StrEnum
from functools import cache, lru_cache
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request

from core.backends import signing_keys
from core.db import settings
from core.errors import FieldError, Forbidden, Unauthenticated
from roadmap.accounts.identity import INVITATION_LIFE, Login

# Browsers send it to this host only, over TLS only, and no other site can set it.
COOKIE = "__Host-roadmap"
COOKIES = re.compile(f"(?:^|;) *{COOKIE}=([^;]*)")
ADMIN, OBSERVER = 1, 2  # ranks in a token; 0 for others
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,300}")


class TokenPurpose(StrEnum):
    access = "roadmap.access-token"
    invitation = "roadmap.invitation"


def access_token(login: Login) -> str:
    rank = ADMIN if login.is_admin else OBSERVER if login.is_observer else 0
    claims = [login.session_id.hex, login.account_id.hex, rank]
    return str(_serializer(TokenPurpose.access).dumps(claims))


def read_access_token(token: str) -> Login:
    """Return the login of a token. Raises Unauthenticated, but not for a login that has ended."""
    try:
        login, signed_at = signed_login(token)
    except (BadData, ValueError, TypeError, AttributeError):
        raise Unauthenticated("The access token is not valid. Log in again.") from None
    if not 0 <= int(time.time()) - signed_at <= int(settings.token_ttl_seconds):
        raise Unauthenticated("The access token has expired. Log in again.")
    return login


@lru_cache(maxsize=10_000)
def signed_login(token: str) -> tuple[Login, int]:
    """Return the login of a token, and the second of signing, which do not change."""
    if not TOKEN.fullmatch(token):  # base64 ignores other characters: a token has one spelling
        raise ValueError
    claims, signed_at = _serializer(TokenPurpose.access).loads(token, return_timestamp=True)
    session_id, account_id, rank = claims
    login = Login(UUID(session_id), UUID(account_id), rank == ADMIN, rank == OBSERVER)
    return login, int(signed_at.timestamp())


def cookie_of(request: Request) -> str:
    """Return the access token in the browser's cookie; empty unless there is exactly one.

    The name must match exactly: a parser that ignores strange spaces would accept a cookie that a
    page of a neighbouring domain may set.
    """
    found = [
        value for header in request.headers.getlist("cookie") for value in COOKIES.findall(header)
    ]
    return found[0] if len(found) == 1 else ""


def login_in_cookie(request: Request) -> Login | None:
    """Return the login of the browser's cookie, whether it has ended or not."""
    with suppress(Unauthenticated):
        return read_access_token(cookie_of(request))
    return None


def invitation_token(invitation_id: UUID) -> str:
    return str(_serializer(TokenPurpose.invitation).dumps(invitation_id.hex))


def read_invitation_token(token: str) -> UUID:
    """Return the id of an invitation, which may have been used. Raises Forbidden."""
    try:
        return UUID(
            _serializer(TokenPurpose.invitation).loads(
                token, max_age=int(INVITATION_LIFE.total_seconds())
            )
        )
    except (BadData, ValueError, TypeError, AttributeError):
        wrong = FieldError("/invitation", "is not valid or has expired")
        raise Forbidden(
            "The invitation is not valid. Ask the administrator for a new one.", fields=(wrong,)
        ) from None


@cache
def _serializer(purpose: TokenPurpose) -> URLSafeTimedSerializer:
    """Return a serializer; itsdangerous signs with the last key and verifies with all."""
    keys = signing_keys(settings)[::-1]
    return URLSafeTimedSerializer(
        keys, salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
    )
