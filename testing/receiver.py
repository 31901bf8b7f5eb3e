"""A receiver of webhooks on this machine: keeps deliveries, answers as a test sets."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from testing.waiting import HANG

Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Got:
    """One request. `headers` have their names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """Check the signature with a library of others. Raises WebhookVerificationError."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


class ServerOfMany(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = (
        128  # clients that come at once: who finds no room asks again after a whole second
    )


class Receiver:
    """`answers` are given one after the other, and the last of them from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers) or [status(204)]
        self.got: list[Got] = []
        self.server = ServerOfMany(("127.0.0.1", 0), Handler)
        self.server.receiver = self  # type: ignore[attr-defined]
        self.gone = threading.Event()  # set at the end, for answers that wait

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def answer_from_now_on(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver.got.append(
            Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        self.close_connection = True
        try:
            receiver.next_answer()(self)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked has left

    def log_message(self, *_: object) -> None:
        pass


def status(code: int, **headers: str) -> Answer:
    """Answer so. Underscores of the names stand for hyphens."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def raw(*parts: bytes) -> Answer:
    """These bytes, whatever they are, and the end of the connection."""

    def answer(handler: Handler) -> None:
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()

    return answer


def one_byte_after_the_other(data: bytes, pause: float) -> Answer:
    """For ever: the data is repeated."""

    def answer(handler: Handler) -> None:
        gone = handler.server.receiver.gone  # type: ignore[attr-defined]
        sent = 0
        while not gone.wait(pause):
            handler.wfile.write(bytes([data[sent % len(data)]]))
            handler.wfile.flush()
            sent += 1

    return answer


def silence(handler: Handler) -> None:
    """Say not a word until the end."""
    handler.server.receiver.gone.wait()  # type: ignore[attr-defined]


def gate(opened: threading.Event, then: Answer) -> Answer:
    """Wait until it is opened."""

    def answer(handler: Handler) -> None:
        opened.wait(HANG)
        then(handler)

    return answer


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    receiver = Receiver(*answers)
    with serving(receiver.server, receiver.gone):
        yield receiver


@contextmanager
def serving(server: ThreadingHTTPServer, gone: threading.Event) -> Iterator[None]:
    """In a thread of its own; `gone` is set at the end, for answers that wait."""
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        gone.set()
        server.shutdown()
        server.server_close()
        thread.join()
