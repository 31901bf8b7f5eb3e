"""Pages of the site itself: API reference, problem types, static files, and the choice of look."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response

from core.db import settings
from core.errors import NotFound
from core.i18n import LANGUAGES
from web.http.host_and_csrf import own_address
from web.http.problems import TYPES, problem_type
from web.http.response_cache import DocumentSource
from web.http.responses import conditional_response, takes_gzip
from web.pages import openapi_view, static_files
from web.pages.forms import local_path, see_other
from web.pages.lazy import prose
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import COOKIE_PREFIX, THEMES, public_page

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".zip": "application/zip",
}
A_YEAR = 365 * 24 * 3600  # seconds
IMMUTABLE = f"public, max-age={A_YEAR}, immutable"
# The policy of the worker alone: it compiles WebAssembly, and reaches no network.
WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"


def docs_page(call: PageCall) -> Response:
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


def chapter_page(call: PageCall) -> Response:
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


def problem_types_page(call: PageCall) -> Response:
    kinds = sorted(TYPES.values(), key=attrgetter("status"))
    return _page(
        call,
        "problem_types.html",
        "/problems",
        lambda: {"problems": [(kind, prose(kind.meaning)) for kind in kinds]},
    )


def problem_type_page(call: PageCall) -> Response:
    kind = problem_type(call.ids["slug"])
    return _page(
        call,
        "problem_type.html",
        kind.uri,
        lambda: {"kind": kind, "meaning": prose(kind.meaning), "remedy": prose(kind.remedy)},
    )


def change_preferences(call: PageCall) -> Response:
    answer = see_other(local_path(call.body.text("next")))
    for name, allowed in (("language", LANGUAGES), ("theme", THEMES)):
        value = call.body.text(name)
        if value in allowed:
            answer.set_cookie(
                COOKIE_PREFIX + name,
                value,
                max_age=A_YEAR,
                secure=not settings.embedded,
                httponly=True,
                samesite="lax",
            )
    return answer


async def serve(call: PageCall) -> Response:
    name, request = call.ids["file"], call.request
    if name not in static_files.files():
        raise NotFound("This file does not exist.")
    file = static_files.files()[name]
    is_named = request.query_params.get("v") == static_files.version_of(file.tag)
    headers = {
        "Cache-Control": IMMUTABLE if is_named else "no-cache",
        # Of the service worker, which asks for what it keeps.
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
        "Service-Worker-Allowed": "/",
    }
    return conditional_response(request, file, MEDIA_TYPES[Path(name).suffix], headers)


async def serve_run(call: PageCall) -> Response:
    """Return a file of `static_files.run_folder`, from the disk."""
    name, request = call.ids["file"], call.request
    path = static_files.WORKER if name == static_files.WORKER.name else static_files.BROUGHT / name
    media_type = MEDIA_TYPES.get(path.suffix)
    if (
        request.url.path != static_files.run_folder() + name
        or media_type is None
        or not path.is_file()
    ):
        raise NotFound("This file does not exist.")
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
    if path == static_files.WORKER:
        headers["Content-Security-Policy"] = WORKER_POLICY
    packed = path.with_name(f"{name}.gz")
    if packed.is_file() and takes_gzip(request):
        path, headers["Content-Encoding"] = packed, "gzip"
    return FileResponse(path, headers=headers, media_type=media_type)


def _page(
    call: PageCall, template: str, path: str, context: Callable[[], Mapping[str, Any]]
) -> Response:
    """Return a page that depends on the origin of the service, and on nothing else."""
    origin = own_address(call.request)
    source = DocumentSource(origin.encode, lambda: origin, is_stored=False)
    return public_page(
        call.request, template, path, source, lambda origin: {**context(), "origin": origin}
    )


PAGES = (
    PageRoute("GET", "/docs", docs_page, public=True),
    PageRoute("GET", "/docs/{tag}", chapter_page, public=True),
    PageRoute("GET", "/problems", problem_types_page, public=True),
    PageRoute("GET", "/problems/{slug}", problem_type_page, public=True),
    PageRoute("POST", "/look", change_preferences, public=True),
    PageRoute("GET", "/static/{file}", serve, public=True, unlimited=True),
    PageRoute("GET", "/static/run/{digest}/{file}", serve_run, public=True, unlimited=True),
)
