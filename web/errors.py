"""Handlers raise; only this file answers: programs by a problem document (RFC 9457), people by a page."""

import logging
from typing import Any

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from core.errors import FieldError, Malformed, NotFound, RoadmapError
from web.middleware import CAREFUL
from web.noting import note_refusal
from web.pages.page import is_part, login_path, page_of, see_other, wants_page
from web.pages.problems import problem_page
from web.problem_types import INTERNAL, NOT_A_METHOD, PROBLEMS, ProblemType

logger = logging.getLogger(__name__)

OPTIONS = "OPTIONS"
MEDIA_TYPE = "application/problem+json"


class Wrong(BaseModel):
    """One field of the body, by a JSON pointer (RFC 6901) as a fragment, or one parameter of the query, the path or a header."""

    pointer: str | None = Field(None, description="Of a field of the body.", examples=["#/goal"])
    parameter: str | None = Field(None, description="The name of a parameter of the query, the path or a header.")
    detail: str = Field(description="The rule that it breaks.", examples=["should have at least 2 characters"])


class Problem(BaseModel):
    """Problem details (RFC 9457). Programs decide by `type`, which can also be read about at its address."""

    type: str = Field(description="What kind of problem it is.", examples=["/problems/invalid"])
    title: str = Field(description="The same in words.", examples=["Some input does not fit"])
    status: int = Field(description="That of the answer.", examples=[422])
    detail: str = Field(description="What has happened this time.", examples=["Some fields do not fit."])
    errors: list[Wrong] | None = Field(None, description="Each field that is wrong.")
    request_id: str | None = Field(None, description="Finds the request in the log.", examples=["9f86d081884c7d65"])


def problem(request: Request, kind: ProblemType, detail: str, fields: tuple[FieldError, ...] = (), **headers: str) -> Response:
    request_id = request.scope.get("state", {}).get("request_id")
    document = Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[_wrong(field) for field in fields] or None,
        request_id=request_id,
    )
    content = document.model_dump_json(exclude_none=True)
    response = Response(content, kind.status, headers, media_type=MEDIA_TYPE)
    if request_id:  # the answer to an unexpected error passes by the middleware that sets it otherwise
        response.headers["X-Request-ID"] = request_id
    return response


def status_of(error: RoadmapError) -> int:
    return _kind_of(error).status


def answer_expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadmapError)
    kind = _kind_of(error)
    if kind.status == 401 and request.method in ("GET", "HEAD") and wants_page(request) and not is_part(request):
        return see_other(login_path(request))
    if kind.status in (401, 403, 429):
        note_refusal(request, kind.status)
    if wants_page(request):
        response = problem_page(request, kind.status, error)
    else:
        response = problem(request, kind, error.detail, error.fields)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if kind.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if kind.status == 408:  # what comes behind it would be the rest of this body
        response.headers["Connection"] = "close"
    return response


def answer_http(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, no such method. What may be asked of a route is no error."""
    assert isinstance(error, HTTPException)
    allowed = ", ".join(sorted(_methods(request)))
    if error.status_code == 405 and request.method == OPTIONS:
        return Response(status_code=204, headers={"Allow": allowed})
    if wants_page(request):
        if error.status_code == 405 and request.method in ("GET", "HEAD"):  # the address of a form that was sent, opened again
            return see_other(page_of(request))
        response = problem_page(request, error.status_code, error)
    else:
        response = problem(request, NOT_A_METHOD if error.status_code == 405 else PROBLEMS[NotFound], _not_here(request, allowed))
    if error.status_code == 405:
        response.headers["Allow"] = allowed
    return response


def answer_unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours: the details go to the log, the request id to the caller."""
    request_id = request.scope.get("state", {}).get("request_id")
    logger.error("request %s failed: %s %r", request_id, request.method, _path_told(request), exc_info=error)
    if wants_page(request):
        response = problem_page(request, 500, error)
        response.headers["X-Request-ID"] = request_id or ""
    else:
        response = problem(request, INTERNAL, "An unexpected error; the request id finds it in the log.")
    for name, value in CAREFUL.items():  # it passes by the middleware that sets them otherwise
        response.headers.setdefault(name, value)
    return response


def answer_nobody(request: Request, error: Exception) -> Response:
    """The client went away while its body was read."""
    return problem(request, PROBLEMS[Malformed], "The connection was closed too early.")


HANDLERS: dict[Any, Any] = {
    RoadmapError: answer_expected,
    HTTPException: answer_http,
    ClientDisconnect: answer_nobody,
    Exception: answer_unexpected,
}


def _not_here(request: Request, allowed: str) -> str:
    """What was asked for, and what there is instead."""
    asked = f"{request.method} {request.url.path}"
    if allowed != OPTIONS:
        return f"{asked} is not part of this service; this address takes {allowed}."
    without = request.url.path.rstrip("/")
    if without != request.url.path and _methods(request, without) != {OPTIONS}:
        return f"{asked} is not part of this service; without the slash at its end it is."
    return f"{asked} is not part of this service. GET /docs tells what is."


def _kind_of(error: RoadmapError) -> ProblemType:
    """Of its class, or of the nearest above: programs need not tell all of them apart."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def _path_told(request: Request) -> str:
    """Without the token of a link: who reads the log shall not have it."""
    token = request.path_params.get("token")
    return request.url.path.replace(token, "{token}") if token else request.url.path


def _wrong(field: FieldError) -> Wrong:
    if field.pointer.startswith("?"):
        return Wrong(parameter=field.pointer[1:], detail=field.detail)
    return Wrong(pointer="#" + field.pointer, detail=field.detail)


def _methods(request: Request, path: str = "") -> set[str]:
    """Every method of this path; Starlette names those of one route only."""
    asked = {**request.scope, "path": path or request.url.path}
    matching = (route for route in request.app.routes if route.matches(asked)[0] is not Match.NONE)
    return {method for route in matching for method in route.methods} | {OPTIONS}
