"""What surrounds every request: an id that its answer and its log lines share, and what makes browsers careful."""

from secrets import token_hex

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import tracing
from core.db import settings
from core.settings import Settings
from core.tracing import REQUEST_ID
from web.http import limits
from web.http.fast_headers import headers_of
from web.http.request_metrics import CountingMiddleware


def hsts(settings: Settings) -> dict[str, str]:
    """Not in embedded mode, where a browser would refuse http on this machine for a year."""
    below = "; includeSubDomains" if settings.hsts_include_subdomains else ""
    return {} if settings.embedded else {"Strict-Transport-Security": f"max-age=31536000{below}"}


# An answer for programs needs nothing of a page; a page says for itself what it needs (Content-Security-Policy).
CAREFUL = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
} | hsts(settings)

CAREFUL_RAW = tuple((name.lower().encode(), value.encode()) for name, value in CAREFUL.items())


# What pages elsewhere may send, and what they may read of an answer.
SENT = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"),
    *("Last-Event-ID", "Prefer", "Traceparent", "X-Request-ID"),
)
TOLD = (
    *("Deprecation", "ETag", "Idempotency-Replayed", "Link", "Location", "Preference-Applied"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "Sunset", "X-Request-ID"),
)


class HeadersMiddleware:
    """Takes `X-Request-ID` when it is harmless, makes one otherwise, and returns it among the others. Everything that follows
    from the request is of the trace that it names in `traceparent`, or of a new one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        tracing.enter(tracing.received(headers.getlist(tracing.HEADER), request_id))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {
                    b"x-request-id": request_id.encode(),
                    **limits.rate_limit_headers(scope["state"]),
                }
                others = [(name, value) for name, value in message["headers"] if name not in ours]
                names = dict(others)
                careful = [header for header in CAREFUL_RAW if header[0] not in names]
                message["headers"] = [*others, *ours.items(), *careful]
            await send(message)

        await self.app(scope, receive, send_with_id)


MIDDLEWARE = [Middleware(CountingMiddleware), Middleware(HeadersMiddleware)]
if (
    settings.cors_origins
):  # with a token in the header; a cookie stays with the pages of this service
    MIDDLEWARE.append(
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=SENT,
            expose_headers=TOLD,
        )
    )
