"""A request that was read and checked, as handlers get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from roadmap.accounts.idempotency_store import IdempotencyKey
from roadmap.accounts.identity import Principal


class NoQuery(BaseModel):
    model_config = {"extra": "forbid"}


class NoBody(BaseModel):
    """Nothing is to be said: an empty object. Where all fields are optional, no body is needed, but for PATCH."""

    model_config = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was read and checked.

    `named` is the name that its Idempotency-Key gives it.
    """

    caller: Principal
    body: Any
    query: Any
    ids: Mapping[str, Any]  # the places of the path
    request: Request
    named: IdempotencyKey | None = None

    @property
    def owner(self) -> UUID:
        """Return the account that owns everything this caller can reach."""
        return self.caller.account_id


Handler = Callable[[Call], Any]  # returns an Answer, or is a coroutine that does


def is_conditional(request: Request) -> bool:
    """Whether the request is a change on a condition about an ETag."""
    return request.method not in ("GET", "HEAD") and (
        "if-match" in request.headers or "if-none-match" in request.headers
    )
