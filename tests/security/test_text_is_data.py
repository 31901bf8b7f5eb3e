"""Text is data: what a person, a model or a page says comes back as JSON, makes no header, no line of a log, and no request.

The rewriting of Markdown by itself is tested in tests/unit/roadmap/plan/test_markdown_sanitizer.py, bad fields
in tests/integration/web/test_bad_input.py.
"""

import ast
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from huey.registry import Message
from markdown_it import MarkdownIt

from core.backends import signing_keys
from reliable_queue.messages import SignedJsonSerializer
from tests.chaos.checks import dead, queue_of, settings_of
from tests.integration.conftest import KEY, modelled
from tests.integration.provider import Handler, completion, providing
from tests.servers import free_port
from tests.stack import GOAL, PASSWORD, ROOT, Stack, clean_environment
from tests.waiting import wait_until

ROADMAPS = "/api/v1/roadmaps"
FORGED = "forged-4c1d"
ESCAPES = "\x00\x1b[31m\x1b]0;owned\x07\x9b2J\u202e\u2066"  # NUL, colours, a window's title, an 8-bit CSI, two directions
SEEN = "[31m]0;owned2J"  # what is left of them when they have lost their power
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SCRIPT = "<script>alert(1)</script>"
PICTURE = '"><img src=x onerror=alert(1)>'

server_only = pytest.mark.parametrize("stack", ["server"], indirect=True)

# Goals that the built-in catalogue takes, each with something that is more than text elsewhere.
GOALS = {
    "a script": f"{GOAL} {SCRIPT}",
    "a picture": f"{PICTURE} {GOAL}",
    "a link": f"{GOAL} [click](javascript:alert(1))",
    "a template": f"{GOAL} {{{{7*7}}}} ${{7*7}} {{0.__class__}} %s %n %(levelname)s [bold red]x[/]",
    "a statement": f"{GOAL}'); DROP TABLE account; --",
    "a line of a log": f"{GOAL}\nERROR   {FORGED}: a line of somebody else",
    "a header": f"{GOAL}\r\nX-{FORGED}: 1\r\n\r\n<html>{SCRIPT}",
    "an event": f"{GOAL}\n\nevent: {FORGED}\ndata: {{}}",
    "other directions and ends of lines": f"{GOAL} \u202egpj.exe\u2066 \u2028ERROR {FORGED}\u2029.",
}
CONTROLS = {
    "NUL": "\x00",
    "ESC": "\x1b[31m",
    "BEL": "\x07",
    "an 8-bit CSI": "\x9b2J",
    "NEL": "\x85ERROR",
    "DEL": "\x7f",
}


# What every answer is


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
    """Every line of every log of a stack; where a terminal or a reader of logs begins a new one, too."""
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


def told_of(stack: Stack, path: str, concepts: int | None = None) -> list[httpx2.Response]:
    """Every answer that tells something of a finished roadmap, or of so many of its concepts."""
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
    with httpx2.Client(base_url=stack.url, headers=stack.headers, timeout=30) as client:
        answers = [client.get(place) for place in places]
    assert {answer.status_code for answer in answers} == {200}
    return answers


# What a person says


def test_a_goal_comes_back_as_it_was_and_as_data(stack: Stack, subtests: pytest.Subtests) -> None:
    paths = {}
    for name, goal in GOALS.items():
        with subtests.test("accepted", goal=name):
            fields = dict.fromkeys(("goal", "background", "motivation", "preferences"), goal)
            answer = stack.post(ROADMAPS, json={**fields, "review": True})
            assert answer.status_code == 202, answer.text
            assert_is_data(answer)
            paths[name] = answer.headers["location"]
            assert re.fullmatch(r"/api/v1/roadmaps/[0-9a-f-]{36}", paths[name])
    listed = stack.get(f"{ROADMAPS}?limit=100")
    assert_is_data(listed)
    goals = {item["id"]: item["goal"] for item in listed.json()["items"]}
    for name, path in paths.items():
        with subtests.test("told", goal=name):
            wait_until(
                lambda path=path: stack.get(path).json()["status"] == "awaiting_review",
                reason="a plan",
            )
            assert_is_data(stack.post(f"{path}/cancel"))  # it ends its events
            read, *others = [
                stack.get(f"{path}{place}") for place in ("", "/events", "/logs", "/revisions/1")
            ]
            for each in (read, *others):
                assert each.status_code == 200
                assert_is_data(each)
            assert read.json()["goal"] == goals[path.rpartition("/")[2]] == GOALS[name]
    assert_no_line_is_forged(stack)


