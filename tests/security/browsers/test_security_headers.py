"""Security headers of every kind of response."""

import re
import uuid
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from core.ids import new_id
from core.settings import SettingsError, from_environment
from roadmap.lifecycle.reading import queries
from testing.stack import GOAL, MONITOR, PASSWORD, Stack
from testing.waiting import HANG
from tests.security.browsers.visitors import (
    EVERY,
    STRANGER,
    WRONG,
    Visitor,
    assert_careful,
    cursor_of,
    in_server_mode,
    send,
)
from web.endpoints.endpoint import API
from web.http.middleware import hsts
from web.routes import PAGES

PEOPLE = {"Accept": "text/html"}


def test_names_below_are_held_to_tls_only_where_an_operator_says_so() -> None:
    server = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    both = [server.model_copy(update={"hsts_include_subdomains": each}) for each in (False, True)]
    found = [hsts(each)["Strict-Transport-Security"] for each in both]
    assert found == ["max-age=31536000", "max-age=31536000; includeSubDomains"]
    assert from_environment(
        {"SERVICE_TYPE": "all", "HSTS_INCLUDE_SUBDOMAINS": "true"}
    ).hsts_include_subdomains
    with pytest.raises(SettingsError, match="HSTS_INCLUDE_SUBDOMAINS: must be true or false"):
        from_environment({"SERVICE_TYPE": "all", "HSTS_INCLUDE_SUBDOMAINS": "maybe"})


