"""uvicorn's HTTP protocol with limits on the head of a request, which its parser has not.

`cli/run_services.py` names it: uvicorn --http web.http.http_limits:BoundedProtocol.
"""

import asyncio
import json
import logging
from secrets import token_hex
from typing import Any, ClassVar, cast

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
# Of responses that clients have not read yet: bytes of a process, and seconds of a connection,
# with more for a long one at so many bytes a second
MOST_UNREAD = 64 * 1024 * 1024
READ_SECONDS, READ_RATE = 60.0, 50_000
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
            # Python 3.13 never ends a connection in whose buffer an empty piece is
            self._transport.writelines((head, data) if data else (head,))
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


class BoundedProtocol(HttpToolsProtocol):
    """Protocol that answers 400 and closes the connection when a limit is exceeded."""

    _head = 0  # bytes of the head that is being received
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None
    unread: ClassVar[dict["BoundedProtocol", asyncio.TimerHandle]] = {}  # the oldest first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        joining = JoiningTransport(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(cast(asyncio.Transport, joining))
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._forget_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give a client time to read, and close the oldest connections of too many bytes."""
        super().pause_writing()
        seconds = READ_SECONDS + self.transport.get_write_buffer_size() / READ_RATE
        self.unread[self] = self.loop.call_later(seconds, self.transport.abort)
        sizes = {each: each.transport.get_write_buffer_size() for each in self.unread}
        for oldest in list(sizes):
            if sum(sizes.values()) > MOST_UNREAD:
                del sizes[oldest]
                oldest._forget_unread()
                oldest.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_unread()

    def _forget_unread(self) -> None:
        if timer := self.unread.pop(self, None):
            timer.cancel()

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
