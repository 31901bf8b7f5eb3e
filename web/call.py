"""A request that was read and checked, as handlers get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from roadmap.accounts import accounts
from roadmap.accounts.identity import IdempotencyKey, Principal
from roadmap.operations.audit_log import Actor
from web.http.host_and_csrf import address_of


class NoQuery(BaseModel):
    model_config = {"extra": "forbid"}


class NoBody(BaseModel):
    """Empty request body: no body, or an empty object.

    Where all fields are optional, no body is needed, except for PATCH.
    """

    model_config = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was read and checked."""

    caller: Principal
    body: Any
    query: Any
    ids: Mapping[str, Any]  # path parameters
    request: Request
    key: IdempotencyKey | None = None

    @property
    def owner(self) -> UUID:
        """Return the account that owns everything this caller can reach."""
        return self.caller.account_id


Handler = Callable[[Call], Any]  # returns an Answer, or is a coroutine that does


def actor_of(call: Call) -> Actor:
    """Return the calling account, for the audit log.

    Raises Unauthenticated when it is gone, Unavailable.
    """
    name = accounts.find(call.owner).email
    request = call.request
    return Actor(call.owner, name, address_of(request), request.scope["state"]["request_id"])
