"""Errors of requests. None contains the API key."""

from typing import Any

BUSY = (429, 502, 503, 504)  # retried: every request is idempotent
IN_USE = "/problems/idempotency-key-in-use"  # retried: the first request is still running


class ApiError(Exception):
    """Base class of the others."""

    is_transient = False  # a retry may help
    retry_after: float | None = None


class InvalidRequest(ApiError):
    """The request cannot be sent."""


class InvalidResponse(ApiError):
    """The response is not from a Roadmap service, or too long."""


class NoResponse(ApiError):
    """No response because of `reason`, or only `broken_streams` without events."""

    is_transient = True

    def __init__(self, reason: str, *, broken_streams: bool = False) -> None:
        super().__init__(f"The service cannot be reached: {reason}")
        self.reason, self.broken_streams = reason, broken_streams


class ApiProblem(ApiError):
    """The service refused the request (RFC 9457). Decide by `type`; `errors` has invalid fields.

    `document` is the whole problem. It is empty if a proxy answered; `type` is then `about:blank`.
    """

    def __init__(self, status: int, document: dict[str, Any], retry_after: float | None) -> None:
        self.status, self.document, self.retry_after = status, document, retry_after
        self.type, self.title = document.get("type", "about:blank"), document.get("title", "")
        self.detail = str(document.get("detail") or self.title or f"it answers {status}.")
        errors: list[dict[str, str]] = document.get("errors") or []
        self.errors = [each for each in errors if isinstance(each, dict)]  # other services differ
        self.request_id: str | None = document.get("request_id")
        self.is_transient = status in BUSY or self.type == IN_USE
        super().__init__(" ".join([f"{status}: {self.detail}", *map(str, self.errors)]))
