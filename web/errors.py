"""One table: error type -> status and problem. Handlers raise; only this file answers: programs by RFC 9457, people by a page."""

import json
import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    RoadmapError,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from web.middleware import CAREFUL
from web.noting import note_refusal
from web.pages.page import is_part, login_path, page_of, see_other, wants_page
from web.pages.problems import problem_page

logger = logging.getLogger(__name__)

PROBLEMS: dict[type[RoadmapError], tuple[int, str, str]] = {
    Malformed: (400, "malformed", "The body cannot be read"),
    Unauthenticated: (401, "unauthenticated", "Who are you?"),
    Forbidden: (403, "forbidden", "This is not allowed"),
    NotFound: (404, "not-found", "There is no such thing"),
    TooSlow: (408, "too-slow", "The body came too slowly"),
    Conflict: (409, "conflict", "The state does not allow this"),
    TooLarge: (413, "too-large", "The body is too large"),
    Unsupported: (415, "unsupported-media-type", "The content type is not supported"),
    Invalid: (422, "invalid", "Some input does not fit"),
    TooMany: (429, "too-many-requests", "That was too much"),
    Unavailable: (503, "unavailable", "Not possible at the moment"),
}
HTTP_PROBLEMS = {404: ("not-found", "There is no such page"), 405: ("method-not-allowed", "The method does not exist here")}


def problem(request: Request, status: int, slug: str, title: str, detail: str, **more: Any) -> Response:
    """A problem document; `type` is relative to this service."""
    document = {"type": f"/problems/{slug}", "title": title, "status": status, "detail": detail, **more}
    request_id = request.scope.get("state", {}).get("request_id")
    if request_id:
        document["request_id"] = request_id
    response = Response(json.dumps(document), status, media_type="application/problem+json")
    if request_id:  # the answer to an unexpected error passes by the middleware that sets it otherwise
        response.headers["X-Request-ID"] = request_id
    return response


def status_of(error: RoadmapError) -> int:
    return PROBLEMS[type(error)][0]


def answer_expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadmapError)
    status, slug, title = PROBLEMS[type(error)]
    if status == 401 and request.method in ("GET", "HEAD") and wants_page(request) and not is_part(request):
        return see_other(login_path(request))
    if status in (401, 403, 429):
        note_refusal(request, status)
    more = {"errors": [_field(field) for field in error.fields]} if error.fields else {}
    if wants_page(request):
        response = problem_page(request, status, error)
    else:
        response = problem(request, status, slug, title, error.detail, **more)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, no such method."""
    assert isinstance(error, HTTPException)
    slug, title = HTTP_PROBLEMS.get(error.status_code, ("error", "The request cannot be answered"))
    detail = f"{request.method} {request.url.path} is not part of this service."
    if wants_page(request):
        if error.status_code == 405 and request.method in ("GET", "HEAD"):  # the address of a form that was sent, opened again
            return see_other(page_of(request))
        response = problem_page(request, error.status_code, error)
    else:
        response = problem(request, error.status_code, slug, title, detail)
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def answer_unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours: the details go to the log, the request id to the caller."""
    request_id = request.scope.get("state", {}).get("request_id")
    logger.error("request %s failed: %s %r", request_id, request.method, request.url.path, exc_info=error)
    if wants_page(request):
        response = problem_page(request, 500, error)
        response.headers["X-Request-ID"] = request_id or ""
    else:
        detail = "An unexpected error; the request id finds it in the log."
        response = problem(request, 500, "internal", "Something went wrong", detail)
    for name, value in CAREFUL.items():  # it passes by the middleware that sets them otherwise
        response.headers.setdefault(name, value)
    return response


def answer_nobody(request: Request, error: Exception) -> Response:
    """The client went away while its body was read."""
    return problem(request, 400, "malformed", "The body cannot be read", "The connection was closed too early.")


HANDLERS: dict[Any, Any] = {
    RoadmapError: answer_expected,
    HTTPException: answer_http,
    ClientDisconnect: answer_nobody,
    Exception: answer_unexpected,
}


def _field(field: FieldError) -> dict[str, str]:
    """A parameter of the request, or a JSON pointer (RFC 6901) as a fragment."""
    key, value = ("parameter", field.pointer[1:]) if field.pointer.startswith("?") else ("pointer", "#" + field.pointer)
    return {key: value, "detail": field.detail}


def _methods(request: Request) -> set[str]:
    """Every method of this path; Starlette names those of one route only."""
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in matching for method in route.methods}
