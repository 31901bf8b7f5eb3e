"""Checks that a text is data: in JSON, in headers and in log lines."""

import json
import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from markdown_it import MarkdownIt

from testing.provider import Handler, completion
from testing.servers import free_port
from testing.stack import Stack
from testing.waiting import HANG

ROADMAPS = "/api/v1/roadmaps"
FORGED = "forged-4c1d"
# NUL, colours, a window's title, an 8-bit CSI, two directions
ESCAPES = "\x00\x1b[31m\x1b]0;owned\x07\x9b2J\u202e\u2066"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SCRIPT = "<script>alert(1)</script>"
PICTURE = '"><img src=x onerror=alert(1)>'


def assert_is_data(answer: httpx2.Response) -> None:
    """JSON, or a stream of JSON, which no browser takes for a page."""
    kind = answer.headers["content-type"].split(";")[0]
    assert kind in ("application/json", "application/problem+json", "text/event-stream"), answer.url
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert_no_header_is_forged(answer.headers.multi_items())
    if kind == "text/event-stream":
        lines = answer.text.split("\n")
        assert [
            line
            for line in lines
            if line and not line.startswith(("retry: ", "id: ", "event: ", "data: ", ": "))
        ] == []
        assert [
            line
            for line in lines
            if line.startswith("event: ") and not re.fullmatch(r"event: [a-z._]+", line)
        ] == []
    else:
        answer.json()


def assert_no_header_is_forged(headers: list[tuple[str, str]]) -> None:
    assert headers != []
    assert [(name, value) for name, value in headers if FORGED in f"{name}{value}".lower()] == []
    assert [value for _, value in headers if not value.isprintable()] == []


def texts(value: Any) -> Iterator[str]:
    """All in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def harmful(text: str) -> bool:
    return any(
        (unicodedata.category(each) == "Cc" and each not in "\n\t") or each in BIDI for each in text
    )


def printed(stack: Stack) -> list[str]:
    """Split the logs of a stack into lines, wherever a terminal or a reader begins a new one."""
    files = [*stack.folder.rglob("*.log"), *(service.log for service in stack.services.values())]
    lines = [
        line
        for file in set(files)
        for line in re.split(r"[\r\n\x0b\x0c\x85\u2028\u2029]", file.read_text(errors="replace"))
    ]
    assert any("huey@content ready" in line for line in lines)
    return lines


def assert_no_line_is_forged(stack: Stack) -> None:
    assert [
        line for line in printed(stack) if re.match(rf"\W*(ERROR|X|event)?\W*{FORGED}", line)
    ] == []


def concepts_of(tree: dict) -> list[dict]:
    return [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def answers_about(stack: Stack, path: str, concepts: int | None = None) -> list[httpx2.Response]:
    """Return every answer about a finished roadmap, or about so many of its concepts."""
    tree = stack.get(path).json()
    places = [
        path,
        f"{path}/revisions",
        f"{path}/revisions/1",
        f"{path}/receipt",
        f"{path}/logs?limit=100",
        f"{ROADMAPS}?limit=100",
    ]
    places.append(f"{path}/events")
    for concept in concepts_of(tree)[:concepts]:
        its = f"{path}/concepts/{concept['id']}"
        places.append(its)
        for kind, content in concept["contents"].items():
            places += [
                f"{its}/{kind}/versions",
                *(f"{its}/{kind}/versions/{n + 1}" for n in range(content["version"])),
            ]
    with httpx2.Client(base_url=stack.url, headers=stack.headers, timeout=HANG) as client:
        answers = [client.get(place) for place in places]
    assert {answer.status_code for answer in answers} == {200}
    return answers


MARKDOWN = f"""# Read {SCRIPT}

