"""A web site on this machine: pages with their answers by path, and a list of requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from testing.receiver import ServerOfMany, serving
from testing.waiting import HANG

Answer = Callable[["Handler"], None]


class Site:
    """A site that answers 404 for what has no page.

    `asked` are methods and paths in their order, `agents` who asked.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []
        self.agents: set[str] = set()
        self.server = ServerOfMany(("127.0.0.1", 0), Handler)
        self.server.site = self  # type: ignore[attr-defined]
        self.gone = threading.Event()  # set at the end, for answers that wait

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def asked_for(self, path: str) -> list[str]:
        """By which methods."""
        return [method for method, asked in self.asked if asked == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append((self.command, self.path))
        site.agents.add(self.headers.get("user-agent", ""))
        self.close_connection = True
        try:
            site.pages.get(self.path, page(404))(self)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked has left

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        pass


def page(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """Underscores of the names stand for hyphens."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def endless(handler: Handler) -> None:
    """A page whose body never ends."""
    handler.send_response(200)
    handler.end_headers()
    site: Site = handler.server.site  # type: ignore[attr-defined]
    while not site.gone.is_set():
        handler.wfile.write(b"x" * 65_536)


def endless_head(handler: Handler) -> None:
    """Headers that never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    site: Site = handler.server.site  # type: ignore[attr-defined]
    while not site.gone.is_set():
        handler.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")


def silent(handler: Handler) -> None:
    site: Site = handler.server.site  # type: ignore[attr-defined]
    site.gone.wait(HANG)


@contextmanager
def served() -> Iterator[Site]:
    made = Site()
    with serving(made.server, made.gone):
        yield made
