"""Everything that a caller can get wrong or that can be away. Handlers raise; `web/errors.py` answers."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field and the rule it breaks. `pointer` is a JSON pointer into the body, or `?name` of the query; `kind` names the
    rule for us, and is told to nobody.
    """

    pointer: str
    detail: str
    kind: str = field(default="", compare=False)


class RoadmapError(Exception):
    """The base of all expected errors. `detail` says problem, cause and what to do, without any secret."""

    def __init__(
        self, detail: str, *, fields: tuple[FieldError, ...] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        self.retry_after = retry_after  # seconds


class Malformed(RoadmapError):
    """The body is not what its content type says."""


class Invalid(RoadmapError):
    """A field breaks a rule; `fields` names each."""


class Unsupported(RoadmapError):
    """The content type is not one that is read here."""


class TooLarge(RoadmapError):
    """The body is longer than the limit."""


class TooSlow(RoadmapError):
    """The body does not come to its end."""


class Unauthenticated(RoadmapError):
    """Who is calling is not shown: no valid token or key, or a wrong password."""


class Forbidden(RoadmapError):
    """Not for this caller, whoever shows it: a scope, a rank or an invitation is missing, or the request comes from elsewhere."""


class NotFound(RoadmapError):
    """No such thing for this caller; what belongs to others does not exist."""


class InTrash(NotFound):
    """It is in the trash, from which its owner can restore it."""


class Gone(RoadmapError):
    """It was there once: a link that was revoked or has expired, or whose roadmap is not there any more."""


class Conflict(RoadmapError):
    """The state of the thing does not allow this."""


class PreconditionFailed(RoadmapError):
    """The thing is not as the caller believes: it has another ETag than If-Match names."""


class KeyReused(RoadmapError):
    """The Idempotency-Key stands for another request."""


class KeyInUse(RoadmapError):
    """The request of this Idempotency-Key is still being answered."""


class TooMany(RoadmapError):
    """More than this caller may ask for; the request changed nothing and can be repeated after `retry_after`."""


class Unavailable(RoadmapError):
    """Something that is needed is away or full for the moment; the request changed nothing and can be repeated."""
