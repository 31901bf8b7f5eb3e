"""A proxy before a service that refuses requests, loses answers and cuts streams."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from core import clock
from testing.waiting import HANG

HOP = ("connection", "transfer-encoding", "content-length", "host")


class Faulty(ThreadingHTTPServer):
    """Stands before the service. Fails as the test sets."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.refusals: list[
            dict[str, str]
        ] = []  # headers of answers 503 to POST, instead of passing it on
        self.lost = 0  # answers to POST that are not passed back
        self.cut_after: list[int] = []  # bytes of the next streams that are passed back
        self.seen: list[
            tuple[str, str, str | None]
        ] = []  # method, status or what was done, key or Last-Event-ID
        self.at: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Faulty

    def do_GET(self) -> None:
        self.close_connection = True
        with passed_on(self, b"") as answer:
            self.server.seen.append(("GET", str(answer.status), self.headers.get("Last-Event-ID")))
            self._pass_back(
                answer,
                self._stream_length()
                if answer.status == 200 and self.path.endswith("/events")
                else None,
            )

    def do_POST(self) -> None:
        self.close_connection = True
        key = self.headers.get("Idempotency-Key")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.at.append(clock.now().timestamp())
        if self.server.refusals:
            self.server.seen.append(("POST", "refused", key))
            self.send_response(503)
            for name, value in {**self.server.refusals.pop(0), "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        with passed_on(self, body) as answer:
            if self.server.lost:
                self.server.lost -= 1
                self.server.seen.append(("POST", "lost", key))
                answer.read()
                return
            self.server.seen.append(("POST", str(answer.status), key))
            self._pass_back(answer, None)

    def _stream_length(self) -> int | None:
        return self.server.cut_after.pop(0) if self.server.cut_after else None

    def _pass_back(self, answer: HTTPResponse, most: int | None) -> None:
        """As chunks, without an end when only so many bytes are passed."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        if answer.status == 204:
            self.end_headers()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = 2**31 if most is None else most
        while left and (piece := answer.read1(min(left, 65536))):
            left -= len(piece)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if most is None:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *given: object) -> None:
        pass


@contextmanager
def passed_on(handler: Handler, body: bytes) -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", handler.server.behind, timeout=HANG)
    try:
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in HOP
        }
        connection.request(handler.command, handler.path, body or None, headers)
        yield connection.getresponse()
    finally:
        connection.close()


@contextmanager
def faults_before(port: int) -> Iterator[Faulty]:
    with Faulty(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
