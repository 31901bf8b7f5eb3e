"""uvicorn's HTTP protocol with limits on the head of a request, which its parser has not.

`core/startup/run_service.py` names it: uvicorn --http web.http.http_limits:BoundedProtocol.
"""

import asyncio
import json
import logging
from secrets import token_hex
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.errors import Malformed
from web.http.middleware import CAREFUL, count_unreadable
from web.http.problems import PROBLEMS
from web.http.rate_limiter import Limit, Limiter
from web.http.request_body import COMPLETE

logger = logging.getLogger(__name__)

# Bytes; a piece of at most 256 KiB is counted after it was read
LARGEST_HEAD = 64 * 1024
HEAD_SECONDS = 30.0  # for a whole head, and for the first one of a connection
COMPLAINTS = Limit("complaints", 30, 60)


class JoiningTransport:
    """Transport that sends the head of a response with the body, if that follows at once.

    uvicorn writes one after the other, which would be two system calls. What waits is sent in the
    next turn of the loop, as the head of a stream is.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._head = transport, loop, b""
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


class BoundedProtocol(HttpToolsProtocol):
    """Protocol that answers 400 and closes the connection when a limit is exceeded."""

    _head = 0  # bytes of the head that is being received
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        joining = JoiningTransport(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(cast(asyncio.Transport, joining))
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head > LARGEST_HEAD:
            self._refuse(
                "The request line and headers are too large. Send fewer or shorter headers."
            )
        elif self._head and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._expire)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._forget_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head = True, 0
        cast(dict[str, Any], self.scope)[COMPLETE] = True
        super().on_message_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.rstrip(b" \t"))  # the parser leaves it there (RFC 9110, 5.5)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that the parser cannot read with a problem document."""
        kind, request_id = PROBLEMS[Malformed], token_hex(8)
        logger.debug("%s (%s)", msg, request_id)
        count_unreadable(kind.status)
        problem = {
            "type": kind.uri,
            "title": kind.title,
            "status": kind.status,
            "detail": msg,
            "request_id": request_id,
        }
        body = json.dumps(problem).encode()
        head = {
            "content-type": "application/problem+json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        head |= {"X-Request-ID": request_id, **CAREFUL}
        lines = [
            STATUS_LINE[kind.status],
            *(f"{name}: {value}\r\n".encode() for name, value in head.items()),
            b"\r\n",
            body,
        ]
        self.transport.write(b"".join(lines))
        self.transport.close()

    def _expire(self) -> None:
        """Refuse a slow head; close a connection without one, as browsers open in advance.

        A browser would take an answer there for that of its next request.
        """
        if self._head:
            self._refuse(
                "The request line and headers did not arrive in time. Send the request again."
            )
        else:
            self.transport.close()

    def _refuse(self, reason: str) -> None:
        self._forget_deadline()
        if not self.transport.is_closing():
            self.send_400_response(reason)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class BadRequestLogFilter(logging.Filter):
    """Filter that limits uvicorn's lines and tracebacks of bad requests.

    A client that sends thousands must not fill the log.
    """

    _limiter = Limiter()

    def filter(self, record: logging.LogRecord) -> Any:
        return (
            record.levelno < logging.WARNING
            or self._limiter.hit(COMPLAINTS, record.getMessage()[:60], publish=False) == 0
        )


logging.getLogger("uvicorn.error").addFilter(BadRequestLogFilter())
