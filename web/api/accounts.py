"""Registering and logging in."""

from typing import Literal

from pydantic import BaseModel

from core.runtime import settings
from roadmap import accounts
from roadmap.accounts import User
from web.endpoint import Call
from web.security import issue_token, run_hashing


class Session(BaseModel):
    """Send `access_token` as `Authorization: Bearer`; it is valid for `expires_in` seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    user: User


async def register(call: Call) -> Session:
    return _session(await run_hashing(accounts.register, call.body))


async def log_in(call: Call) -> Session:
    return _session(await run_hashing(accounts.log_in, call.body))


def me(call: Call) -> User:
    return accounts.find(call.caller)


def _session(user: User) -> Session:
    return Session(access_token=issue_token(user.id), expires_in=int(settings.token_ttl_seconds), user=user)
