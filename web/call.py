"""A request that was read and checked, as handlers get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request

from core.json_types import LazyModel
from roadmap.accounts.identity import IdempotencyKey, Principal


class NoQuery(LazyModel, extra="forbid"):
    """No query at all."""


class EmptyBody(LazyModel, extra="forbid"):
    """Empty request body: no body, or an empty object.

    Where all fields are optional, no body is needed, except for PATCH.
    """


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

    @property
    def concept(self) -> tuple[UUID, UUID, UUID]:
        """Return the account, its roadmap and the concept of the path."""
        return self.owner, self.ids["roadmap_id"], self.ids["concept_id"]

    @property
    def stage(self) -> tuple[UUID, UUID, UUID]:
        """Return the account, its roadmap and the stage of the path."""
        return self.owner, self.ids["roadmap_id"], self.ids["stage_id"]


Handler = Callable[[Call], Any]  # returns an Answer, or is a coroutine that does
