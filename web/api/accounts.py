"""Registering, logging in and out, new passwords, and the logins that one has."""

from contextlib import suppress
from dataclasses import replace
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from core.errors import NotFound, Unavailable
from core.runtime import settings
from roadmap import account_deletion, accounts, sessions
from roadmap.accounts import User
from roadmap.sessions import Device, Login, SessionList
from web import limits, tokens
from web.accepting import send
from web.acting import actor_of
from web.answering import Reply
from web.callers import COOKIE, login_in_cookie
from web.endpoint import Call
from web.hashing import run_hashing
from web.noting import note
from web.origins import address_of
from web.standing import standing

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
    """A new account, and logged in. Who may is the operator's decision: everybody, those who were invited, or nobody."""
    limits.count_registration(call.request)
    given = call.body.invitation
    invitation_id = tokens.read_invitation_token(given.get_secret_value()) if given else None
    begun = _begun(call, "registered", *await run_hashing(_register, call, invitation_id))
    return replace(begun, headers={**begun.headers, "Location": ME})


async def log_in(call: Call) -> Reply:
    """With address and password, for a token. A login that the browser had until now ends. An account that is to be deleted
    answers 409 until it is restored, with `restore`.
    """
    limits.count_login(call.body.email)
    with limits.attempt(call.request, call.body.email):
        begun = await run_hashing(_log_in, call)
    return _begun(call, "logged-in", *begun)


async def change_password(call: Call) -> Reply:
    """All logins end, also the caller's; the answer is a new one."""
    with limits.attempt(call.request, call.owner.hex):
        begun = await run_hashing(_change_password, call)
    return _begun(call, "password-changed", *begun)


async def change_email(call: Call) -> Reply:
    """All logins end, also the caller's; the answer is a new one. From then on one logs in with the new address; keys stay."""
    limits.count_login(
        call.owner.hex
    )  # a right one tells whether there is an account with the new address
    with limits.attempt(call.request, call.owner.hex):
        begun = await run_hashing(_change_email, call)
    return _begun(call, "email-changed", *begun)


async def delete_me(call: Call) -> Reply:
    """All logins end and all keys are revoked at once, what is being made is cancelled, and links open nothing. In 30 days the
    account is gone with all that belongs to it; copies that others have made of shared roadmaps stay. Until then a login with
    `"restore": true` restores it.
    """
    with limits.attempt(call.request, call.owner.hex):
        deletion = await run_hashing(accounts.delete, call.caller, call.body)
    note(call.request, "account-deleted", account=call.owner, session=call.caller.session_id)
    with suppress(Unavailable):  # upkeep cancels it within a minute
        await run_in_threadpool(_end_work, call.owner)
    return Reply(
        deletion, headers={"Set-Cookie": _cookie("", 0), "Clear-Site-Data": '"cache", "storage"'}
    )


def log_out(call: Call) -> Reply:
    """This login ends; others and API keys stay."""
    assert call.caller.session_id is not None
    sessions.end(call.owner, call.caller.session_id)
    standing.refresh()
    note(call.request, "logged-out", account=call.owner, session=call.caller.session_id)
    return Reply(
        None, headers={"Set-Cookie": _cookie("", 0), "Clear-Site-Data": '"cache", "storage"'}
    )


def read_me(call: Call) -> User:
    """The account for which the token or key is."""
    return accounts.find(call.owner)


def list_logins(call: Call) -> SessionList:
    """Those that have not ended, the newest first."""
    return sessions.list_open(call.owner, call.caller.session_id)


def end_login(call: Call) -> None:
    """Its token is of no use from then on."""
    sessions.end(call.owner, call.ids["session_id"])
    standing.refresh()
    note(call.request, "session-ended", account=call.owner, session=call.ids["session_id"])


def _register(call: Call, invitation_id: UUID | None) -> tuple[User, Login]:
    begun = accounts.register(call.body, invitation_id, _device(call.request))
    _end_former(call.request)
    return begun


def _log_in(call: Call) -> tuple[User, Login]:
    begun = accounts.log_in(call.body, _device(call.request))
    _end_former(call.request)
    return begun


def _end_former(request: Request) -> None:
    """The login that the browser had until now."""
    if (before := login_in_cookie(request)) is not None:
        with suppress(NotFound):
            sessions.end(before.account_id, before.session_id)
        standing.refresh()


def _change_password(call: Call) -> tuple[User, Login]:
    begun = accounts.change_password(call.caller, call.body, _device(call.request))
    standing.refresh()
    return begun


def _change_email(call: Call) -> tuple[User, Login]:
    begun = accounts.change_email(call.caller, call.body, _device(call.request), actor_of(call))
    standing.refresh()
    return begun


def _end_work(account_id: UUID) -> None:
    standing.refresh()
    send(account_deletion.cancel_work(account_id))


def _begun(call: Call, what: str, user: User, login: Login) -> Reply:
    note(call.request, what, account=user.id, session=login.session_id)
    token, seconds = tokens.access_token(login), int(settings.token_ttl_seconds)
    if not call.body.cookie:
        return Reply(Session(access_token=token, csrf_token=None, expires_in=seconds, user=user))
    csrf = tokens.csrf_token(login.session_id)
    body = Session(access_token=None, csrf_token=csrf, expires_in=seconds, user=user)
    return Reply(body, headers={"Set-Cookie": _cookie(token, seconds)})


def _cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def _device(request: Request) -> Device:
    agent = "".join(c for c in request.headers.get("user-agent", "") if c.isprintable())
    return Device(agent[:200], address_of(request))
