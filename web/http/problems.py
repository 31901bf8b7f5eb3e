"""Problem documents (RFC 9457) and their types.

`web/errors.py` responds with them, `/problems/{slug}` explains the types, and the OpenAPI document
names them.
"""

from dataclasses import dataclass

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
        "The request cannot be read",
        "The body is not what its content type says or means two things, or the request is not "
        "HTTP as its specification says.",
        "Send JSON in UTF-8, whole, each name once in an object, and a request as RFC 9112 has it.",
    ),
    Unauthenticated: ProblemType(
        401,
        "unauthenticated",
        "Who are you?",
        "There is no token, or one that is not valid, has expired or was ended; or a password is "
        "wrong.",
        "Log in, or send an API key: `Authorization: Bearer <token>`.",
    ),
    Forbidden: ProblemType(
        403,
        "forbidden",
        "This is not allowed",
        "It is known who is calling, and that is not enough: a scope, a rank, an invitation or a "
        "login is missing; or the "
        "request comes from a web page elsewhere or names another host.",
        "Read `detail`: it names what is missing. Use a key with that scope, or ask the "
        "administrator.",
    ),
    NotFound: ProblemType(
        404,
        "not-found",
        "There is no such thing",
        "There is nothing at this address for this caller. What belongs to others does not exist.",
        "Check the address, also for a slash at its end; `errors` names the part of it that "
        "cannot be an id. `/docs` has all "
        "addresses.",
    ),
    TooSlow: ProblemType(
        408,
        "too-slow",
        "The body came too slowly",
        "The body was not there within 30 seconds.",
        "Send it again, on a better connection.",
    ),
    Conflict: ProblemType(
        409,
        "conflict",
        "The state does not allow this",
        "The thing is in a state in which this cannot be done, it has changed since it was read, "
        "or there are as many as there "
        "may be.",
        "Read it again, then decide anew.",
    ),
    KeyInUse: ProblemType(
        409,
        "idempotency-key-in-use",
        "The first request of this key is still being answered",
        "A request with the same Idempotency-Key is under way at this moment.",
        "Wait for `Retry-After` seconds and send the same once more: the answer will be that of "
        "the first.",
    ),
    Gone: ProblemType(
        410,
        "gone",
        "It is not there any more",
        "The link was good once: it was revoked, has expired, or its roadmap was deleted.",
        "Ask whoever gave it to you for another one, and forget this one.",
    ),
    PreconditionFailed: ProblemType(
        412,
        "precondition-failed",
        "It is not what you believe it to be",
        "The ETag that `If-Match` names is not the current one: somebody has changed the thing "
        "since it was read.",
        "Read it again, then decide whether your change still fits.",
    ),
    TooLarge: ProblemType(
        413,
        "too-large",
        "The body is too large",
        "The body has more bytes than are read here.",
        "Send less; `detail` says how much there may be.",
    ),
    Unsupported: ProblemType(
        415,
        "unsupported-media-type",
        "The content type is not supported",
        "The body is of a type that is not read here, or it is compressed.",
        "Send `Content-Type: application/json`, and no `Content-Encoding`.",
    ),
    Invalid: ProblemType(
        422,
        "invalid",
        "Some input does not fit",
        "The request can be read, and something in it breaks a rule.",
        "`errors` has a JSON pointer, or the name of a parameter, and the rule for each. Mend "
        "these and send it again.",
    ),
    KeyReused: ProblemType(
        422,
        "idempotency-key-reused",
        "This key stands for another request",
        "The Idempotency-Key was sent with another request within the last 24 hours.",
        "Use a new key for a new request; repeat a request exactly as it was.",
    ),
    RateLimited: ProblemType(
        429,
        "too-many-requests",
        "That was too much",
        "More than this caller may ask for in this time, or have at once. Nothing was changed.",
        "Come back after `Retry-After` seconds. `RateLimit` says how much is left.",
    ),
    Unavailable: ProblemType(
        503,
        "unavailable",
        "Not possible at the moment",
        "Something that is needed is away or full. Nothing was changed.",
        "Send the same again after `Retry-After` seconds; with an Idempotency-Key that is safe "
        "even when an answer was lost.",
    ),
}
NOT_A_METHOD = ProblemType(
    405,
    "method-not-allowed",
    "The method does not exist here",
    "There is something at this address, and this method cannot be used on it.",
    "`Allow` names those that can.",
)
INTERNAL = ProblemType(
    500,
    "internal",
    "Something went wrong",
    "A mistake of this service. What was begun was undone.",
    "Try again. If it happens again, tell the operator the `request_id`: it finds the details in "
    "the log.",
)
TYPES = {problem.slug: problem for problem in (*PROBLEMS.values(), NOT_A_METHOD, INTERNAL)}


def problem_type(slug: str) -> ProblemType:
    """Raises NotFound."""
    if (kind := TYPES.get(slug)) is None:
        raise NotFound("There is no such type of problem.")
    return kind


class Wrong(BaseModel):
    """One field of the body, by a JSON pointer (RFC 6901) as a fragment, or one parameter of the query, the path or a header."""

    pointer: str | None = Field(None, description="Of a field of the body.", examples=["#/goal"])
    parameter: str | None = Field(
        None, description="The name of a parameter of the query, the path or a header."
    )
    detail: str = Field(
        description="The rule that it breaks.", examples=["should have at least 2 characters"]
    )


class Problem(BaseModel):
    """Problem details (RFC 9457). Programs decide by `type`, which can also be read about at its address."""

    type: str = Field(description="What kind of problem it is.", examples=["/problems/invalid"])
    title: str = Field(description="The same in words.", examples=["Some input does not fit"])
    status: int = Field(description="That of the answer.", examples=[422])
    detail: str = Field(
        description="What has happened this time.", examples=["Some fields do not fit."]
    )
    errors: list[Wrong] | None = Field(None, description="Each field that is wrong.")
    request_id: str | None = Field(
        None, description="Finds the request in the log.", examples=["9f86d081884c7d65"]
    )


def problem(
    request: Request, kind: ProblemType, detail: str, fields: tuple[FieldError, ...] = ()
) -> Response:
    """Return the problem document as a response."""
    request_id = request.scope.get("state", {}).get("request_id")
    document = Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[field_problems(field) for field in fields] or None,
        request_id=request_id,
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
