"""Pages for programmers: the API reference by chapters, and the problem types."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from starlette.responses import Response

from core.db import settings
from web.endpoints.call import Call
from web.http.host_and_csrf import own_address
from web.http.problems import TYPES, problem_type
from web.http.response_cache import DocumentSource
from web.pages import openapi_view
from web.pages.lazy import prose
from web.pages.templates import public_page


def docs_page(call: Call) -> Response:
    """Return the page, to programs as well: their description is /openapi.json."""
    return _page(
        call,
        "docs.html",
        "/docs",
        lambda: {
            "introduction": openapi_view.introduction(),
            "headers_of_answers": openapi_view.headers(),
            "chapters": openapi_view.chapters(),
        },
    )


def chapter_page(call: Call) -> Response:
    chapter = openapi_view.chapter(call.ids["tag"])
    return _page(
        call,
        "chapter.html",
        f"/docs/{call.ids['tag']}",
        lambda: {
            "chapter": chapter,
            "chapters": openapi_view.chapters(),
            "operations": openapi_view.operations(chapter.name),
            "command": openapi_view.command,
            "with_token": not settings.embedded,
        },
    )


def problem_types_page(call: Call) -> Response:
    kinds = sorted(TYPES.values(), key=attrgetter("status"))
    return _page(
        call,
        "problem_types.html",
        "/problems",
        lambda: {"problems": [(kind, prose(kind.meaning)) for kind in kinds]},
    )


def problem_type_page(call: Call) -> Response:
    kind = problem_type(call.ids["slug"])
    return _page(
        call,
        "problem_type.html",
        kind.uri,
        lambda: {"kind": kind, "meaning": prose(kind.meaning), "remedy": prose(kind.remedy)},
    )


def _page(
    call: Call, template: str, path: str, context: Callable[[], Mapping[str, Any]]
) -> Response:
    """Return a page that depends on the origin of the service, and on nothing else."""
    origin = own_address(call.request)
    source = DocumentSource(origin.encode, lambda: origin, is_stored=False)
    return public_page(
        call.request, template, path, source, lambda origin: {**context(), "origin": origin}
    )
