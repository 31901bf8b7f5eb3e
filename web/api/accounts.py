"""Registering, logging in and out, new passwords, and the logins that one has."""

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from core.db import settings
from roadmap.accounts import accounts, sessions
from roadmap.accounts.schemas import User
from roadmap.accounts.sessions import SessionList
from roadmap.lifecycle.account_deletion import cancel_work
from web import logins
from web.call import Call
from web.http.host_and_csrf import csrf_token
from web.http.responses import Reply
from web.logins import StartedLogin

ME = "/api/v1/auth/me"


class Session(BaseModel):
    """Send `access_token` as `Authorization: Bearer`; it is valid for `expires_in` seconds, unless it ends before.

    With `cookie`, the browser has it already; what changes something then comes from a page of this service, or brings
    `csrf_token` as `X-CSRF-Token`.
    """

    access_token: str | None = Field(
        description="For `Authorization: Bearer`; null: the browser has it as a cookie."
    )
    token_type: Literal["bearer"] = "bearer"
    csrf_token: str | None = Field(
        description="For `X-CSRF-Token`, beside a cookie; null: not needed."
    )
    expires_in: int = Field(description="Seconds.")
    user: User


async def register(call: Call) -> Reply:
    """A new account, and logged in. Who may is the operator's decision: everybody, those who were
    invited, or nobody.
    """
    begun = _answered(call, await logins.register(call, call.body))
    return replace(begun, headers={**begun.headers, "Location": ME})


async def log_in(call: Call) -> Reply:
    """With address and password, for a token. A login that the browser had until now ends. An
    account that is to be deleted answers 409 until it is restored, with `restore`.
    """
    return _answered(call, await logins.log_in(call, call.body))


async def change_password(call: Call) -> Reply:
    """All logins end, also the caller's; the answer is a new one."""
    return _answered(call, await logins.change_password(call, call.body))


async def change_email(call: Call) -> Reply:
    """All logins end, also the caller's; the answer is a new one. From then on one logs in with the
    new address; keys stay.
    """
    return _answered(call, await logins.change_email(call, call.body))


async def delete_me(call: Call) -> Reply:
    """All logins end and all keys are revoked at once, what is being made is cancelled, and links
    open nothing. In 30 days the account is gone with all that belongs to it; copies that others
    have made of shared roadmaps stay. Until then a login with `"restore": true` restores it.
    """
    deletion = await logins.delete_account(call, call.body, cancel_work)
    return Reply(deletion, headers=logins.FORGET)


def log_out(call: Call) -> Reply:
    """This login ends; others and API keys stay."""
    logins.end_login(call, call.caller.session_id, "logged-out")
    return Reply(None, headers=logins.FORGET)


def read_me(call: Call) -> User:
    """The account for which the token or key is."""
    return accounts.find(call.owner)


def list_logins(call: Call) -> SessionList:
    """Those that have not ended, the newest first."""
    return sessions.list_open(call.owner, call.caller.session_id)


def end_login(call: Call) -> None:
    """Its token is of no use from then on."""
    logins.end_login(call, call.ids["session_id"])


def _answered(call: Call, begun: StartedLogin) -> Reply:
    cookie = call.body.cookie
    body = Session(
        access_token=None if cookie else begun.token,
        csrf_token=csrf_token(begun.login.session_id) if cookie else None,
        expires_in=int(settings.token_ttl_seconds),
        user=begun.user,
    )
    return Reply(body, headers=begun.headers if cookie else {})
