"""Registration, login and logout, passwords, and login sessions."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from core.db import settings
from core.errors import Conflict, Forbidden, Unauthenticated
from core.json_types import LazyModel
from roadmap.accounts import accounts, sessions
from roadmap.accounts.schemas import (
    Credentials,
    Deletion,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
    User,
)
from web.auth import logins
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import API, Endpoint
from web.http.host_and_csrf import csrf_token
from web.http.responses import Reply

ME = API + "/auth/me"


class Session(LazyModel):
    """A login session.

    Send `access_token` as `Authorization: Bearer`. It is valid for `expires_in` seconds, unless the
    session ends before.

    With `cookie`, the token is in a cookie. Requests that change something must then come from a
    page of this service or send `csrf_token` as `X-CSRF-Token`.
    """

    access_token: str | None = Field(
        description="For `Authorization: Bearer`; null: set as a cookie."
    )
    token_type: Literal["bearer"] = "bearer"
    csrf_token: str | None = Field(
        description="For `X-CSRF-Token`, together with a cookie; null: not needed."
    )
    expires_in: int = Field(description="Seconds to wait.")
    user: User


async def register(call: Call[Registration]) -> Reply[Session]:
    """Create an account and log in.

    The operator decides whether registration is open, by invitation only, or closed.
    """
    begun = _answered(call, await logins.register(call, call.body))
    return replace(begun, headers={**begun.headers, "Location": ME})


async def log_in(call: Call[Credentials]) -> Reply[Session]:
    """Log in with e-mail address and password, for a token.

    An earlier login session of the browser ends. An account that is marked for deletion answers
    409, unless `restore` is true, which restores it.
    """
    return _answered(call, await logins.log_in(call, call.body))


async def change_password(call: Call[PasswordChange]) -> Reply[Session]:
    """End all login sessions, also the current one, and return a new one."""
    return _answered(call, await logins.change_password(call, call.body))


async def change_email(call: Call[EmailChange]) -> Reply[Session]:
    """End all login sessions, also the current one, and return a new one.

    The next login needs the new address. API keys stay valid.
    """
    return _answered(call, await logins.change_email(call, call.body))


async def delete_me(call: Call[DeletionRequest]) -> Reply[Deletion]:
    """Mark the account for deletion.

    Login sessions end and API keys are revoked at once, work in progress is cancelled, and share
    links stop working. After 30 days the account and all its data are deleted; copies of shared
    roadmaps in other accounts stay. Until then, a login with `"restore": true` restores the
    account.
    """
    deletion = await logins.delete_account(call, call.body)
    return Reply(deletion, headers=logins.FORGET)


def log_out(call: Call[EmptyBody]) -> Reply[None]:
    """End this login session. Others stay valid, as do API keys."""
    logins.end_login(call, call.caller.session_id, "logged-out")
    return Reply(None, headers=logins.FORGET)


def read_me(call: Call) -> User:
    """The account of the token or API key."""
    return accounts.find(call.owner)


def list_logins(call: Call) -> sessions.SessionList:
    """Active login sessions, newest first."""
    return sessions.list_open(call.owner, call.caller.session_id)


def end_login(call: Call) -> None:
    """End a login session. Its token is no longer valid."""
    logins.end_login(call, call.ids["session_id"])


def _answered(call: Call, begun: logins.StartedLogin) -> Reply[Session]:
    cookie = call.body.cookie
    body = Session(
        access_token=None if cookie else begun.token,
        csrf_token=csrf_token(begun.login.session_id) if cookie else None,
        expires_in=int(settings.token_ttl_seconds),
        user=begun.user,
    )
    return Reply(body, headers=begun.headers if cookie else {})


ENDPOINTS = (
    Endpoint("POST", API + "/auth/register", register, "Register", status=201, public=True,
        raises=(Forbidden, Conflict)),
    Endpoint("POST", API + "/auth/login", log_in, "Log in", public=True,
        raises=(Unauthenticated, Conflict)),
    Endpoint("POST", API + "/auth/logout", log_out, "Log out", status=204, login_only=True),
    Endpoint("PUT", API + "/auth/password", change_password, "Change the password",
        login_only=True, raises=(Conflict,)),
    Endpoint("PUT", API + "/auth/email", change_email, "Change the e-mail address",
        login_only=True, raises=(Conflict,)),
    Endpoint("GET", ME, read_me, "Read the current account"),
    Endpoint("DELETE", ME, delete_me, "Delete the account", login_only=True, raises=(Conflict,)),
    Endpoint("GET", API + "/auth/sessions", list_logins, "List login sessions", login_only=True),
    Endpoint("DELETE", API + "/auth/sessions/{session_id}", end_login, "End a login session",
        status=204, login_only=True),
)  # fmt: skip
