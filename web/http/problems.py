"""Problem documents (RFC 9457) and their types.

`web/endpoints/errors.py` responds with them, `/problems/{slug}` explains the types, and the OpenAPI
document names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    Invalid,
    KeyInUse,
    KeyReused,
    Malformed,
    NotFound,
    PreconditionFailed,
    RateLimited,
    RoadmapError,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unsupported,
    required,
)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """Type of problem. Programs decide by its `slug`, which never changes."""

    status: int
    slug: str
    title: str
    meaning: str
    remedy: str

    @property
    def uri(self) -> str:
        """Return the path of its explanation."""
        return f"/problems/{self.slug}"


PROBLEMS: dict[type[RoadmapError], ProblemType] = {
    Malformed: ProblemType(
        400,
        "malformed",
        "Malformed request",
        "The body does not match its content type or is ambiguous, or the request is not "
        "valid HTTP.",
        "Send complete JSON in UTF-8, without duplicate names in an object, in a request "
        "that follows RFC 9112.",
    ),
    Unauthenticated: ProblemType(
        401,
        "unauthenticated",
        "Authentication required",
        "The token is missing, invalid, expired or revoked, or a password is wrong.",
        "Log in, or send an API key: `Authorization: Bearer <token>`.",
    ),
    Forbidden: ProblemType(
        403,
        "forbidden",
        "Forbidden",
        "A scope, a role, an invitation or a login is missing, or the request comes from a "
        "web page of another origin or names an unknown host.",
        "`detail` names what is missing. Use a key with that scope, or ask the administrator.",
    ),
    NotFound: ProblemType(
        404,
        "not-found",
        "Not found",
        "The resource does not exist, or it belongs to another account.",
        "Check the path, also for a trailing slash. `errors` names a part of the path that "
        "is not a valid ID. `/docs` lists all paths.",
    ),
    TooSlow: ProblemType(
        408,
        "too-slow",
        "Request timeout",
        "The body did not arrive within 30 seconds.",
        "Send the request again over a faster connection.",
    ),
    Conflict: ProblemType(
        409,
        "conflict",
        "Conflict",
        "The current state of the resource does not allow this, the resource has changed "
        "since you read it, or a maximum number is reached.",
        "Read the resource again, then decide whether to repeat the request.",
    ),
    KeyInUse: ProblemType(
        409,
        "idempotency-key-in-use",
        "Idempotency key in use",
        "Another request with the same Idempotency-Key is still being processed.",
        "Wait `Retry-After` seconds and send the same request again: you get the response "
        "to the first one.",
    ),
    Gone: ProblemType(
        410,
        "gone",
        "Gone",
        "The link was revoked or has expired, or its roadmap was deleted.",
        "Ask the owner of the roadmap for a new link.",
    ),
    PreconditionFailed: ProblemType(
        412,
        "precondition-failed",
        "Precondition failed",
        "The ETag in `If-Match` is not the current one: the resource has changed since you "
        "read it.",
        "Read the resource again, then decide whether your change still applies.",
    ),
    TooLarge: ProblemType(
        413,
        "too-large",
        "Content too large",
        "The body is larger than the limit.",
        "Send a smaller body; `detail` gives the limit.",
    ),
    Unsupported: ProblemType(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "The content type of the body is not supported, or the body is compressed.",
        "Send `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    Invalid: ProblemType(
        422,
        "invalid",
        "Invalid request",
        "The request is well-formed, but some of its values are not valid.",
        "`errors` lists each invalid value by JSON pointer or parameter name, with the "
        "rule. Correct these values and send the request again.",
    ),
    KeyReused: ProblemType(
        422,
        "idempotency-key-reused",
        "Idempotency key reused",
        "The Idempotency-Key was used for a different request within the last 24 hours.",
        "Use a new key for each new request, and repeat a request without changes.",
    ),
    RateLimited: ProblemType(
        429,
        "too-many-requests",
        "Rate limit exceeded",
        "A limit on requests in a period, or on concurrent requests, is reached. Nothing "
        "was changed.",
        "Retry after `Retry-After` seconds. `RateLimit` gives the remaining quota.",
    ),
    Unavailable: ProblemType(
        503,
        "unavailable",
        "Service unavailable",
        "A dependency is unavailable or full. Nothing was changed.",
        "Send the same request again after `Retry-After` seconds. With an Idempotency-Key "
        "this is safe even if a response was lost.",
    ),
}
NOT_A_METHOD = ProblemType(
    405,
    "method-not-allowed",
    "Method not allowed",
    "The resource does not support this method.",
    "`Allow` lists the supported methods.",
)
INTERNAL = ProblemType(
    500,
    "internal",
    "Internal server error",
    "An unexpected error in the service. Its changes were rolled back.",
    "Try again. If the error persists, send the `request_id` to the operator, who finds "
    "the details in the log.",
)
TYPES = {problem.slug: problem for problem in (*PROBLEMS.values(), NOT_A_METHOD, INTERNAL)}


def problem_type(slug: str) -> ProblemType:
    """Raises NotFound."""
    return required(TYPES.get(slug), "This problem type does not exist.")


class Wrong(BaseModel):
    """An invalid value.

    Either a field of the body, by JSON pointer (RFC 6901), or a parameter of the query, the path or
    a header.
    """

    pointer: str | None = Field(
        None, description="JSON pointer to a field of the body.", examples=["#/goal"]
    )
    parameter: str | None = Field(
        None, description="Name of a query parameter, path parameter or header."
    )
    detail: str = Field(
        description="The rule that is violated.", examples=["should have at least 2 characters"]
    )


class NearRoadmap(BaseModel):
    """A built-in roadmap that has a part of the goal. Send its title as the goal to get it."""

    id: str = Field(description="Name of the track.", examples=["devops"])
    title: str = Field(description="Title.", examples=["DevOps engineer"])
    has: list[str] = Field(description="Words of the goal that it covers.", examples=[["Git"]])
    lacks: list[str] = Field(description="Words of the goal that it does not cover.")


class Problem(BaseModel):
    """Problem details (RFC 9457).

    Clients decide by `type`. Its URL explains the type.
    """

    type: str = Field(
        description="Problem type. Clients decide by it.", examples=["/problems/invalid"]
    )
    title: str = Field(description="Short text for the type.", examples=["Invalid request"])
    status: int = Field(description="HTTP status code.", examples=[422])
    detail: str = Field(
        description="Explanation of this occurrence, and what to do.",
        examples=["Some fields are not valid."],
    )
    errors: list[Wrong] | None = Field(None, description="Each invalid value.")
    nearest: list[NearRoadmap] | None = Field(
        None, description="For a goal without a built-in roadmap: those closest to it, best first."
    )
    chat_prompt: str | None = Field(
        None, description="For such a goal: a prompt for any chat, whose answer can be imported."
    )
    outline: str | None = Field(
        None, description="For such a goal: an outline in lines, to be filled in and imported."
    )
    request_id: str | None = Field(
        None, description="Identifies the request in the log.", examples=["9f86d081884c7d65"]
    )


def problem(
    request: Request,
    kind: ProblemType,
    detail: str,
    fields: tuple[FieldError, ...] = (),
    members: Mapping[str, Any] | None = None,
) -> Response:
    request_id = request.scope.get("state", {}).get("request_id")
    document = Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[field_problems(field) for field in fields] or None,
        request_id=request_id,
        **members or {},
    )
    content = document.model_dump_json(exclude_none=True)
    response = Response(content, kind.status, media_type=MEDIA_TYPE)
    if request_id:  # the response to an unexpected error bypasses the middleware
        response.headers["X-Request-ID"] = request_id
    return response


def status_of(error: RoadmapError) -> int:
    return problem_kind(error).status


def problem_kind(error: RoadmapError) -> ProblemType:
    """Return the type of the error's class, or of the nearest class above."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def field_problems(field: FieldError) -> Wrong:
    if field.pointer.startswith("?"):
        return Wrong(parameter=field.pointer[1:], detail=field.detail)
    return Wrong(pointer="#" + field.pointer, detail=field.detail)