ANSWERS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "an index": (200, "GET", "/", {}),
    "a probe": (200, "GET", "/health", {}),
    "readiness": (200, "GET", "/health/ready", {}),
    "counts": (
        200,
        "GET",
        "/metrics",
        {"headers": {"Authorization": f"Bearer {MONITOR['METRICS_TOKEN']}"}},
    ),
    "a tree": (200, "GET", "{path}", {}),
    "only the head of it": (200, "HEAD", "{path}", {}),
    "what is known already": (304, "GET", "{path}", {"headers": {"If-None-Match": "{etag}"}}),
    "a new account": (
        201,
        "POST",
        f"{API}/auth/register",
        {"json": {"email": "{name}@example.org", "password": PASSWORD}},
    ),
    "an accepted goal": (202, "POST", f"{API}/roadmaps", {"json": {"goal": GOAL, "review": True}}),
    "no content": (204, "GET", "{path}/events", {"headers": {"Last-Event-ID": "{last}"}}),
    "a page": (200, "GET", "/roadmaps", {"headers": PEOPLE}),
    "a page that is not there": (404, "GET", f"/roadmaps/{new_id()}", {"headers": PEOPLE}),
    "a form that does not fit": (
        422,
        "POST",
        "/roadmaps",
        {"headers": PEOPLE, "data": {"goal": ""}},
    ),
    "a form that leads on": (303, "POST", "/look", {"headers": PEOPLE, "data": {"theme": "dark"}}),
    "what is no JSON": (
        400,
        "POST",
        f"{API}/roadmaps",
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
    ),
    "a wrong password": (401, "POST", f"{API}/auth/login", {"json": WRONG}),
    "another name": (403, "GET", "/", {"headers": {"Host": "evil.example"}}),
    "a page elsewhere": (
        403,
        "POST",
        f"{API}/auth/login",
        {"json": WRONG, "headers": {"Origin": STRANGER}},
    ),
    "Not found": (404, "GET", f"{API}/roadmaps/{new_id()}", {}),
    "no such page": (404, "GET", "/<script>alert(1)</script>", {}),
    "no such method": (405, "DELETE", f"{API}/roadmaps", {}),
    "a method of browsers": (204, "OPTIONS", f"{API}/roadmaps", {"headers": {"Origin": STRANGER}}),
    "a state that does not allow it": (409, "POST", "{path}/cancel", {}),
    "too much": (413, "POST", f"{API}/roadmaps", {"json": {"goal": "x" * 270_000}}),
    "another type": (
        415,
        "POST",
        f"{API}/roadmaps",
        {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    ),
    "what does not fit": (422, "POST", f"{API}/roadmaps", {"json": {"goal": ""}}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_kind_of_answer_makes_browsers_careful(
    stack: Stack, details: dict[str, str], kind: str
) -> None:
    status, method, path, options = ANSWERS[kind]
    words = {**details, "name": uuid.uuid4().hex}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(inner) for name, inner in value.items()}
        return (
            re.sub(r"{(path|etag|name|last)}", lambda match: words[match[1]], value)
            if isinstance(value, str)
            else value
        )

    answer = stack.request(method, filled(path), **filled(options))
    assert answer.status_code == status, answer.text
    assert_careful(answer.headers, embedded=stack.mode == "embedded")
    if status >= 400:
        for_people = "Accept" in options.get("headers", {})
        assert answer.headers["content-type"] == (
            "text/html; charset=utf-8" if for_people else "application/problem+json"
        )


@in_server_mode
def test_a_401_makes_browsers_careful(stack: Stack) -> None:
    answer = send(stack, "GET", f"{API}/roadmaps")
    assert answer.status_code == 401
    assert_careful(answer.headers, embedded=False)


def test_a_stream_makes_browsers_careful(stack: Stack, finished: str) -> None:
    with httpx2.stream(
        "GET", f"{stack.url}{finished}/events", headers=stack.headers, timeout=HANG
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert_careful(answer.headers, embedded=stack.mode == "embedded")
        assert "event: roadmap" in "".join(answer.iter_text())


def test_an_answer_to_our_own_mistake_makes_browsers_careful(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a detail that stays inside")

    monkeypatch.setattr(queries, "list_roadmaps", fail)
    answer = client.get(f"{API}/roadmaps?limit=7", headers={"Origin": STRANGER})
    assert answer.status_code == 500
    assert_careful(answer.headers, embedded=True)


def test_an_answer_to_our_own_mistake_makes_browsers_careful_in_server_mode_too(
    site: Stack, visitor: Visitor
) -> None:
    path = visitor.roadmap(review=True)
    with cursor_of(site) as cursor:
        cursor.execute("ALTER TABLE model_call RENAME TO model_call_away")
        try:
            answer = send(site, "GET", f"{path}/receipt", visitor.bearer)
        finally:
            cursor.execute("ALTER TABLE model_call_away RENAME TO model_call")
    assert answer.status_code == 500, answer.text
    assert "model_call" not in answer.text
    assert_careful(answer.headers, embedded=False)
    assert send(site, "GET", f"{path}/receipt", visitor.bearer).status_code == 200


class Inline(HTMLParser):
    """Collects what a strict policy would not let run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and not given.get("src")) or "style" in given:
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in given if name.startswith("on")]
        self.found += [
            f"{tag} {value}"
            for value in given.values()
            if (value or "").lower().startswith("javascript:")
        ]


@pytest.mark.parametrize(
    "path",
    sorted(
        {
            e.path
            for e in EVERY
            if (e.public or e in PAGES) and e.method == "GET" and "{" not in e.path
        }
    ),
)
def test_no_page_has_inline_scripts_or_a_policy_that_allows_them(
    stack: Stack, path: str, request: pytest.FixtureRequest
) -> None:
    if stack.mode == "server" and path.startswith("/admin"):
        answer = request.getfixturevalue("admin").send("GET", path, PEOPLE)
    else:
        answer = stack.get(path, headers=PEOPLE)
    leads_on = stack.mode == "embedded" and path in ("/login", "/register")
    assert answer.status_code == (303 if leads_on else 200)
    assert_careful(answer.headers, embedded=stack.mode == "embedded")
    if answer.headers.get("content-type", "").startswith("text/html"):
        parser = Inline()
        parser.feed(answer.text)
        assert parser.found == []