<img src=x onerror=alert(1)> <iframe src="javascript:alert(1)"></iframe> <!-- --!>
<svg onload=alert(1)>
[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](&#106;avascript:alert(1))
[d](<java	script:alert(1)>)
[e](data:text/html;base64,PHNjcmlwdD4=) [f](vbscript:x) [g](file:///etc/passwd) [h](//example.org/x)
[i](\x01javascript:alert(1))
![j](https://example.org/pixel.png) ![k](javascript:alert(1)) [![l](x)](javascript:alert(1))
<javascript:alert(1)> <https://example.org/good> [m][n] [o](mailto:a@example.org)
[p](#part) [q](https://example.org/fine)
[r](javascript&colon;alert(1)) [s](\\javascript:alert(1)) [t]( javascript:alert(1)) {ESCAPES}

[n]: javascript:alert(1)
[u]: data:text/html,x "title"
> <script>alert(2)</script>

| a | b |
|---|---|
| <b>x</b> | [v](javascript:alert(1)) |

- <details open ontoggle=alert(1)>

```html
<script>shown()</script>
```
"""
GOOD = {
    "title": "Dough",
    "url": "https://example.org/dough",
    "type": "book",
    "level": "beginner",
    "language": "en",
    "why": "Me.",
}
BAD_ADDRESSES = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "https://example.org@evil.example/",
    "https://user:secret@example.org/",
    "https://example.org/\r\nX-" + FORGED + ": 1",
    "java\x00script:alert(1)",
    "\u202ehttps://example.org@evil.example",
    "file:///etc/passwd",
    "//example.org/x",
    "https:///nowhere",
    "https:\\\\example.org\\@evil.example",
    "ftp://example.org/",
    "not an address",
]
REFUSED = "A goal that is refused"
SHORT = "Learn to bake <b>bread</b>"  # of two parts; others have one for each bad address
STUBBORN = "Part 0"  # the only concept whose bad address the model does not correct
TITLE = f"Baking {SCRIPT}{ESCAPES}"


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A server of this machine that must not be called."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        server.setblocking(False)
        yield server


def assert_no_connection(server: socket.socket) -> None:
    """The kernel takes connections, and keeps them until they are accepted here."""
    with pytest.raises(BlockingIOError):
        server.accept()


class Hostile:
    """Says of every goal the worst that its form allows; resources point to a server at `port`."""

    def __init__(self, port: int) -> None:
        self.inside = f"http://127.0.0.1:{port}/"
        self.bad = [*BAD_ADDRESSES, self.inside.replace("//", "//user@")]

    def answer(self, handler: Handler) -> None:
        messages = handler.asked["messages"]
        if REFUSED in messages[1]["content"]:
            text = f"response_format is not supported\r\nERROR {FORGED}: x\x1b]0;owned\x07\u202e"
            handler.say(400, json.dumps({"error": {"message": text}}).encode())
            return
        facts = json.loads(messages[1]["content"])
        if "goal that breaks" in facts["request"]["goal"]:
            text = f"Broken\r\nERROR {FORGED}: a line\x1b[31m\x1b]0;owned\x07 {SCRIPT} \u202e"
            handler.say(500, json.dumps({"error": {"message": text}}).encode(), **{"X_Note": "1"})
        else:
            handler.say(
                200, completion(json.dumps(self._words(handler, facts, again=len(messages) > 2)))
            )

    def _words(self, handler: Handler, facts: dict, *, again: bool) -> dict:
        match handler.asked["response_format"]["json_schema"]["name"]:
            case "AnalysisDraft":
                evil = [f"{SCRIPT}{ESCAPES}\nERROR {FORGED}"]
                return {"aim": f"To {TITLE}", "known": evil, "subjects": evil, "assumptions": evil}
            case "OutlineDraft":
                return self._outline(2 if SHORT in facts["request"]["goal"] else len(self.bad))
            case "TutorialDraft":
                return {"markdown": f"{MARKDOWN}\n[w]({self.inside}) ![x]({self.inside})\n"}
            case "ResourcesDraft":
                return {"items": self._resources(facts["concept"]["title"], again)}
            case _:
                evil = f"{SCRIPT}{PICTURE}{ESCAPES}"
                options = {
                    "right_options": [f"Right {evil}"],
                    "wrong_options": [f"Wrong {evil}", f"Worse {evil}"],
                }
                return {
                    "questions": [
                        {
                            "prompt": f"Why?\nERROR {FORGED} {evil}",
                            **options,
                            "explanation": f"Because {evil}",
                        }
                    ]
                }

    def _outline(self, parts: int) -> dict:
        concepts = [
            {
                **{
                    "key": f"part-{n}",
                    "title": f"Part {n} {TITLE}",
                    "description": f"What it is.\nERROR {FORGED} {SCRIPT}{ESCAPES}",
                },
                **{
                    "hours": 3,
                    "difficulty": 2,
                    "prerequisites": [],
                    "outcomes": [f"do {SCRIPT}{ESCAPES}"],
                },
            }
            for n in range(parts)
        ]
        half = len(concepts) // 2
        modules = [
            {
                "key": f"module-{n}",
                "title": f"Module {n} {TITLE}",
                "description": f"{SCRIPT}{ESCAPES}",
                "concepts": some,
            }
            for n, some in enumerate((concepts[:half], concepts[half:]))
        ]
        stage = {
            "key": "start",
            "title": f"Stage {TITLE}",
            "description": f"{SCRIPT}{ESCAPES}",
            "modules": modules,
        }
        return {"title": TITLE, "stages": [stage]}

    def _resources(self, title: str, again: bool) -> list[dict]:
        number = int(re.match(r"Part (\d+)", title)[1])
        breaking = {
            "url": "https://example.org/)[y](javascript:alert(1)",
            "title": f"Dough](javascript:alert(1)) {SCRIPT}{ESCAPES}",
        }
        items = [
            GOOD,
            {**GOOD, "url": self.inside},
            {**GOOD, **breaking, "why": f"{SCRIPT}{ESCAPES}"},
        ]
        if not again or title.startswith(f"{STUBBORN} "):
            items.append({**GOOD, "url": self.bad[number]})
        return items


class Made:
    """A stack with a hostile model, which refuses the first request, and its finished roadmap."""

    def __init__(
        self, stack: Stack, inside: socket.socket, hostile: Hostile, model_url: str
    ) -> None:
        self.stack, self.inside, self.hostile, self.model_url = stack, inside, hostile, model_url
        self.refused = stack.finished(
            stack.create(REFUSED)
        )  # before any answer tells in which form the model is asked
        self.path = stack.create("Learn to bake")
        self.tree = stack.finished(self.path)
        self.answers = answers_about(stack, self.path)

    def details(self) -> list[dict]:
        return [
            answer.json()
            for answer in self.answers
            if re.search(r"/concepts/[0-9a-f-]+$", str(answer.url))
        ]


def assert_markdown_is_harmless(markdown: str) -> None:
    """As a program sees it that shows HTML and follows every link."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    pending, links = parser.parse(markdown), []
    while pending:
        token = pending.pop()
        pending += token.children or []
        assert token.type not in ("html_block", "html_inline", "image"), token
        links += [token.attrs["href"]] if token.type == "link_open" else []
    assert [link for link in links if not re.match("https?:|mailto:|#", str(link))] == []
