"""Responses to errors: problem documents (RFC 9457) for programs, pages for people."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.db import settings
from core.errors import Malformed, NotFound, RateLimited, RoadmapError
from web.auth.authentication import count_once
from web.http.concurrency import in_public_thread
from web.http.host_and_csrf import address_of
from web.http.limits import is_of_account
from web.http.middleware import ErrorHandler, IndexedRouter
from web.http.problems import INTERNAL, NOT_A_METHOD, PROBLEMS, problem, problem_kind
from web.http.rate_limiter import Limit, Limiter
from web.http.security_log import log_refusal
from web.http.urls import quoted_path, shorten
from web.pages.error_messages import problem_page
from web.pages.forms import is_part, login_path, page_of, see_other, wants_page

logger = logging.getLogger(__name__)
OPTIONS = "OPTIONS"
# Requests that failed unexpectedly and are logged in a minute, each in a line
FAILURES = Limit("failures", 300, 60)
TRACEBACKS = Limit("tracebacks", 10, 60)  # of one place
_unexpected_errors = Limiter()


async def answer_expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadmapError)
    return await _respond(request, _expected, _count(request) or error)


async def answer_http(request: Request, error: Exception) -> Response:
    """Respond to Starlette's own errors: no such route, no such method."""
    if (refused := _count(request)) is not None:
        return await _respond(request, _expected, refused)
    return await _respond(request, _http, error)


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Log the details of an unexpected error, and respond with the request ID.

    Tracebacks are limited by the place where an error was raised, so that one fault does not keep
    another's out of the log. The path is logged without the token of a share link.
    """
    request_id = request.scope.get("state", {}).get("request_id")
    if _unexpected_errors.hit(FAILURES, "") == 0:
        lines = list(traceback.walk_tb(error.__traceback__))
        frame, line = lines[-1] if lines else (None, 0)
        name = Path(frame.f_code.co_filename).name if frame is not None else "nowhere"
        place = f"{type(error).__name__} at {name}:{line}"
        token, path = request.path_params.get("token"), request.scope["path"]
        path = shorten(path.replace(token, "{token}") if token else path)
        traced = error if _unexpected_errors.hit(TRACEBACKS, place) == 0 else None
        logger.error(
            "request %s failed: %s %r: %s", request_id, request.method, path, place, exc_info=traced
        )
    if not wants_page(request):
        detail = "Unexpected error. The request ID identifies it in the log."
        return problem(request, INTERNAL, detail)
    return await _respond(request, lambda _, known: problem_page(request, 500, known), error)


async def answer_disconnect(request: Request, error: Exception) -> Response:
    """Respond although the client went away while its body was read."""
    return problem(
        request,
        PROBLEMS[Malformed],
        "The client closed the connection before the body was complete.",
    )


HANDLERS: dict[type[Exception], ErrorHandler] = {
    RoadmapError: answer_expected,
    HTTPException: answer_http,
    ClientDisconnect: answer_disconnect,
    Exception: answer_unexpected,
}


def _count(request: Request) -> RoadmapError | None:
    """Count the request unless it has been counted; return the refusal if it is one too many."""
    try:
        count_once(request)
    except RateLimited as refused:
        return refused
    return None


async def _respond(
    request: Request, make: Callable[[Request, Any], Response], error: Exception
) -> Response:
    """Make the response, pages in a thread; a document if the queue for threads is full."""
    if not wants_page(request):
        return make(request, error)
    try:
        if settings.embedded or is_of_account(request):
            return await run_in_threadpool(make, request, error)
        return await in_public_thread(address_of(request), make, request, error)
    except RoadmapError as full:
        return _refused(request, full)


def _expected(request: Request, error: RoadmapError) -> Response:
    status = problem_kind(error).status
    is_page = wants_page(request)
    if status == 401 and request.method in ("GET", "HEAD") and is_page and not is_part(request):
        return see_other(login_path(request))
    if status in (401, 403, 429):
        log_refusal(request, status)
    return _refused(request, error, problem_page(request, status, error) if is_page else None)


def _refused(request: Request, error: RoadmapError, page: Response | None = None) -> Response:
    """Return the page, or else a document, with the headers that belong to the error."""
    kind = problem_kind(error)
    response = page or problem(request, kind, error.detail, error.fields, error.members)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if kind.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if kind.status == 408:  # the next bytes would be the rest of this body
        response.headers["Connection"] = "close"
    return response


def _http(request: Request, error: HTTPException) -> Response:
    """Respond to an unknown path or method, and to OPTIONS, which is no error."""
    path, is_method = request.scope["path"], error.status_code == 405
    allowed = ", ".join(sorted(_methods(request, path)))
    if is_method and request.method == OPTIONS:
        return Response(status_code=204, headers={"Allow": allowed})
    if wants_page(request):
        if is_method and request.method in ("GET", "HEAD"):  # the address of a form, opened again
            return see_other(page_of(request))
        response = problem_page(request, error.status_code, error)
    else:
        shown, without = shorten(quoted_path(path)), path.rstrip("/")
        if allowed != OPTIONS:
            detail = f"{shown} does not support {request.method}. Supported methods: {allowed}."
        elif without != path and _methods(request, without) != {OPTIONS}:
            detail = f"{shown} does not exist. Remove the trailing slash."
        else:
            detail = f"{shown} does not exist. GET /docs lists all paths."
        response = problem(request, NOT_A_METHOD if is_method else PROBLEMS[NotFound], detail)
    if is_method:
        response.headers["Allow"] = allowed
    return response


def _methods(request: Request, path: str) -> set[str]:
    router: IndexedRouter = request.app.router
    return router.methods(request.scope, path) | {OPTIONS}
