"""Handlers raise; only this file answers: programs by a problem document (RFC 9457), people by a page."""

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
from core.rate_limiter import Limit, Limiter
from web.authentication import count_once
from web.http.concurrency import in_public_thread
from web.http.host_and_csrf import address_of
from web.http.limits import is_of_account
from web.http.middleware import CAREFUL
from web.http.problems import INTERNAL, NOT_A_METHOD, PROBLEMS, problem, problem_kind
from web.http.routing import IndexedRouter
from web.http.security_log import log_refusal
from web.http.urls import quoted_path, shorten
from web.pages.error_messages import problem_page
from web.pages.forms import is_part, login_path, page_of, see_other, wants_page

logger = logging.getLogger(__name__)
OPTIONS = "OPTIONS"
FAILURES = Limit(
    "failures", 300, 60
)  # requests that failed unexpectedly and are written down in a minute, each in a line
TRACEBACKS = Limit("tracebacks", 10, 60)  # of one place
_unexpected_errors = Limiter()


async def answer_expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadmapError)
    return await _answered(request, _expected, _counted(request) or error)


async def answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, no such method."""
    if (refused := _counted(request)) is not None:
        return await _answered(request, _expected, refused)
    return await _answered(request, _http, error)


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours: the details go to the log, the request id to the caller."""
    request_id = request.scope.get("state", {}).get("request_id")
    if _unexpected_errors.hit(FAILURES, "") == 0:
        place = _place_of(error)
        traced = error if _unexpected_errors.hit(TRACEBACKS, place) == 0 else None
        logger.error(
            "request %s failed: %s %r: %s",
            request_id,
            request.method,
            _path_told(request),
            place,
            exc_info=traced,
        )
    return await _answered(request, _unexpected, error)


async def answer_nobody(request: Request, error: Exception) -> Response:
    """The client went away while its body was read."""
    return problem(request, PROBLEMS[Malformed], "The connection was closed too early.")


HANDLERS: dict[
    Any, Any
] = {  # coroutines: Starlette would run functions in the threads for accounts
    RoadmapError: answer_expected,
    HTTPException: answer_http,
    ClientDisconnect: answer_nobody,
    Exception: answer_unexpected,
}


def _counted(request: Request) -> RoadmapError | None:
    """Every request counts, whatever is answered: this one now, unless it has been counted. Returns the refusal when it was one
    too many.
    """
    try:
        count_once(request)
    except RateLimited as refused:
        return refused
    return None


async def _answered(
    request: Request, make: Callable[[Request, Any], Response], error: Exception
) -> Response:
    """A page takes time, and is made in a thread; when the line before those is full, a document takes its place."""
    if not wants_page(request):
        return make(request, error)
    try:
        if settings.embedded or is_of_account(request):
            return await run_in_threadpool(make, request, error)
        return await in_public_thread(address_of(request), make, request, error)
    except RoadmapError as full:
        return _refused(request, full)


def _expected(request: Request, error: RoadmapError) -> Response:
    kind = problem_kind(error)
    if (
        kind.status == 401
        and request.method in ("GET", "HEAD")
        and wants_page(request)
        and not is_part(request)
    ):
        return see_other(login_path(request))
    if kind.status in (401, 403, 429):
        log_refusal(request, kind.status)
    return _refused(
        request, error, problem_page(request, kind.status, error) if wants_page(request) else None
    )


def _refused(request: Request, error: RoadmapError, page: Response | None = None) -> Response:
    """The page, or else a document, with the headers that belong to the error."""
    kind = problem_kind(error)
    response = page or problem(request, kind, error.detail, error.fields)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if kind.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if kind.status == 408:  # what comes behind it would be the rest of this body
        response.headers["Connection"] = "close"
    return response


def _http(request: Request, error: HTTPException) -> Response:
    """What may be asked of a route is no error."""
    allowed = ", ".join(sorted(_methods(request, request.scope["path"])))
    if error.status_code == 405 and request.method == OPTIONS:
        return Response(status_code=204, headers={"Allow": allowed})
    if wants_page(request):
        if error.status_code == 405 and request.method in (
            "GET",
            "HEAD",
        ):  # the address of a form that was sent, opened again
            return see_other(page_of(request))
        response = problem_page(request, error.status_code, error)
    else:
        response = problem(
            request,
            NOT_A_METHOD if error.status_code == 405 else PROBLEMS[NotFound],
            _not_here(request, allowed),
        )
    if error.status_code == 405:
        response.headers["Allow"] = allowed
    return response


def _unexpected(request: Request, error: Exception) -> Response:
    if wants_page(request):
        response = problem_page(request, 500, error)
        response.headers["X-Request-ID"] = request.scope.get("state", {}).get("request_id", "")
    else:
        response = problem(
            request, INTERNAL, "An unexpected error; the request id finds it in the log."
        )
    for name, value in CAREFUL.items():  # it passes by the middleware that sets them otherwise
        response.headers.setdefault(name, value)
    return response


def _place_of(error: Exception) -> str:
    """What was raised where: one fault does not keep another's traceback out of the log."""
    lines = list(traceback.walk_tb(error.__traceback__))
    frame, line = lines[-1] if lines else (None, 0)
    name = Path(frame.f_code.co_filename).name if frame is not None else "nowhere"
    return f"{type(error).__name__} at {name}:{line}"


def _not_here(request: Request, allowed: str) -> str:
    """What was asked for, and what there is instead."""
    path = request.scope["path"]
    asked = f"{request.method} {shorten(quoted_path(path))}"
    if allowed != OPTIONS:
        return f"{asked} is not part of this service; this address takes {allowed}."
    without = path.rstrip("/")
    if without != path and _methods(request, without) != {OPTIONS}:
        return f"{asked} is not part of this service; without the slash at its end it is."
    return f"{asked} is not part of this service. GET /docs tells what is."


def _path_told(request: Request) -> str:
    """Without the token of a link: who reads the log shall not have it."""
    token, path = request.path_params.get("token"), request.scope["path"]
    return shorten(path.replace(token, "{token}") if token else path)


def _methods(request: Request, path: str) -> set[str]:
    """Every method of this path."""
    router: IndexedRouter = request.app.router
    return router.methods(request.scope, path) | {OPTIONS}
