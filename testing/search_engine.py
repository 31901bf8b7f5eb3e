"""A search engine on this machine, in the forms of SearXNG, Brave and Tavily or as a test likes."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from testing.receiver import ServerOfMany, serving
from testing.waiting import HANG

Result = tuple[str, str, str]  # title, URL, snippet
Answer = Callable[["Handler"], None]
FIRST: Result = ("Kneading dough", "https://example.org/knead", "How to knead a dough.")
SECOND: Result = ("Gluten", "https://example.com/gluten?part=2", "What gluten is.")


class Search(NamedTuple):
    """One request; `asked` is the query or the JSON of the body.

    `headers` have their names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    asked: dict[str, Any]


class SearchEngine:
    """`answer` is given to every request; `searches` are the requests in their order."""

    def __init__(self) -> None:
        self.answer: Answer = answering(searxng(FIRST, SECOND))
        self.searches: list[Search] = []
        self.server = ServerOfMany(("127.0.0.1", 0), Handler)
        self.server.engine = self  # type: ignore[attr-defined]
        self.gone = threading.Event()  # set at the end, for answers that wait

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def engine(self) -> SearchEngine:
        return self.server.engine  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked: dict[str, Any] = dict(parse_qsl(parts.query))
        if self.command == "POST":
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.engine.searches.append(Search(self.command, parts.path, headers, asked))
        self.close_connection = True
        try:
            self.engine.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked has left

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def answering(body: bytes | object, status: int = 200, **headers: str) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return answer


def stalling(handler: Handler) -> None:
    """An answer that begins and does not go on."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"results": [')
    handler.engine.gone.wait(HANG)


def searxng(*results: Result) -> dict[str, Any]:
    found: Sequence[dict[str, Any]] = [
        {
            "url": url,
            "title": title,
            "content": snippet,
            "engine": "duckduckgo",
            "template": "default.html",
            "engines": ["duckduckgo"],
            "positions": [1],
            "score": 1.0,
            "category": "general",
            "publishedDate": None,
        }
        for title, url, snippet in results
    ]
    rest: dict[str, Any] = {"answers": [], "corrections": [], "infoboxes": [], "suggestions": []}
    return {"query": "q", "number_of_results": 0, "results": found, **rest}


def brave(*results: Result) -> dict[str, Any]:
    found = [
        {
            "title": title,
            "url": url,
            "is_source_local": False,
            "description": snippet,
            "language": "en",
            "family_friendly": True,
            "type": "search_result",
            "meta_url": {"scheme": "https"},
        }
        for title, url, snippet in results
    ]
    web = {"type": "search", "results": found, "family_friendly": True}
    return {"type": "search", "query": {"original": "q"}, "mixed": {"type": "mixed"}, "web": web}


def tavily(*results: Result) -> dict[str, Any]:
    found = [
        {"title": title, "url": url, "content": snippet, "score": 0.8, "raw_content": None}
        for title, url, snippet in results
    ]
    rest: dict[str, Any] = {
        "answer": None,
        "images": [],
        "follow_up_questions": None,
        "response_time": 1.2,
    }
    return {"query": "q", "results": found, **rest}


@contextmanager
def searching() -> Iterator[SearchEngine]:
    made = SearchEngine()
    with serving(made.server, made.gone):
        yield made
