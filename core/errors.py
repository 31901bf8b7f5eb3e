"""Expected errors of requests. Handlers raise them; `web/endpoints/errors.py` answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FieldError:
    """Field and the rule that it breaks.

    `pointer` is a JSON pointer into the body, or `?name` for the query; `kind` names the rule
    internally and is in no answer.
    """

    pointer: str
    detail: str
    kind: str = field(default="", compare=False)


class RoadmapError(Exception):
    """Base of all expected errors. `detail`: problem, cause, remedy; no secrets."""

    def __init__(
        self,
        detail: str,
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        self.retry_after = retry_after  # seconds
        self.members = members or {}  # more of the problem document


class Malformed(RoadmapError):
    """The body does not match its content type."""


class Invalid(RoadmapError):
    """A field breaks a rule; `fields` names each."""


class Unsupported(RoadmapError):
    """The content type is not supported."""


class TooLarge(RoadmapError):
    """The body is longer than the limit."""


class TooSlow(RoadmapError):
    """The body takes too long to arrive."""


class Unauthenticated(RoadmapError):
    """No valid token or key, or a wrong password."""


class Forbidden(RoadmapError):
    """A scope, rank or invitation is missing, or the request is cross-site."""


class NotFound(RoadmapError):
    """No such thing for this caller; things of others answer the same."""


class InTrash(NotFound):
    """The thing is in the trash, from which its owner can restore it."""


class Gone(RoadmapError):
    """The link was revoked or has expired, or its roadmap was deleted."""


class Conflict(RoadmapError):
    """The state of the thing does not allow this."""


class PreconditionFailed(RoadmapError):
    """The thing has another ETag than If-Match names."""


class KeyReused(RoadmapError):
    """The Idempotency-Key belongs to another request."""


class KeyInUse(RoadmapError):
    """The request of this Idempotency-Key is still being answered."""


class RateLimited(RoadmapError):
    """Rate or quota exceeded. The request changed nothing and can be repeated later."""


class Unavailable(RoadmapError):
    """A dependency is away or full. The request changed nothing and can be repeated."""


class BrokerUnavailable(Unavailable):
    """The broker of the queues does not respond; `__cause__` is the driver's error."""


def required(value: Value | None, missing: str) -> Value:
    """Return a value that is there. Raises NotFound with the sentence `missing` for None."""
    if value is None:
        raise NotFound(missing)
    return value
