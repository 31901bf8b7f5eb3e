"""A model's server that writes to the wire as a test likes, for what llmock cannot do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-test"


class Provider(ThreadingHTTPServer):
    """Answers every POST by `answer(handler)`; `requests` holds the bodies."""

    daemon_threads = True
    request_queue_size = 64  # clients that come at once

    def __init__(self, answer: "Callable[[Handler], None]") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.released = (
            threading.Event()
        )  # set at the end of a test, so that no handler outlives it
        self.answer = answer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """`asked` is the body of its request."""

    server: Provider
    asked: Any

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(self.asked)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.answer(self)

    def say(
        self, status: int, body: bytes, content_type: str = "application/json", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """The test says what went wrong."""


@contextmanager
def providing(answer: Callable[[Handler], None]) -> Iterator[Provider]:
    """It serves while the block runs."""
    server = Provider(answer)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def completion(content: str | None, **changes: Any) -> bytes:
    """The body of an answer; `changes` are of its one choice, `message` of the message in it."""
    message = {"role": "assistant", "content": content, **changes.pop("message", {})}
    choice = {"index": 0, "finish_reason": "stop", "message": message, **changes}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
    ).encode()
