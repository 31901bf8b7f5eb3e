"""Counts every answer, whoever gives it: by the pattern of its route, never by the path, which may be anything.

What a route is not for (another method) counts as unmatched: strangers could make many numbers of it, and nobody needs them.
"""

import logging
from time import perf_counter

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import metric_counters
from core.metric_definitions import REQUEST_SECONDS, REQUESTS, STREAMS

logger = logging.getLogger("roadmap.access")  # a line for each answer, at DEBUG

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER, UNMATCHED, UNREADABLE = "other", "unmatched", "unreadable"
NO_ANSWER = "none"  # the status of a request whose client went away before one was given


class CountingMiddleware:
    """The outermost. A stream counts when it begins and is open until it ends; its time is that of nobody's answer."""

    open_streams = 0  # of this process; all requests run in one loop

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        status, is_stream = NO_ANSWER, False

        async def send_counted(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = str(message["status"])
                media_type = dict(message["headers"]).get(b"content-type", b"")
                is_stream = media_type.startswith(b"text/event-stream")
                if is_stream:
                    CountingMiddleware.open_streams += 1
                    _count(scope, status)
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        except Exception:
            if status == NO_ANSWER:  # it is given outside of here
                status = "500"
            raise
        finally:
            if is_stream:
                CountingMiddleware.open_streams -= 1
            else:
                _count(scope, status, perf_counter() - began)


def count_unreadable(status: int) -> None:
    """An answer to what is no request: no route has seen it."""
    metric_counters.count(REQUESTS, route=UNREADABLE, method=OTHER, status=str(status))


def _count(scope: Scope, status: str, seconds: float | None = None) -> None:
    found: Route | None = scope.get("route")
    route = (
        found.path if found is not None and scope["method"] in (found.methods or ()) else UNMATCHED
    )
    method = scope["method"] if scope["method"] in METHODS else OTHER
    metric_counters.count(REQUESTS, route=route, method=method, status=status)
    if seconds is not None:
        metric_counters.observe(REQUEST_SECONDS, seconds, route=route, method=method)
    if logger.isEnabledFor(logging.DEBUG):
        took = f" in {seconds * 1000:.1f} ms" if seconds is not None else ", a stream"
        logger.debug("%s %s answered %s%s", method, route, status, took)


metric_counters.gauges.append(lambda: {STREAMS: float(CountingMiddleware.open_streams)})
