"""What programmers read: the description of the API, chapter by chapter, and what its problems mean."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from core.db import settings
from web.call import Call
from web.http.host_and_csrf import own_address
from web.http.problems import TYPES, ProblemType, problem_type
from web.http.response_cache import DocumentSource
from web.pages import openapi_view
from web.pages.lazy import prose
from web.pages.templates import public_page


def show(call: Call) -> Response:
    """Whoever asks gets the page, also a program: the description for those is /openapi.json."""
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


def show_chapter(call: Call) -> Response:
    chapter = openapi_view.chapter(call.ids["tag"])
    return _page(
        call,
        "chapter.html",
        f"/docs/{call.ids['tag']}",
        lambda: {
            "chapter": chapter,
            "chapters": openapi_view.chapters(),
            "operations": openapi_view.operations(chapter.name),
            "with_token": not settings.embedded,
        },
    )


def list_problem_types(call: Call) -> Response:
    return _page(call, "problem_types.html", "/problems", lambda: {"problems": _problems()})


def _problems() -> list[tuple[ProblemType, Markup]]:
    """Each with what it means, as a page shows it."""
    return [
        (kind, prose(kind.meaning)) for kind in sorted(TYPES.values(), key=attrgetter("status"))
    ]


def show_problem_type(call: Call) -> Response:
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
    """It changes with the name that the service is called by, and with nothing else."""
    origin = own_address(call.request)
    source = DocumentSource(origin.encode, lambda: origin, is_stored=False)
    return public_page(
        call.request, template, path, source, lambda origin: {**context(), "origin": origin}
    )