@pytest.mark.parametrize("field", ["goal", "background", "motivation", "preferences"])
def test_a_control_character_is_refused_and_not_repeated(
    stack: Stack, field: str, subtests: pytest.Subtests
) -> None:
    for name, control in CONTROLS.items():
        with subtests.test(control=name):
            answer = stack.post(ROADMAPS, json={"goal": GOAL, field: f"{GOAL}{control} {FORGED}"})
            assert answer.status_code == 422, answer.text
            assert_is_data(answer)
            assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{field}"]
            assert FORGED not in answer.text


def test_a_title_that_a_person_gives_is_data(stack: Stack) -> None:
    path = stack.create(review=True)
    tree = wait_until(
        lambda: (read := stack.get(path).json())["status"] == "awaiting_review" and read,
        reason="a plan",
    )
    title, description = (
        f"{SCRIPT}{PICTURE}\r\nX-{FORGED}: 1",
        f"[x](javascript:alert(1))\nERROR {FORGED}",
    )
    operation = {
        "op": "rewrite",
        "what": "stage",
        "key": tree["stages"][0]["key"],
        "title": title,
        "description": description,
    }
    answer = stack.post(f"{path}/edits", json={"operations": [operation]})
    assert answer.status_code == 202, answer.text
    assert_is_data(answer)
    stage = stack.get(path).json()["stages"][0]
    assert (stage["title"], stage["description"]) == (title, description)
    for told in (
        stack.get(path),
        stack.get(f"{path}/revisions/2"),
        stack.get(f"{path}/revisions/2/diff"),
    ):
        assert_is_data(told)
        assert title in list(texts(told.json()))
    bad = stack.post(f"{path}/edits", json={"operations": [{**operation, "title": f"A{ESCAPES}"}]})
    assert bad.status_code == 422
    assert_is_data(bad)
    assert_no_line_is_forged(stack)


@server_only
def test_names_are_data(stack: Stack) -> None:
    name = f"{SCRIPT}{PICTURE} \u4f60 {{{{7*7}}}}"
    person = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "name": name}
    made = stack.post("/api/v1/auth/register", json=person)
    assert made.status_code == 201
    own = {
        "Authorization": f"Bearer {made.json()['access_token']}",
        "User-Agent": f"{SCRIPT} {FORGED}",
    }
    key = stack.post("/api/v1/api-keys", json={"name": name}, headers=own)
    assert key.status_code == 201
    stack.post(
        "/api/v1/auth/login", json={key: person[key] for key in ("email", "password")}, headers=own
    )
    me, keys, logins = (
        stack.get(f"/api/v1/{place}", headers=own)
        for place in ("auth/me", "api-keys", "auth/sessions")
    )
    for answer in (made, key, me, keys, logins):
        assert_is_data(answer)
    assert (made.json()["user"]["name"], me.json()["name"]) == (name, name)
    assert [item["name"] for item in keys.json()["items"]] == [name]
    assert f"{SCRIPT} {FORGED}" in [item["user_agent"] for item in logins.json()["items"]]


