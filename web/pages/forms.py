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
from web.http.middleware import IndexedRouter
from web.http.request_body import field_errors
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
        """Return the first text of this name, or an empty one."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def given(self, *names: str) -> dict[str, str]:
        """Return those of these fields that are filled in."""
        return {name: self.text(name) for name in names if self.text(name).strip()}


class AnyQuery(BaseModel):
    """A query without unknown fields; every field has a default, used if a value does not fit."""

    model_config = {"extra": "ignore"}


def wants_page(request: Request) -> bool:
    """Whether the response is for a browser."""
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
            "Some fields do not fit.", fields=field_errors(error, prefix="/", document=dict(values))
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
