"""Forms and redirects of the pages; a form that is sent twice is done once.

The field `form` is the name of a form: a second click, or going back, sends the same one.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response

from core.db import transaction
from core.errors import Invalid
from core.i18n import gettext_noop
from core.json_types import LazyModel
from roadmap.accounts.identity import IdempotencyKey
from roadmap.plan.outline import MOST_LINES
from roadmap.plan.views import RoadmapSummary
from web.endpoints import idempotency
from web.endpoints.call import Call
from web.http.middleware import IndexedRouter
from web.http.request_body import field_errors
from web.http.urls import path_and_query, quoted_path, quoted_url
from web.pages.upload import FileForm

LOCAL_PATH = re.compile(r"/(?![/\\])[!-~]{0,500}")
ACCEPTED = re.compile(
    r"(?:^|,)\s*text/html\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?=,|$)", re.IGNORECASE
)
INCOMPLETE = -1
UNORDERED = gettext_noop("Give each line a position of its own, or none to all of them.")
PATIENCE = 10.0  # seconds for which a second click waits for the first
Model = TypeVar("Model", bound=BaseModel)
Document = TypeVar("Document")


class Form(ImmutableMultiDict[str, str]):
    """The fields of a form as a browser sends them: names and texts."""

    __repr__ = object.__repr__  # without the texts: one may be a password

    def text(self, name: str) -> str:
        """Return the first text of this name, or an empty one."""
        return next(iter(self.getlist(name)), "")

    def given(self, *names: str) -> dict[str, str]:
        """Return those of these fields that are filled in."""
        return {name: self.text(name) for name in names if self.text(name).strip()}


class AnyQuery(LazyModel, extra="ignore"):
    """A query without unknown fields; every field has a default, used if a value does not fit."""


class OpenedQuery(AnyQuery):
    """`cursor`: only what is older than this one. `did`: the last action, for a message."""

    cursor: UUID | None = None
    did: str = ""


class TypedQuery(AnyQuery, extra="allow"):
    """Filters as they were typed: an error is shown beside its field."""

    did: str = ""  # the last action, for a message

    def texts(self, *names: str) -> dict[str, str]:
        """Return those of these filters that are filled in."""
        given = {name: str(text).strip() for name, text in (self.model_extra or {}).items()}
        return {name: given[name] for name in names if given.get(name)}


def index_of(text: str) -> int | None:
    """Return the number that a field has, or None."""
    return int(text) if text.isdecimal() and len(text) < 5 else None


def answer_in(form: Form, name: str) -> list[int] | str:
    """Return the answer to a question: what was typed, or the indexes of options or of lines.

    Lines are fields with positions. A position without a line of its own has INCOMPLETE.
    """
    if f"{name}.text" in form:
        return form.text(f"{name}.text").strip()
    lines = [number for number in range(MOST_LINES) if f"{name}.{number}" in form]
    if lines:
        order = [INCOMPLETE] * len(lines)
        for number in lines:
            if 0 < (place := index_of(form.text(f"{name}.{number}")) or 0) <= len(lines):
                order[place - 1] = number
        return order if set(order) != {INCOMPLETE} else []
    return [at for text in form.getlist(name) if (at := index_of(text)) is not None]


def wants_page(request: Request) -> bool:
    return not request.scope["path"].startswith("/api/") and bool(
        ACCEPTED.search(request.headers.get("accept", ""))
    )


def is_part(request: Request) -> bool:
    """Whether the response replaces a part of the page, by htmx."""
    return "hx-request" in request.headers


def filled(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return the model of a form's texts. Raises Invalid, with the names of the fields."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            "Some fields are not valid.",
            fields=field_errors(error, prefix="/", document=dict(values)),
        ) from None


def see_other(path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Redirect to a page of ours, by GET."""
    return Response(status_code=303, headers={**(headers or {}), "Location": quoted_url(path)})


def login_path(request: Request) -> str:
    """Return the path of the login page, which leads back to this one."""
    path = path_and_query(request)
    return "/login" if path == "/" else "/login?" + urlencode({"next": path})


def page_of(request: Request) -> str:
    """Return the path of the nearest page, at the request's path or above, percent-encoded."""
    router: IndexedRouter = request.app.router
    path = "/".join(request.scope["path"].split("/")[: router.most_slashes + 1])
    while path and "GET" not in router.methods(request.scope, path):
        path = path.rpartition("/")[0]
    return quoted_path(path) or "/"


def local_path(path: str) -> str:
    """Return the path if it leads to a page of ours, and else that of the first page.

    Browsers read a backslash as a slash.
    """
    return path if LOCAL_PATH.fullmatch(path) else "/"


def form_key(call: Call[Form | FileForm], content: bytes) -> IdempotencyKey | None:
    """Return the key of a form with this content, or None if the form has no name."""
    if not (form := call.body.text("form")):
        return None
    key = f"form {form[:100]} {hashlib.sha256(content).hexdigest()}"
    return idempotency.make_key(key, call.owner, call.request, content)


def create_once(
    call: Call[Form | FileForm],
    content: bytes,
    read: Callable[[], Document],
    make: Callable[[Document], RoadmapSummary],
) -> Response:
    """Redirect to the roadmap that is made of the document, once for the same form.

    The document is read before the transaction that makes the roadmap, as reads inside of one
    need not be of one moment. Raises what these functions do, and KeyInUse when the first form
    takes too long.
    """
    named = form_key(call, content)
    with idempotency.one_at_a_time(named, patience=PATIENCE):
        if named is not None and (earlier := idempotency.find(named)) is not None:
            return earlier  # the document may be gone by now
        document = read()
        with transaction():
            if named is not None and (earlier := idempotency.begin(named)) is not None:
                return earlier
            response = see_other(f"/roadmaps/{make(document).id}")
            return response if named is None else idempotency.store(named, response)