@server_only
def test_ends_of_lines_and_escapes_in_names_and_addresses_are_refused(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    person = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "name": "Ada"}
    for evil in (f"\r\nX-{FORGED}: 1", f"\nERROR {FORGED}", "\x1b]0;owned\x07", "\x00"):
        for place, fields in {
            "auth/register": {**person, "name": f"Ada{evil}"},
            "auth/register ": {**person, "email": f"ada{evil}@example.org"},
            "auth/login": {"email": f"ada{evil}@example.org", "password": PASSWORD},
            "api-keys": {"name": f"key{evil}"},
        }.items():
            with subtests.test(place=place, evil=evil):
                answer = stack.post(f"/api/v1/{place.strip()}", json=fields)
                assert answer.status_code == 422, answer.text
                assert_is_data(answer)
                assert FORGED not in answer.text
    assert_no_line_is_forged(stack)


@server_only
def test_a_password_may_be_any_text_and_is_printed_nowhere(stack: Stack) -> None:
    password = f"a long passphrase\nERROR {FORGED}\r\nX-{FORGED}: 1 {SCRIPT}\x1b[31m"
    person = {"email": f"{uuid4().hex}@example.org", "password": password}
    answers = [
        stack.post("/api/v1/auth/register", json=person),
        stack.post("/api/v1/auth/login", json=person),
    ]
    wrong = stack.post("/api/v1/auth/login", json={**person, "password": f"\nERROR {FORGED}"})
    assert ([answer.status_code for answer in answers], wrong.status_code) == ([201, 200], 401)
    for answer in (*answers, wrong):
        assert_is_data(answer)
        assert FORGED not in answer.text
    assert [line for line in printed(stack) if FORGED in line] == []


# What stands on the wire


def raw(
    stack: Stack, target: bytes, *headers: bytes, method: bytes = b"GET"
) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and body of an answer to a request that no client would send."""
    own = [f"{name}: {value}".encode() for name, value in stack.headers.items()]
    lines = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        *own,
        *headers,
        b"",
        b"",
    ]
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall(b"\r\n".join(lines))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    assert [field for field in fields if not re.fullmatch(r"[A-Za-z-]+: [\x20-\x7e]*", field)] == []
    return (
        int(status.split()[1]),
        [(name.lower(), value) for name, _, value in (field.partition(": ") for field in fields)],
        body.decode(),
    )


TARGETS = [
    f"/%0d%0aX-{FORGED}:%201",
    f"/%0AERROR%20{FORGED}",
    f"{ROADMAPS}/%0d%0aX-{FORGED}:%201",
    f"{ROADMAPS}/%0AERROR%20{FORGED}/events",
    f"{ROADMAPS}?cursor=%0d%0aX-{FORGED}:%201",
    f"{ROADMAPS}?status=%0AERROR%20{FORGED}",
    f"{ROADMAPS}?%0d%0aX-{FORGED}=1",
    f"/{SCRIPT}",
    "/%1b%5d0;owned%07",
    "/%00",
    "/%ff%fe%c0%ae",
    f"/health?%0AERROR%20{FORGED}=1",
]


def test_a_path_and_a_query_make_no_header_and_no_line(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    for target, method in itertools.product(TARGETS, (b"GET", b"POST", b"DELETE")):
        with subtests.test(target=target, method=method):
            status, headers, body = raw(stack, target.encode(), b"Content-Length: 0", method=method)
            assert 400 <= status < 500
            assert_no_header_is_forged(headers)
            if status != 400:  # else it is the server below, which did not take it for HTTP
                assert dict(headers)["content-type"] == "application/problem+json"
                assert dict(headers)["x-content-type-options"] == "nosniff"
                assert [text for text in texts(json.loads(body)) if text.startswith("<")] == []
    assert_no_line_is_forged(stack)


def test_a_category_with_an_end_of_line_stays_in_its_parameter(stack: Stack) -> None:
    path = stack.create(review=True)
    wait_until(
        lambda: stack.get(f"{path}/logs?limit=1").headers.get("link"),
        reason="more than one record is stored",
    )
    for evil in (
        f"%0d%0aX-{FORGED}:%201",
        f"api%0AERROR%20{FORGED}",
        f"%3E;rel=%22{FORGED}%22,%3Chttp:",
    ):
        status, headers, body = raw(stack, f"{path}/logs?limit=1&category={evil}".encode())
        assert (status, json.loads(body)["items"]) == (200, [])
        assert_no_header_is_forged(headers)
    assert_no_line_is_forged(stack)


EVIL_VALUES = {
    "an end of a line": b"a\nX-%b: 1",
    "an end of a line and a header": b"a\r\nX-%b: 1",
    "a carriage return": b"a\rX-%b: 1",
    "a folded line": b"a\r\n X-%b: 1",
    "encoded": b"a%%0d%%0aX-%b:%%201",
    "escaped": b"a\\r\\nX-%b: 1",
    "a letter that ends lines elsewhere": "a\u0085X-%b: 1".encode("latin-1"),
    "a letter of two bytes": "a\u560d\u560aX-%b".encode(),
    "an escape sequence": b"a\x1b]0;%b\x07",
    "NUL": b"a\x00X-%b: 1",
    "a page": b"<script>%b</script>",
    "a very long one": b"a" * 5000 + b"%b",
}


def test_a_header_of_the_request_makes_none_of_the_answer(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    names = (
        b"X-Request-ID",
        b"Last-Event-ID",
        b"If-None-Match",
        b"User-Agent",
        b"Accept",
        b"Origin",
    )
    for (kind, value), name in itertools.product(EVIL_VALUES.items(), names):
        with subtests.test(name=name, value=kind):
            place = (
                f"{ROADMAPS}/{uuid4()}/events" if name == b"Last-Event-ID" else "/api/v1/auth/me"
            )
            status, headers, body = raw(
                stack, place.encode(), name + b": " + value % FORGED.encode()
            )
            assert_no_header_is_forged(headers)
            assert FORGED not in body.lower()
            assert status in (200, 400, 404, 422, 431)
    assert_no_line_is_forged(stack)


def test_a_request_id_that_is_harmless_is_the_only_one_that_is_repeated(stack: Stack) -> None:
    assert (
        stack.get("/health", headers={"X-Request-ID": "a.b_c-1"}).headers["x-request-id"]
        == "a.b_c-1"
    )
    for given in (f"<{FORGED}>", f"{FORGED} b", f"{FORGED}%0a", FORGED * 20, f"{FORGED}:1"):
        answer = stack.get("/nowhere", headers={"X-Request-ID": given})
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


# What a model says

MARKDOWN = f"""# Read {SCRIPT}

