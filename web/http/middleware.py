"""Application, middleware and router of every request.

The middleware sets the request's ID and trace and security headers, and counts it; the router
answers errors too. Routes are found by an index, where Starlette compares one entry after the
other.

Metrics name the pattern of a route, never the path, which may be anything. Requests that match no
route and method count as unmatched: clients could make many numbers of them.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from core import metric_counters, tracing
from core.db import settings
from core.metric_definitions import REQUEST_SECONDS, REQUESTS, SLOW_REQUESTS, STREAMS
from core.settings import Settings
from web.http import limits

logger = logging.getLogger("roadmap.access")  # a line for each response, at DEBUG

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER, UNMATCHED, UNREADABLE = "other", "unmatched", "unreadable"
PROBES = ("/health", "/metrics")
SLOW = 1.0  # seconds
NO_ANSWER = "none"  # the status of a request whose client went away before one was given


def hsts(settings: Settings) -> dict[str, str]:
    """Return no header in embedded mode, where a browser would refuse http for a year."""
    below = "; includeSubDomains" if settings.hsts_include_subdomains else ""
    return {} if settings.embedded else {"Strict-Transport-Security": f"max-age=31536000{below}"}


# A page has a Content-Security-Policy of its own.
CAREFUL = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
} | hsts(settings)

CAREFUL_RAW = tuple((name.lower().encode(), value.encode()) for name, value in CAREFUL.items())
# Responses that no browser shows, by their media type: each header costs time
DATA = (b"application/json", b"application/problem+json", b"")
FOR_PAGES = (
    *(b"cross-origin-opener-policy", b"cross-origin-resource-policy", b"permissions-policy"),
    *(b"referrer-policy", b"x-frame-options"),
)
DATA_RAW = tuple(header for header in CAREFUL_RAW if header[0] not in FOR_PAGES)


# Headers that pages of other origins may send, and those that they may read of a response.
SENT = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"),
    *("Last-Event-ID", "Prefer", "Traceparent", "X-Request-ID"),
)
EXPOSED = (
    *("Deprecation", "ETag", "Idempotency-Replayed", "Link", "Location", "Preference-Applied"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "Sunset", "X-Request-ID"),
)


BEGUN = "roadmap.begun"  # the key of a scope whose response has begun
PARAMETER = ""  # stands for the last segment of a path that is a parameter
ErrorHandler = Callable[[Request, Any], Awaitable[Response]]


class RequestMiddleware:
    """Outermost middleware: request ID, trace, security headers and metrics.

    It takes `X-Request-ID` if that is harmless, makes one otherwise, and returns it. Work that
    follows from the request belongs to the trace of its `traceparent`, or to a new one. A stream
    is counted when it begins and is open until it ends; its time is not that of a response.
    """

    open_streams = 0  # of this process; all requests run in one loop

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        status, is_stream = NO_ANSWER, False
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        trace = tracing.trace_of_headers(
            headers.getlist(tracing.HEADER), given if tracing.REQUEST_ID.fullmatch(given) else None
        )
        tracing.enter(trace)
        state = scope.setdefault("state", {})
        state["request_id"] = trace.request_id

        async def send_response(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                given = dict(message["headers"])
                media_type = given.get(b"content-type", b"")
                ours = (
                    (b"x-request-id", trace.request_id.encode()),
                    *limits.rate_limit_headers(state),
                    *(DATA_RAW if media_type in DATA else CAREFUL_RAW),
                )
                sent = message["headers"] = [*message["headers"]]
                for header in ours:
                    if header[0] not in given:
                        sent.append(header)
                scope[BEGUN], status = True, str(message["status"])
                is_stream = media_type.startswith(b"text/event-stream")
                if is_stream:
                    RequestMiddleware.open_streams += 1
                    _count(scope, status)
            await send(message)

        try:
            await self.app(scope, receive, send_response)
        except Exception:
            if status == NO_ANSWER:  # the server responds
                status = "500"
            raise
        finally:
            if is_stream:
                RequestMiddleware.open_streams -= 1
            else:
                _count(scope, status, perf_counter() - began)


def count_unreadable(status: int) -> None:
    """Count a response to bytes that are no request, which no route has seen."""
    metric_counters.count(REQUESTS, route=UNREADABLE, method=OTHER, status=str(status))


def _count(scope: Scope, status: str, seconds: float | None = None) -> None:
    found: Route | None = scope.get("route")
    route = (
        found.path if found is not None and scope["method"] in (found.methods or ()) else UNMATCHED
    )
    method = scope["method"] if scope["method"] in METHODS else OTHER
    metric_counters.count(REQUESTS, route=route, method=method, status=status)
    if seconds is not None:
        is_api = route.startswith("/api/")
        group = "api" if is_api else "probe" if route.startswith(PROBES) else "page"
        metric_counters.observe(REQUEST_SECONDS, seconds, group=group)
        if seconds > SLOW:
            metric_counters.count(SLOW_REQUESTS, route=route, method=method)
    if logger.isEnabledFor(logging.DEBUG):
        took = f" in {seconds * 1000:.1f} ms" if seconds is not None else ", a stream"
        logger.debug("%s %s answered %s%s", method, route, status, took)


metric_counters.gauges.append(lambda: {STREAMS: float(RequestMiddleware.open_streams)})
MIDDLEWARE = [Middleware(RequestMiddleware)]
# With a token in the header; cookies are for the pages of this service alone.
if settings.cors_origins:
    MIDDLEWARE.append(
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=SENT,
            expose_headers=EXPOSED,
        )
    )


class IndexedRouter(Router):
    """Router that answers as if all routes were tried in their order, and answers errors.

    Path parameters are whole segments, and routes do not change. It does not redirect to a path
    with or without a slash: that would name whatever host the request claims. An error handler is
    found by the type of the error; that of Exception answers 500, and the error goes on to uvicorn.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        handlers: Mapping[type[Exception], ErrorHandler],
        lifespan: Lifespan[Any] | None = None,
    ) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        self._handlers = handlers
        # By the number of slashes and the last segment, which may be the value of a parameter as
        # well; each with its path before the first parameter
        places = []
        for route in routes:
            start, end = route.path.partition("{")[0], route.path.rpartition("/")[2]
            is_parameter = end.startswith("{")
            places.append((route.path.count("/"), PARAMETER if is_parameter else end, start, route))
        self._alike: dict[tuple[int, str], list[tuple[str, Route]]] = {
            (slashes, end): [
                (start, route)
                for number, last, start, route in places
                if number == slashes and last in (end, PARAMETER)
            ]
            for slashes, end, _, _ in places
        }
        self.most_slashes = max(slashes for slashes, _ in self._alike)

    def methods(self, scope: Scope, path: str) -> set[str]:
        """Return the methods of all routes that match this path; Starlette names those of one."""
        requested = {**scope, "path": path}
        return {
            method
            for route in self.candidates(path)
            if route.matches(requested)[0] is not Match.NONE
            for method in route.methods or ()
        }

    def candidates(self, path: str) -> list[Route]:
        """Return the routes that may match the path, in their order."""
        slashes, end = path.count("/"), path.rpartition("/")[2]
        others = self._alike.get((slashes, PARAMETER), [])
        alike = self._alike.get((slashes, end), others)
        return [route for start, route in alike if path.startswith(start)]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().app(scope, receive, send)
            return
        scope.setdefault("router", self)
        try:
            found = self._find(scope)
            if found is None:
                await self.default(scope, receive, send)
            else:
                scope["route"], place = found
                scope.update(place)
                await found[0].handle(scope, receive, send)
        except Exception as error:
            request, unexpected = Request(scope, receive), self._handlers[Exception]
            handler = next(
                self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers
            )
            if BEGUN in scope:
                await unexpected(request, error)  # logs it; no second response can be sent
                raise
            try:
                response = await handler(request, error)
            except Exception as another:
                if handler is unexpected:
                    raise
                error, handler = another, unexpected
                response = await handler(request, error)
            # A frame that keeps its error is a cycle with all that it holds, and collections are
            # rare (core/startup/gc_tuning.py).
            traceback.clear_frames(error.__traceback__)
            await response(scope, receive, send)
            if handler is unexpected:
                raise error

    def _find(self, scope: Scope) -> tuple[Route, Scope] | None:
        chosen: tuple[Route, Scope] | None = None
        for route in self.candidates(scope["path"]):
            match, place = route.matches(scope)
            # A route of another method answers with the methods of the path
            if match is Match.FULL or (match is Match.PARTIAL and chosen is None):
                chosen = route, place
            if match is Match.FULL:
                break
        return chosen


class Application(Starlette):
    """Starlette application whose router answers errors, without middleware for them."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        handlers: Mapping[type[Exception], ErrorHandler],
        lifespan: Lifespan[Any] | None = None,
    ) -> None:
        super().__init__(middleware=MIDDLEWARE)
        self.router = IndexedRouter(routes, handlers=handlers, lifespan=lifespan)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router.app
        for middleware, args, kwargs in reversed(self.user_middleware):
            app = middleware(app, *args, **kwargs)
        return app
