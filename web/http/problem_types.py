"""Every type of problem (RFC 9457) that an answer can name: status, title, what it means and what to do about it.

`web/errors.py` answers with them, `/problems/{slug}` tells of them, and the OpenAPI document names them.
"""

from dataclasses import dataclass

from core.errors import (
    Conflict,
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


@dataclass(frozen=True, slots=True)
class ProblemType:
    """`slug` names it for ever: programs decide by it what to do."""

    status: int
    slug: str
    title: str
    meaning: str
    remedy: str

    @property
    def uri(self) -> str:
        """Relative to the service, where it can be read about."""
        return f"/problems/{self.slug}"


PROBLEMS: dict[type[RoadmapError], ProblemType] = {
    Malformed: ProblemType(
        400,
        "malformed",
        "The request cannot be read",
        "The body is not what its content type says or means two things, or the request is not HTTP as its specification says.",
        "Send JSON in UTF-8, whole, each name once in an object, and a request as RFC 9112 has it.",
    ),
    Unauthenticated: ProblemType(
        401,
        "unauthenticated",
        "Who are you?",
        "There is no token, or one that is not valid, has expired or was ended; or a password is wrong.",
        "Log in, or send an API key: `Authorization: Bearer <token>`.",
    ),
    Forbidden: ProblemType(
        403,
        "forbidden",
        "This is not allowed",
        "It is known who is calling, and that is not enough: a scope, a rank, an invitation or a login is missing; or the "
        "request comes from a web page elsewhere or names another host.",
        "Read `detail`: it names what is missing. Use a key with that scope, or ask the administrator.",
    ),
    NotFound: ProblemType(
        404,
        "not-found",
        "There is no such thing",
        "There is nothing at this address for this caller. What belongs to others does not exist.",
        "Check the address, also for a slash at its end; `errors` names the part of it that cannot be an id. `/docs` has all "
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
        "The thing is in a state in which this cannot be done, it has changed since it was read, or there are as many as there "
        "may be.",
        "Read it again, then decide anew.",
    ),
    KeyInUse: ProblemType(
        409,
        "idempotency-key-in-use",
        "The first request of this key is still being answered",
        "A request with the same Idempotency-Key is under way at this moment.",
        "Wait for `Retry-After` seconds and send the same once more: the answer will be that of the first.",
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
        "The ETag that `If-Match` names is not the current one: somebody has changed the thing since it was read.",
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
        "`errors` has a JSON pointer, or the name of a parameter, and the rule for each. Mend these and send it again.",
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
        "Send the same again after `Retry-After` seconds; with an Idempotency-Key that is safe even when an answer was lost.",
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
    "Try again. If it happens again, tell the operator the `request_id`: it finds the details in the log.",
)
TYPES = {problem.slug: problem for problem in (*PROBLEMS.values(), NOT_A_METHOD, INTERNAL)}


def problem_type(slug: str) -> ProblemType:
    """Raises NotFound."""
    if (kind := TYPES.get(slug)) is None:
        raise NotFound("There is no such type of problem.")
    return kind
