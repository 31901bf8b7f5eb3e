"""A request that was read and checked, as handlers get it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from core.errors import FieldError, NotFound
from roadmap.accounts.identity import IdempotencyKey, Principal
from roadmap.plan.outline import ContentKind


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


def is_conditional(request: Request) -> bool:
    """Whether the request is a change with a condition on an ETag."""
    return request.method not in ("GET", "HEAD") and (
        "if-match" in request.headers or "if-none-match" in request.headers
    )


ANY, WORD = r"(?s).*", r"[A-Za-z0-9._:-]{1,100}"
Parameter = tuple[str, Callable[[str], Any], str]  # its pattern, its parser, and the rule of both
PLACES: dict[str, Parameter] = {  # path parameters that are not the id of a thing
    "number": (r"[1-9][0-9]{0,5}", int, "is not a number from 1"),
    "kind": (ANY, ContentKind, f"is not one of {', '.join(ContentKind)}"),
    "file": (ANY, str, "is not a file"),
    "slug": (ANY, str, "is not a type of problem"),
    "tag": (ANY, str, "is not a chapter of the description"),
    "queue": (WORD, str, "is not the name of a queue"),
    "message": (WORD, str, "is not the id of a message"),
    "token": (WORD, str, "is not a token of a link"),
}
# Also in braces or as a URN. `UUID` also accepts spaces, underscores and digits of other scripts.
ID: Parameter = (r"(?:urn:uuid:)?\{?[0-9A-Fa-f-]{32,36}\}?", UUID, "is not a UUID")
THINGS = {
    "number": "revision or version",
    "kind": "part of a concept",
    "slug": "type of problem",
    "token": "link",
}


def ids_of(request: Request) -> dict[str, Any]:
    """Parse the path parameters. Raises NotFound."""
    ids = {}
    for name, value in request.path_params.items():
        pattern, read, rule = PLACES.get(name, ID)
        try:
            if not re.fullmatch(pattern, value):
                raise ValueError
            ids[name] = read(value)
        except ValueError:
            thing = THINGS.get(name, name.removesuffix("_id"))
            raise NotFound(
                f"There is no such {thing}.", fields=(FieldError(f"?{name}", rule),)
            ) from None
    return ids
