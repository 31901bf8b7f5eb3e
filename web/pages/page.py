"""A row of the table of pages: what a browser sends and what it gets, on top of what every route does."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import anyio
import anyio.to_thread
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import Invalid, Malformed, Unavailable, Unsupported
from roadmap.formats import LARGEST
from web.endpoint import Endpoint
from web.large_bodies import LargeBody
from web.pages import upload
from web.parsing import field_errors, read_body
from web.request import IndexedRequest
from web.routing import IndexedRouter
from web.urls import is_too_long, path_and_query, quoted_path, quoted_url

MOST_FIELDS = 1000
LONGEST_IN_LOOP = 16 * 1024  # bytes of a form; 256 KiB of percent signs take 40 ms to decode
_form_threads = anyio.CapacityLimiter(
    1
)  # strangers send forms, too: they keep no thread of a handler busy
MOST_FORMS = 20  # of such a size that wait

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


@dataclass(frozen=True)
class Page(Endpoint):
    """A route for browsers; a POST brings a form.

    `for_programs` answers clients that want no page.
    """

    summary: str = ""  # no description lists pages
    response: None = None
    query: type[BaseModel] = AnyQuery
    for_programs: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.for_programs is not None and not wants_page(IndexedRequest(scope)):
            await self.for_programs(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        """Return the query, with defaults for wrong values, and the form of a POST.

        Raises Unsupported, TooLarge, TooSlow, Malformed.
        """
        query = self.query()
        if not is_too_long(request):
            given = dict(reversed(request.query_params.multi_items()))  # the first of each name
            with suppress(ValidationError):
                query = self.query.model_validate(given)
        return query, await _form(request) if self.method == "POST" else None

    def parse(self, sent: Any) -> Any:
        return sent


class UploadPage(LargeBody, Page):
    """A form with a file in it, which may be large."""

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        return self.query(), await upload.received(request, LARGEST)

    def parse(self, sent: upload.Sent) -> upload.FileForm:
        assert self.body is not None
        return upload.understood(self.body, sent)

    def document_of(self, sent: upload.Sent) -> bytes:
        return sent.content


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


async def _form(request: Request) -> Form:
    """Raises Unsupported, TooLarge, TooSlow, Malformed."""
    if "content-type" not in request.headers and not await read_body(request, 0):
        return Form()  # of a form without fields
    if (
        request.headers.get("content-type", "").split(";")[0].strip().lower()
        != "application/x-www-form-urlencoded"
    ):
        raise Unsupported(
            "The body must be sent as Content-Type: application/x-www-form-urlencoded."
        )
    content = await read_body(request)
    if len(content) <= LONGEST_IN_LOOP:
        return _parsed(content)
    if _form_threads.statistics().tasks_waiting >= MOST_FORMS:
        raise Unavailable("Too many large forms at once. Try again.", retry_after=5)
    return await anyio.to_thread.run_sync(_parsed, content, limiter=_form_threads)


def _parsed(content: bytes) -> Form:
    """Raises Malformed."""
    try:
        return Form(
            parse_qsl(
                content.decode(),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MOST_FIELDS,
            )
        )
    except ValueError:  # of which UnicodeDecodeError is one
        raise Malformed("The body is not a form in UTF-8, or it has too many fields.") from None
