"""Errors of requests, and their retries. No error contains the API key."""

import random
from time import monotonic
from typing import Any

BUSY = (429, 502, 503, 504)  # retried: a POST has its Idempotency-Key
IN_USE = "/problems/idempotency-key-in-use"  # retried: the first request is still running
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After is longer


class ApiError(Exception):
    """Base class of the others."""

    is_transient = False  # a retry may help
    retry_after: float | None = None


class InvalidRequest(ApiError):
    """The request cannot be sent."""


class InvalidResponse(ApiError):
    """The response is not from a Roadmap service, too long or too slow."""


class NoResponse(ApiError):
    """No response because of `reason`, or only `broken_streams` without events."""

    is_transient = True

    def __init__(self, reason: str, *, broken_streams: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.broken_streams = reason, broken_streams

    def __str__(self) -> str:
        return (
            self.reason if self.broken_streams else f"The service cannot be reached: {self.reason}"
        )


class ApiProblem(ApiError):
    """The service refused the request (RFC 9457). Decide by `type`; `errors` has invalid fields.

    `document` is the whole problem. It is empty if a proxy answered; `type` is then `about:blank`.
    """

    def __init__(self, status: int, document: dict[str, Any], retry_after: float | None) -> None:
        super().__init__(status, document, retry_after)
        self.status, self.document, self.retry_after = status, document, retry_after
        self.type, self.title = document.get("type", "about:blank"), document.get("title", "")
        self.detail = str(document.get("detail") or self.title or f"The service answers {status}.")
        errors = document.get("errors")  # those of other services differ
        self.errors: list[dict[str, str]] = [
            {name: str(value) for name, value in each.items()}
            for each in (errors if isinstance(errors, list) else ())
            if isinstance(each, dict)
        ]
        self.request_id: str | None = document.get("request_id")
        self.is_transient = status in BUSY or self.type == IN_USE

    def __str__(self) -> str:
        return " ".join([f"{self.status}: {self.detail}", *map(str, self.errors)])


class Retries:
    """Retries of a request for `patience` seconds; they begin again after a stream was `alive`."""

    def __init__(self, patience: float) -> None:
        self.patience, self.until = patience, monotonic() + patience
        self.tries, self.alive = 0, False

    def pause(self, failure: ApiError) -> float:
        """Return the seconds until the next try. Raises `failure` if there is none."""
        if self.alive:
            self.until, self.tries = monotonic() + self.patience, 0
        pause = min(0.25 * 2.0 ** min(self.tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
        pause = max(pause, failure.retry_after or 0)
        is_late = not self.alive and monotonic() + pause > self.until
        if not failure.is_transient or is_late or (failure.retry_after or 0) > self.patience:
            raise failure from None
        self.tries, self.alive = self.tries + 1, False
        return pause