<img src=x onerror=alert(1)> <iframe src="javascript:alert(1)"></iframe> <!-- --!> <svg onload=alert(1)>
[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](&#106;avascript:alert(1)) [d](<java	script:alert(1)>)
[e](data:text/html;base64,PHNjcmlwdD4=) [f](vbscript:x) [g](file:///etc/passwd) [h](//example.org/x) [i](\x01javascript:alert(1))
![j](https://example.org/pixel.png) ![k](javascript:alert(1)) [![l](x)](javascript:alert(1))
<javascript:alert(1)> <https://example.org/good> [m][n] [o](mailto:a@example.org) [p](#part) [q](https://example.org/fine)
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
SHORT = "Learn to bake <b>bread</b>"  # of two parts; every other goal has as many as there are bad addresses
STUBBORN = "Part 0"  # the only concept whose bad address the model does not correct
TITLE = f"Baking {SCRIPT}{ESCAPES}"
SEEN_TITLE = f"Baking {SCRIPT}{SEEN}"


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A server of this machine that nobody should call."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        server.setblocking(False)
        yield server


def assert_nobody_connected(server: socket.socket) -> None:
    """The kernel takes connections, and keeps them until they are accepted here."""
    with pytest.raises(BlockingIOError):
        server.accept()


class Hostile:
    """Says of every goal the worst that its form allows; `port` is of a server that resources point to."""

    def __init__(self, port: int) -> None:
        self.inside = f"http://127.0.0.1:{port}/"
        self.bad = [*BAD_ADDRESSES, self.inside.replace("//", "//user@")]

    def answer(self, handler: Handler) -> None:
        messages = handler.asked["messages"]
        if REFUSED in messages[1]["content"]:
            said = f"response_format is not supported\r\nERROR {FORGED}: x\x1b]0;owned\x07\u202e"
            handler.say(400, json.dumps({"error": {"message": said}}).encode())
            return
        facts = json.loads(messages[1]["content"])
        if "goal that breaks" in facts["request"]["goal"]:
            said = f"Broken\r\nERROR {FORGED}: a line\x1b[31m\x1b]0;owned\x07 {SCRIPT} \u202e"
            handler.say(500, json.dumps({"error": {"message": said}}).encode(), **{"X_Note": "1"})
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
    """A stack with a hostile model, which refuses the first request, and one roadmap of it that is finished."""

    def __init__(
        self, stack: Stack, inside: socket.socket, hostile: Hostile, model_url: str
    ) -> None:
        self.stack, self.inside, self.hostile, self.model_url = stack, inside, hostile, model_url
        self.refused = stack.finished(
            stack.create(REFUSED)
        )  # before any answer tells in which form the model is asked
        self.path = stack.create("Learn to bake")
        self.tree = stack.finished(self.path)
        self.told = told_of(stack, self.path)

    def details(self) -> list[dict]:
        return [
            answer.json()
            for answer in self.told
            if re.search(r"/concepts/[0-9a-f-]+$", str(answer.url))
        ]


# One mode a day: both take a model's words in the same code. PostgreSQL is the one that refuses a text with a NUL.
@pytest.fixture(scope="module", params=[pytest.param("embedded", marks=pytest.mark.long), "server"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    with listening() as inside:
        hostile = Hostile(inside.getsockname()[1])
        with providing(hostile.answer) as serving:
            own = SimpleNamespace(base_url=lambda: serving.url)
            with modelled(request, own, tmp_path_factory) as stack:
                yield Made(stack, inside, hostile, serving.url)


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


def test_every_answer_about_what_a_model_wrote_is_data_without_what_moves_a_terminal(
    made: Made,
) -> None:
    for answer in made.told:
        assert_is_data(answer)
    found = [json.loads(data) for answer in made.told for data in json_of(answer)]
    assert len(found) > 100
    assert [text for value in found for text in texts(value) if harmful(text)] == []


def json_of(answer: httpx2.Response) -> list[str]:
    if answer.headers["content-type"].startswith("text/event-stream"):
        return [
            line.removeprefix("data: ")
            for line in answer.text.splitlines()
            if line.startswith("data: ")
        ]
    return [answer.text]


def test_the_words_of_a_model_stay_as_they_are_but_for_what_moves_a_terminal(made: Made) -> None:
    tree = made.tree
    assert (tree["title"], tree["analysis"]["aim"]) == (SEEN_TITLE, f"To {SEEN_TITLE}")
    assert tree["analysis"]["known"] == [f"{SCRIPT}{SEEN} ERROR {FORGED}"]
    assert tree["stages"][0]["title"] == f"Stage {SEEN_TITLE}"
    assert {concept["description"] for concept in concepts_of(tree)} == {
        f"What it is.\nERROR {FORGED} {SCRIPT}{SEEN}"
    }
    assert {concept["title"] for concept in concepts_of(tree)} == {
        f"Part {n} {SEEN_TITLE}" for n in range(len(made.hostile.bad))
    }
    evil = f"{SCRIPT}{PICTURE}{SEEN}"
    for detail in made.details():
        [question] = detail["quiz"]["questions"]
        assert question["prompt"] == f"Why?\nERROR {FORGED} {evil}"
        assert set(question["options"]) == {f"Right {evil}", f"Wrong {evil}", f"Worse {evil}"}


def test_a_tutorial_has_no_html_no_image_and_no_target_but_the_web_mail_and_itself(
    made: Made,
) -> None:
    tutorials = [detail["tutorial"]["markdown"] for detail in made.details()]
    assert len(tutorials) == len(made.hostile.bad)
    for markdown in tutorials:
        assert_markdown_is_harmless(markdown)
        assert "```html\n<script>shown()</script>\n```" in markdown  # code stays
        for kept in (
            "(mailto:a@example.org)",
            "(#part)",
            "(https://example.org/fine)",
            "<https://example.org/good>",
        ):
            assert kept in markdown


def test_the_check_of_markdown_sees_what_is_harmful() -> None:
    for text in (
        "<b>x</b>",
        "a <b>",
        "![a](https://example.org)",
        "[a](javascript:x)",
        "<javascript:x>",
        "[a]\n\n[a]: data:x",
    ):
        with pytest.raises(AssertionError):
            assert_markdown_is_harmless(text)
    with pytest.raises(AssertionError):
        assert_markdown_is_harmless(MARKDOWN)


def test_a_link_is_to_the_web_and_without_a_user(made: Made) -> None:
    links = [item["url"] for detail in made.details() for item in detail["resources"] or []]
    assert made.hostile.inside in links  # data like any other
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert "@" not in parts.netloc
        assert not re.search(r"\s", link)
    said = {
        text for answer in made.told for data in json_of(answer) for text in texts(json.loads(data))
    }
    assert made.hostile.inside in said  # the versions too
    assert said & set(made.hostile.bad) == set()
    stubborn = [detail for detail in made.details() if detail["title"].startswith(f"{STUBBORN} ")]
    assert [
        (detail["resources"], detail["contents"]["resources"]["status"]) for detail in stubborn
    ] == [(None, "failed")]
    assert (made.tree["status"], made.tree["progress"]["failed"]) == ("partial", 1)


def test_what_a_person_wishes_of_a_model_is_data(made: Made) -> None:
    """Feedback and instructions go the way of a goal."""
    wish = f"Make it {SCRIPT}\nERROR {FORGED}\r\nX-{FORGED}: 1"
    concept = concepts_of(made.tree)[0]
    answer = made.stack.post(
        f"{made.path}/concepts/{concept['id']}/quiz/regenerate", json={"instructions": wish}
    )
    assert answer.status_code == 202, answer.text
    assert_is_data(answer)
    versions = f"{made.path}/concepts/{concept['id']}/quiz/versions"
    wait_until(
        lambda: len(made.stack.get(versions).json()["items"]) == 2, reason="a second version"
    )
    assert_is_data(made.stack.get(versions))
    assert wish in list(texts(made.stack.get(versions).json()))
    refused = made.stack.post(f"{made.path}/revise", json={"feedback": f"Shorter{ESCAPES}"})
    assert refused.status_code == 422
    assert_is_data(refused)


def test_what_a_model_writes_makes_no_line_of_a_log(made: Made) -> None:
    assert_no_line_is_forged(made.stack)
    lines = [
        line for line in printed(made.stack) if "the model is asked in a simpler way" not in line
    ]  # of a provider's words
    assert [line for line in lines if harmful(line) or FORGED in line] == []


def test_what_a_provider_says_of_its_failure_is_data(made: Made) -> None:
    path = made.stack.create("A goal that breaks")
    tree = made.stack.finished(path)
    assert tree["status"] == "failed"
    assert SCRIPT in tree["error"]
    answers = [
        made.stack.get(place)
        for place in (path, f"{path}/logs", f"{path}/events", f"{path}/receipt", ROADMAPS)
    ]
    for answer in answers:
        assert_is_data(answer)
    assert_no_line_is_forged(made.stack)


def test_what_a_provider_says_while_it_refuses_makes_no_line_and_moves_no_terminal(
    made: Made,
) -> None:
    assert made.refused["status"] == "failed"
    assert "response_format is not supported" in made.refused["error"]
    assert not harmful(made.refused["error"])
    assert [line for line in printed(made.stack) if harmful(line)] == []
    assert_no_line_is_forged(made.stack)


# What is not called


def test_a_resource_of_this_machine_is_told_and_never_fetched(made: Made) -> None:
    for answer in told_of(made.stack, made.path):
        assert answer.status_code == 200
    assert_nobody_connected(made.inside)


def test_a_goal_with_addresses_makes_no_connection(stack: Stack) -> None:
    with listening() as inside:
        address = f"http://127.0.0.1:{inside.getsockname()[1]}/"
        evil = {"background": f"![x]({address})", "preferences": f'<img src="{address}">'}
        path = stack.create(f"{GOAL} from {address}", level="advanced", **evil)
        stack.finished(path)
        for answer in told_of(stack, path, concepts=5):
            assert answer.status_code == 200
        assert_nobody_connected(inside)
        with closing(socket.create_connection(inside.getsockname())):  # it would have been noticed
            accepted, _ = inside.accept()
            accepted.close()


HTTP_CLIENTS = {
    "httpx",
    "httpx2",
    "openai",
    "requests",
    "urllib.request",
    "urllib3",
    "http.client",
    "aiohttp",
    "websockets",
    "pycurl",
    "socket",
}
CLIENTS = {
    ("roadmap/generation/llm/client.py", "httpx2"),
    ("roadmap/generation/llm/client.py", "openai"),
}
OWN_ADDRESS = {("core/startup/banner.py", "http.client")}  # asks whether this very service answers
WEBHOOKS = {
    ("core/net/safe_http.py", "socket")
}  # to addresses that are checked: tests/security/test_webhooks.py
OWN_INTERFACES = {
    ("core/net/own_addresses.py", "socket")
}  # binds, to see whether an address is this machine's
LISTENS = {("core/startup/preflight.py", "socket")}  # tries whether the address of the API is free


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it and in whatever way, also by its name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            yield from (
                each.value
                for each in node.args
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def test_nothing_but_the_model_client_webhooks_and_links_can_ask_another_server() -> None:
    rooms = ("core", "reliable_queue", "models", "roadmap", "tasks", "web")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")] + [
        ROOT / "roadmap_app.py"
    ]
    assert len(files) > 60
    found = {
        (str(file.relative_to(ROOT)), client)
        for file in files
        for name in imported(file)
        for client in HTTP_CLIENTS
        if f"{name}.".startswith(f"{client}.")
    }
    assert found == CLIENTS | OWN_ADDRESS | WEBHOOKS | OWN_INTERFACES | LISTENS


def test_the_announcement_asks_this_machine_and_nobody_else() -> None:
    calls = [
        ast.unparse(node)
        for node in ast.walk(ast.parse((ROOT / "core" / "startup" / "banner.py").read_text()))
        if isinstance(node, ast.Call) and "http.client" in ast.unparse(node.func)
    ]
    assert calls == ["http.client.HTTPConnection('127.0.0.1', settings.port, timeout=2)"]


# The command line


def test_dead_letters_are_listed_without_what_moves_a_terminal(made: Made) -> None:
    evil = f"\x1b]0;owned\x07\x1b[31m\x9b2J\u202e{FORGED}[bold]x[/]"
    keys = signing_keys(settings_of(made.stack))

    def signed(queue: str, name: str, *arguments: object) -> bytes:
        message = Message(id=str(uuid4()), name=name, args=arguments, kwargs={}, retries=0)
        return bytes(SignedJsonSerializer(keys, salt=queue).seal(message, None, {}))

    letters = {
        "content": [evil.encode(), signed("content", "tasks.content.build_content", evil)],
        "logs": [
            b"\x1b[2J\x9b" + evil.encode(),
            signed("logs", "tasks.logs.store_log_batch", [{"at": evil, "message": evil}]),
        ],
    }
    for name, messages in letters.items():
        with queue_of(made.stack, name) as queue:
            for data in messages:
                queue.storage.enqueue(data)
            wait_until(
                lambda queue=queue: queue.storage.stats().dead == 2,
                reason=f"the letters of {name} are put aside",
            )
        said = dead(made.stack, "dead", "--queue", name)
        assert (said.code, said.errors) == (0, "")
        assert FORGED in said.output
        assert harmful(said.output) is False
    assert [line for line in printed(made.stack) if harmful(line)] == []


def test_the_demo_prints_and_writes_a_hostile_roadmap_as_text(made: Made, tmp_path: Path) -> None:
    said = demo(made, tmp_path, SHORT)
    assert said.returncode == 1  # as one part of it has failed
    assert f"Baking {SCRIPT}" in said.stdout
    assert harmful(said.stdout + said.stderr) is False
    written = (tmp_path / "roadmap.md").read_text()
    assert harmful(written) is False
    assert made.hostile.inside in written
    assert_markdown_is_harmless(written)
    assert_nobody_connected(made.inside)


def test_the_demo_refuses_a_goal_that_would_move_the_terminal(made: Made, tmp_path: Path) -> None:
    said = demo(made, tmp_path, "Learn to bake\x1b]0;owned\x07\x9b2J")
    assert said.returncode == 1
    assert said.stderr == "Error: goal: must not contain control characters\n"
    assert not (tmp_path / "roadmap.md").exists()


def demo(made: Made, folder: Path, goal: str) -> "subprocess.CompletedProcess[str]":
    """`roadmap_cli.py demo -- goal`, in embedded mode, with the hostile model."""
    model = {
        name: value
        for name, value in made.stack.environment.items()
        if name.startswith(("OPENAI_", "MODEL_", "MAX_", "RETRY_"))
    }
    environment = {
        **clean_environment(),
        **model,
        "OPENAI_BASE_URL": made.model_url,
        "OPENAI_API_KEY": KEY,
        "COLUMNS": "300",
    }
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    command = [sys.executable, str(ROOT / "roadmap_cli.py"), "demo", "--", goal]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_what_moves_a_terminal_is_in_no_name_and_no_address(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    """An operator lists them in one."""
    address = f"{uuid4().hex}@example.org"
    for evil in ("\x7f", "\x9b2J", "\x85", "\u202e", "\u2066", "\u200e", "\u061c"):
        with subtests.test(evil=evil):
            for fields in (
                {"email": f"a{evil}{address}"},
                {"email": address, "name": f"Ada{evil}"},
            ):
                answer = stack.post("/api/v1/auth/register", json={"password": PASSWORD, **fields})
                assert answer.status_code == 422
                assert not harmful(answer.text)
            if stack.mode == "server":
                assert stack.post("/api/v1/api-keys", json={"name": f"CI{evil}"}).status_code == 422


def test_no_two_addresses_look_the_same_by_what_cannot_be_seen(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    for hidden in ("\u200b", "\u00ad", "\u2060", "\U000e0041", "\u200d", "\u0301\u0301"):
        with subtests.test(hidden=hidden):
            email = f"a{hidden}{uuid4().hex}@example.org"
            answer = stack.post(
                "/api/v1/auth/register", json={"email": email, "password": PASSWORD}
            )
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/email")


def test_spellings_that_are_compatible_are_one_address(stack: Stack) -> None:
    name = uuid4().hex
    person = {"password": PASSWORD, "email": f"e\u0301{name}@example.org"}
    assert stack.post("/api/v1/auth/register", json=person).status_code == 201
    for same in (
        f"\u00e9{name}@example.org",
        f"\u00c9{name}@EXAMPLE.org",
        f"\u00e9{name}@\uff45xample.org",
    ):
        assert (
            stack.post("/api/v1/auth/register", json={**person, "email": same}).status_code == 409
        )


def test_an_address_that_grows_when_it_is_written_small_is_measured_then(stack: Stack) -> None:
    answer = stack.post(
        "/api/v1/auth/register",
        json={"email": "\u0130" * 200 + "@example.org", "password": PASSWORD},
    )
    assert answer.status_code == 422
