"""Forms and redirects of the pages."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Invalid
from web.http.request_body import field_errors
from web.http.routing import IndexedRouter
from web.http.urls import path_and_query, quoted_path, quoted_url

LOCAL_PATH = re.compile(r"/(?![/\\])[!-~]{0,500}")
ACCEPTED = re.compile(
    r"(?:^|,)\s*text/html\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?=,|$)", re.IGNORECASE
)
Model = TypeVar("Model", bound=BaseModel)


class Form:
    """The fields of a form as a browser sends them: names and texts."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = defaultdict(list)
        for name, text in pairs:
            self._values[name].append(text)

    def text(self, name: str) -> str:
        """The first of this name; empty when there is none."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def given(self, *names: str) -> dict[str, str]:
        """What was filled in of these."""
        return {name: self.text(name) for name in names if self.text(name).strip()}


class AnyQuery(BaseModel):
    """What others add to a link does not matter. Every field has a default, which takes the place of what does not fit."""

    model_config = {"extra": "ignore"}


def wants_page(request: Request) -> bool:
    """Whether the answer is for a person who looks at it."""
    return not request.scope["path"].startswith("/api/") and bool(
        ACCEPTED.search(request.headers.get("accept", ""))
    )


def is_part(request: Request) -> bool:
    """Whether the answer becomes a part of the page that is there already."""
    return "hx-request" in request.headers


def filled(model: type[Model], values: Mapping[str, Any]) -> Model:
    """A form's texts as what they mean. Raises Invalid, with the names of the fields."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            "Some fields do not fit.", fields=field_errors(error, prefix="/", document=dict(values))
        ) from None


def see_other(path: str, headers: Mapping[str, str] | None = None) -> Response:
    """To a page of ours, by GET."""
    return Response(status_code=303, headers={**(headers or {}), "Location": quoted_url(path)})


def login_path(request: Request) -> str:
    """Of the page where one logs in, and from there comes back to this one."""
    path = path_and_query(request)
    return "/login" if path == "/" else "/login?" + urlencode({"next": path})


def page_of(request: Request) -> str:
    """The path of the page on which it was asked for: the nearest one, at its own path or above, that can be looked at.
    Percent-encoded.
    """
    router: IndexedRouter = request.app.router
    path = "/".join(request.scope["path"].split("/")[: router.most_slashes + 1])
    while path and "GET" not in router.methods(request.scope, path):
        path = path.rpartition("/")[0]
    return quoted_path(path) or "/"


def local_path(path: str) -> str:
    """The same when it leads to a page of ours; otherwise to the first one. Browsers read a backslash as a slash."""
    return path if LOCAL_PATH.fullmatch(path) else "/"
