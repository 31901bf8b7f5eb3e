"""A request that was read and checked, as handlers get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from typing_extensions import TypeVar

from core.json_types import LazyModel
from roadmap.accounts.identity import IdempotencyKey, Principal

# Any, so that functions for all calls say `Call`. A handler that says so has no body and no query.
Body_co = TypeVar("Body_co", covariant=True, default=Any)
Query_co = TypeVar("Query_co", covariant=True, default=Any)


class NoQuery(LazyModel, extra="forbid"):
    """No query at all."""


class EmptyBody(LazyModel, extra="forbid"):
    """Empty request body: no body, or an empty object.

    Where all fields are optional, no body is needed, except for PATCH.
    """


@dataclass(frozen=True, slots=True)
class Call(Generic[Body_co, Query_co]):
    """A request that was read and checked.

    Handlers name its types: `Call[RoadmapRequest]`, `Call[None, PageQuery]`.
    """

    caller: Principal
    body: Body_co
    query: Query_co
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


def models_of(handler: Handler) -> dict[str, type[BaseModel]]:
    """Return the models that the types of a handler name, as fields of its Endpoint.

    That of the response is what it returns, or what is in its Reply, Document or Annotated.
    """
    hints = get_type_hints(getattr(handler, "func", handler), include_extras=True)
    types = dict(zip(("body", "query"), get_args(hints.get("call")), strict=False))
    types["response"] = hints.get("return")
    while inner := get_args(types["response"]):
        types["response"] = inner[-1]
    return {
        name: each
        for name, each in types.items()
        if isinstance(each, type) and issubclass(each, BaseModel)
    }
