"""Browsers that visit a server under its name, and what pages elsewhere send."""

import http.client
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg2
import pytest

from testing.stack import GOAL, PASSWORD, Stack, answer_to
from testing.waiting import HANG, wait_until
from web.endpoints.endpoint import API
from web.routes import ENDPOINTS, PAGES

NAME, BELOW, PUBLIC, PRIVATE = (
    "roadmap.example.org",
    "apps.example.org",
    "made-up.up.railway.app",
    "roadmap.railway.internal",
)
FRIEND = "https://app.example.org"  # a page elsewhere whose scripts may call
STRANGER = "https://evil.example"
ME = f"{API}/auth/me"
KEYS = f"{API}/api-keys"
EVERY = (*ENDPOINTS, *PAGES)
A_YEAR = 365 * 24 * 3600
in_server_mode = pytest.mark.parametrize("stack", ["server"], indirect=True)
in_embedded_mode = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


def send(
    stack: Stack, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
) -> httpx2.Response:
    """With these headers and nothing that says who calls, unless they do."""
    return answer_to(method, stack.url + path, headers=headers or {}, **options)


def raw(stack: Stack, request: bytes) -> tuple[int, bytes]:
    """The status and the body of an answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=HANG) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


@dataclass
class Visitor:
    """Somebody whose browser has a cookie; `bearer` is another login of the same account."""

    stack: Stack
    email: str
    cookie: str
    csrf: str
    bearer: dict[str, str]
    answer: httpx2.Response

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        return send(self.stack, method, path, {"Cookie": self.cookie, **(headers or {})}, **options)

    def keys(self) -> list[str]:
        return [item["id"] for item in send(self.stack, "GET", KEYS, self.bearer).json()["items"]]

    def forget(self, key_id: str) -> None:
        assert send(self.stack, "DELETE", f"{KEYS}/{key_id}", self.bearer).status_code == 204

    def roadmap(self, **more: Any) -> str:
        """The path of one, after its making."""
        answer = send(
            self.stack,
            "POST",
            f"{API}/roadmaps",
            self.bearer,
            json={"goal": GOAL, "level": "advanced", **more},
        )
        return wait_for(self.stack, answer.headers["location"], self.bearer)


def wait_for(stack: Stack, path: str, headers: dict[str, str]) -> str:
    """The path, once everything that can be done has been done."""

    def done() -> bool:
        return send(stack, "GET", path, headers).json()["status"] in ("ready", "awaiting_review")

    wait_until(done, reason=f"{path} is made")
    return path


def attributes_of(set_cookie: str) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes, their names in lower case."""
    first, *rest = (part.strip() for part in set_cookie.split(";"))
    name, _, value = first.partition("=")
    return name, value, {part.partition("=")[0].lower(): part.partition("=")[2] for part in rest}


def arrive(stack: Stack) -> Visitor:
    person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
    assert send(stack, "POST", f"{API}/auth/register", json=person).status_code == 201
    return return_(stack, person["email"])


def return_(stack: Stack, email: str) -> Visitor:
    person = {"email": email, "password": PASSWORD}
    token = send(stack, "POST", f"{API}/auth/login", json=person).json()["access_token"]
    answer = send(stack, "POST", f"{API}/auth/login", json={**person, "cookie": True})
    assert answer.status_code == 200, answer.text
    name, value, _ = attributes_of(answer.headers["set-cookie"])
    csrf = answer.json()["csrf_token"]
    return Visitor(
        stack, email, f"{name}={value}", csrf, {"Authorization": f"Bearer {token}"}, answer
    )


@contextmanager
def cursor_of(stack: Stack) -> Iterator[Any]:
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def page_of(stack: Stack) -> dict[str, str]:
    """Return the headers that a browser adds when a page of the service itself asks."""
    return {"Sec-Fetch-Site": "same-origin", "Origin": stack.url}


# What a browser adds when a page elsewhere asks: one of today, and one of before Sec-Fetch-Site.
ELSEWHERE = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": STRANGER},
    "another site, without origin": {"Sec-Fetch-Site": "cross-site"},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": f"https://other.{NAME}"},
    "a sandboxed page": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    "an old browser": {"Origin": STRANGER},
    "an old browser's sandboxed page": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "this machine by its other name": {"Origin": "http://localhost"},
    "a name that begins like ours": {"Origin": "http://127.0.0.1.evil.example"},
    "a word that no browser says": {"Sec-Fetch-Site": "trust-me"},
}


def assert_careful(headers: Any, *, embedded: bool) -> None:
    found = [name.lower() for name, _ in headers.multi_items()]
    assert [name for name in found if found.count(name) > 1] == []
    policy = dict(
        directive.split(" ", 1) for directive in headers["content-security-policy"].split("; ")
    )
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["default-src"] in ("'none'", "'self'")
    assert "form-action" in policy
    assert not re.search(
        r"unsafe|\*|https?:|data:",
        headers["content-security-policy"].replace("img-src 'self' data:", ""),
    )
    assert headers["cache-control"] in ("no-store", "private, no-cache")
    assert headers["x-content-type-options"] == "nosniff"
    media_type = headers.get("content-type", "application/json")
    if media_type not in ("application/json", "application/problem+json"):  # shown as a page
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
    assert headers["x-request-id"]
    assert not [name for name in found if name.startswith("access-control-")]
    assert not {"server", "x-powered-by"} & set(found)
    if embedded:  # a browser would refuse http on this machine for a year
        assert "strict-transport-security" not in found
    else:
        age, *more = headers["strict-transport-security"].split("; ")
        assert int(age.removeprefix("max-age=")) >= A_YEAR
        assert more == []


WRONG = {"email": "unknown@example.org", "password": "not the password"}
