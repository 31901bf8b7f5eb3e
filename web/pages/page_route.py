"""Routes for browsers: forms in, pages out."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from core.errors import Malformed, Unavailable, Unsupported
from roadmap.accounts.identity import Principal
from roadmap.plan.format_version import LARGEST_DOCUMENT
from web.endpoints.call import Call, Query_co
from web.endpoints.endpoint import Endpoint, LargeBody
from web.http.request_body import is_small_document, read_body
from web.http.urls import is_too_long
from web.pages import upload
from web.pages.forms import AnyQuery, Form, wants_page

MOST_FIELDS = 1000
LONGEST_IN_LOOP = 16 * 1024  # bytes of a form; 256 KiB of percent signs take 40 ms to decode
_form_threads = anyio.CapacityLimiter(1)  # apart from handlers: forms come from anybody
MOST_FORMS = 20  # larger ones, that wait

PAGE = "/roadmaps/{roadmap_id}"
LESSON = PAGE + "/concepts/{concept_id}"
PageCall = Call[Form, Query_co]  # with an empty form for a GET


@dataclass(frozen=True)
class PageRoute(Endpoint):
    """A route for browsers; a POST brings a form.

    `for_programs` answers clients that want no page.
    """

    summary: str = ""  # no description lists pages
    query: type[BaseModel] = AnyQuery
    for_programs: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.for_programs is not None and not wants_page(Request(scope)):
            await self.for_programs(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        """Return the query, with defaults for wrong values, and the form of a POST.

        Raises Unsupported, TooLarge, TooSlow, Malformed.
        """
        query = self.read_query(request)
        if self.method != "POST":
            return query, Form()
        if "content-type" not in request.headers and not await read_body(request, 0):
            return query, Form()  # without fields
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type != "application/x-www-form-urlencoded":
            raise Unsupported(
                "The content type is not supported. Send the form as Content-Type: "
                "application/x-www-form-urlencoded."
            )
        content = await read_body(request)
        if len(content) <= LONGEST_IN_LOOP:
            return query, _parsed(content)
        if _form_threads.statistics().tasks_waiting >= MOST_FORMS:
            raise Unavailable(
                "Too many large forms are being processed. Try again later.", retry_after=5
            )
        return query, await anyio.to_thread.run_sync(_parsed, content, limiter=_form_threads)

    def read_query(self, request: Request) -> BaseModel:
        query = self.query()
        if not is_too_long(request):
            given = dict(reversed(request.query_params.multi_items()))  # the first of each name
            with suppress(ValidationError):
                query = self.query.model_validate(given)
        return query

    async def parse(self, caller: Principal, sent: Any) -> Any:
        return sent


class UploadPage(LargeBody, PageRoute):
    """A form with a file in it, which may be large."""

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        return self.read_query(request), await upload.receive_upload(request, LARGEST_DOCUMENT)

    async def parse(
        self, caller: Principal, sent: tuple[str, bytes] | upload.FileForm
    ) -> upload.FileForm:
        if isinstance(sent, upload.FileForm):
            return sent
        assert self.body is not None
        content_type, content = sent
        parse = partial(upload.parse_upload, self.body, content_type)
        return await self.process(caller, parse, content, is_small=is_small_document(content))


def _parsed(content: bytes) -> Form:
    """Return the form in a body. Raises Malformed."""
    try:
        pairs = parse_qsl(
            content.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:  # of which UnicodeDecodeError is one
        raise Malformed(
            "The body is not a form in UTF-8, or it has too many fields. "
            "Reload the page and send the form again."
        ) from None
    return Form(pairs)
