"""What browsers are told, and what pages of others cannot do through them.

Over real processes: the shared `stack` with the settings that everybody gets, and `site`, which is known by names and lets the
scripts of one page elsewhere in.
"""

import http.client
import itertools
import json
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import Any

import httpx2
import psycopg2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from core.ids import new_id
from core.settings import SettingsError, from_environment
from roadmap.lifecycle import queries
from tests.servers import Postgres, Redis
from tests.stack import GOAL, MONITOR, PASSWORD, Stack, answer_to, running, server_stack
from tests.waiting import wait_until
from web.endpoint import Endpoint
from web.http.middleware import hsts
from web.pages.page_route import PageRoute
from web.routes import API, ENDPOINTS, PAGES

NAME, BELOW, PUBLIC, PRIVATE = (
    "roadmap.example.org",
    "apps.example.org",
    "made-up.up.railway.app",
    "roadmap.railway.internal",
)
HEALTH_CHECK = "healthcheck.railway.app"
FRIEND = "https://app.example.org"  # a page elsewhere whose scripts may call
STRANGER = "https://evil.example"
ME = f"{API}/auth/me"
KEYS = f"{API}/api-keys"
COOKIE = "__Host-roadmap"
PROBES = ("/health", "/health/live", "/health/ready")
EVERY = (*ENDPOINTS, *PAGES)
UNSAFE = [endpoint for endpoint in EVERY if endpoint.method != "GET"]
PEOPLE = {"Accept": "text/html"}
MESSAGE = {"queue": "content", "message": str(uuid.uuid4())}
A_YEAR = 365 * 24 * 3600
REFUSED = "A web page elsewhere cannot do this."

in_server_mode = pytest.mark.parametrize("stack", ["server"], indirect=True)
in_embedded_mode = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


@pytest.fixture(scope="module")
def site(
    postgres: Postgres, module_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Server mode with everything set that matters here, as on Railway."""
    settings = {
        "ALLOWED_HOSTS": f"{NAME}, *.{BELOW.upper()}",
        "CORS_ORIGINS": FRIEND,
        "RAILWAY_PUBLIC_DOMAIN": PUBLIC,
        "RAILWAY_PRIVATE_DOMAIN": PRIVATE,
        "ADMIN_EMAIL": "admin@example.org",
        "ADMIN_PASSWORD": PASSWORD,
    }
    with running(
        server_stack(tmp_path_factory.mktemp("site"), postgres, module_broker, **settings),
        "api",
        "huey_content",
    ) as made:
        yield made


def send(
    stack: Stack, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
) -> httpx2.Response:
    """With these headers and nothing that says who calls, unless they do."""
    return answer_to(method, stack.url + path, headers=headers or {}, **options)


def raw(stack: Stack, request: bytes) -> tuple[int, bytes]:
    """The status and the body of an answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


@dataclass
class Visitor:
    """Somebody whose browser has the cookie of a login; `bearer` is another login of the same account, for looking on."""

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


@pytest.fixture(scope="module")
def visitor(site: Stack) -> Visitor:
    """For tests that end none of its logins, and leave its keys as they were."""
    return arrive(site)


@pytest.fixture(scope="module")
def other(site: Stack) -> Visitor:
    """The same, with another account."""
    return arrive(site)


@pytest.fixture
def newcomer(site: Stack) -> Visitor:
    return arrive(site)


@pytest.fixture(scope="module")
def admin(site: Stack) -> Visitor:
    return return_(site, "admin@example.org")


@contextmanager
def cursor_of(stack: Stack) -> Iterator[Any]:
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def everything(stack: Stack) -> dict[str, list[str]]:
    """Every row of the service's database, without logs and without what is noted beside requests."""
    beside = {("login_session", "seen_at"), ("api_key", "used_at")}
    tables: dict[str, list[str]] = {}
    with cursor_of(stack) as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        for (table,) in cursor.fetchall():
            if not table.startswith(("execution_log", "log_source", "measure")):
                cursor.execute(f'SELECT * FROM "{table}"')
                kept = [
                    index
                    for index, column in enumerate(cursor.description)
                    if (table, column.name) not in beside
                ]
                tables[table] = sorted(
                    repr([row[index] for index in kept]) for row in cursor.fetchall()
                )
    assert tables["account"]
    return tables


def nothing_runs(stack: Stack) -> bool:
    with cursor_of(stack) as cursor:
        cursor.execute(
            "SELECT count(*) FROM roadmap WHERE status IN ('queued', 'planning', 'building')"
        )
        return bool(cursor.fetchone() == (0,))


def page_of(stack: Stack) -> dict[str, str]:
    """What a browser adds when a page of the service itself asks."""
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
FORMS = {  # what a form, or a script without the permission of CORS, can send
    "nothing": {},
    "plain text": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    "plain text without a word": {"content": b"", "headers": {"Content-Type": "text/plain"}},
    "a form": {"content": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    "a form of parts": {
        "content": b"--x--\r\n",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    },
    "JSON": {"content": b"{}", "headers": {"Content-Type": "application/json"}},
}


def body_of(endpoint: Endpoint) -> dict[str, Any]:
    """One that has the right type; whether it fits is not what is asked here."""
    if isinstance(endpoint, PageRoute):
        return {"data": {"email": "somebody@example.org"}} if endpoint.method == "POST" else {}
    return {"json": {}} if endpoint.body is not None else {}


# The careful headers


def assert_careful(headers: Any, *, embedded: bool) -> None:
    told = [name.lower() for name, _ in headers.multi_items()]
    assert [name for name in told if told.count(name) > 1] == []
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
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["x-request-id"]
    assert not [name for name in told if name.startswith("access-control-")]
    assert not {"server", "x-powered-by"} & set(told)
    if embedded:  # a browser would refuse http on this machine for a year
        assert "strict-transport-security" not in told
    else:
        age, *more = headers["strict-transport-security"].split("; ")
        assert int(age.removeprefix("max-age=")) >= A_YEAR
        assert more == []


def test_names_below_are_held_to_tls_only_where_an_operator_says_so() -> None:
    server = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    both = [server.model_copy(update={"hsts_include_subdomains": each}) for each in (False, True)]
    told = [hsts(each)["Strict-Transport-Security"] for each in both]
    assert told == ["max-age=31536000", "max-age=31536000; includeSubDomains"]
    assert from_environment(
        {"SERVICE_TYPE": "all", "HSTS_INCLUDE_SUBDOMAINS": "true"}
    ).hsts_include_subdomains
    with pytest.raises(SettingsError, match="HSTS_INCLUDE_SUBDOMAINS: must be true or false"):
        from_environment({"SERVICE_TYPE": "all", "HSTS_INCLUDE_SUBDOMAINS": "maybe"})


@cache
def finished_on(stack: Stack) -> str:
    path = stack.create(level="advanced")
    assert stack.finished(path)["status"] == "ready"
    return path


@pytest.fixture
def finished(stack: Stack) -> str:
    """The path of a roadmap that is ready, of the stack's own caller; for tests that do not change it."""
    return finished_on(stack)


WRONG = {"email": "nobody@example.org", "password": "not the password"}
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
    "no such thing": (404, "GET", f"{API}/roadmaps/{new_id()}", {}),
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
    stack: Stack, finished: str, kind: str
) -> None:
    status, method, path, options = ANSWERS[kind]
    words = {
        "path": finished,
        "etag": stack.get(finished).headers["etag"],
        "name": uuid.uuid4().hex,
    }
    words["last"] = str(stack.events(finished)[-1]["id"])

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
def test_an_answer_to_nobody_makes_browsers_careful(stack: Stack) -> None:
    answer = send(stack, "GET", f"{API}/roadmaps")
    assert answer.status_code == 401
    assert_careful(answer.headers, embedded=False)


def test_a_stream_makes_browsers_careful(stack: Stack, finished: str) -> None:
    with httpx2.stream(
        "GET", f"{stack.url}{finished}/events", headers=stack.headers, timeout=30
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert_careful(answer.headers, embedded=stack.mode == "embedded")
        assert "event: roadmap" in "".join(answer.iter_text())


def test_an_answer_to_our_own_mistake_makes_browsers_careful(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a detail that is nobody's business")

    monkeypatch.setattr(queries, "list_roadmaps", fail)
    answer = client.get(f"{API}/roadmaps", headers={"Origin": STRANGER})
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


# The cookie


class TestCookie:
    def assert_bound(self, set_cookie: str) -> dict[str, str]:
        """Its name and attributes bind it to this host, to TLS, and away from scripts and other sites."""
        name, _, attributes = attributes_of(set_cookie)
        assert name.startswith("__Host-")
        assert attributes["path"] == "/"
        assert "domain" not in attributes
        assert {"secure", "httponly"} <= attributes.keys()
        assert attributes["samesite"] in ("Lax", "Strict")
        return attributes

    @pytest.mark.parametrize("how", ["register", "login", "password"])
    def test_whoever_wants_a_cookie_gets_it_and_no_token(
        self, site: Stack, newcomer: Visitor, how: str
    ) -> None:
        person = {"email": newcomer.email, "password": PASSWORD, "cookie": True}
        if how == "register":
            answer = send(
                site,
                "POST",
                f"{API}/auth/register",
                json={**person, "email": f"{uuid.uuid4().hex}@example.org"},
            )
            assert answer.status_code == 201
        elif how == "login":
            answer = send(site, "POST", f"{API}/auth/login", json=person)
        else:
            change = {
                "current_password": PASSWORD,
                "new_password": "another long enough passphrase",
                "cookie": True,
            }
            answer = send(site, "PUT", f"{API}/auth/password", newcomer.bearer, json=change)
        (set_cookie,) = answer.headers.get_list("set-cookie")
        attributes = self.assert_bound(set_cookie)
        document = answer.json()
        assert 0 < int(attributes["max-age"]) <= document["expires_in"]
        assert document["access_token"] is None
        name, token, _ = attributes_of(set_cookie)
        assert token
        assert token not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        me = send(site, "GET", ME, {"Cookie": f"{name}={token}"})
        assert (me.status_code, me.json()) == (200, document["user"])

    @pytest.mark.parametrize("cookie", [{}, {"cookie": False}])
    def test_whoever_wants_none_gets_a_token_and_no_cookie(
        self, site: Stack, visitor: Visitor, cookie: dict
    ) -> None:
        answer = send(
            site,
            "POST",
            f"{API}/auth/login",
            json={"email": visitor.email, "password": PASSWORD, **cookie},
        )
        assert answer.json()["access_token"]
        assert answer.json()["csrf_token"] is None
        assert "set-cookie" not in answer.headers

    def test_a_refused_login_sets_no_cookie(self, site: Stack, visitor: Visitor) -> None:
        wrong = {"email": visitor.email, "password": "not the password", "cookie": True}
        answer = send(site, "POST", f"{API}/auth/login", json=wrong)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    def test_logging_out_clears_the_cookie_and_ends_the_login(
        self, site: Stack, newcomer: Visitor
    ) -> None:
        assert newcomer.send("GET", ME).status_code == 200
        answer = newcomer.send("POST", f"{API}/auth/logout", page_of(site))
        assert answer.status_code == 204
        (set_cookie,) = answer.headers.get_list("set-cookie")
        attributes = self.assert_bound(set_cookie)
        name, value, _ = attributes_of(set_cookie)
        assert (name, value, attributes["max-age"]) == (newcomer.cookie.partition("=")[0], "", "0")
        assert newcomer.send("GET", ME).status_code == 401
        assert send(site, "GET", ME, newcomer.bearer).status_code == 200  # another login

    @pytest.mark.parametrize("headers", [{}, *ELSEWHERE.values()], ids=["from nowhere", *ELSEWHERE])
    def test_a_cookie_reads_wherever_the_request_comes_from_and_no_other_page_sees_it(
        self, visitor: Visitor, headers: dict[str, str]
    ) -> None:
        for method in ("GET", "HEAD"):
            answer = visitor.send(method, ME, headers)
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers

    @pytest.mark.parametrize(
        "name",
        ["roadmap", "__host-roadmap", "__HOST-ROADMAP", "__Secure-roadmap", "x__Host-roadmap", ""],
    )
    def test_a_cookie_of_another_name_is_nobodys(
        self, site: Stack, visitor: Visitor, name: str
    ) -> None:
        value = visitor.cookie.partition("=")[2]
        assert send(site, "GET", ME, {"Cookie": f"{name}={value}"}).status_code == 401
        assert send(site, "GET", ME, {"Cookie": f"{COOKIE}={value}"}).status_code == 200

    @pytest.mark.parametrize(
        "name", [b"\xa0__Host-roadmap", b"\x85__Host-roadmap", b"__Host-roadmap\xa0"]
    )
    def test_only_the_exact_name_is_the_cookie(
        self, site: Stack, visitor: Visitor, name: bytes
    ) -> None:
        """A neighbour's page may set one of nearly this name."""
        head = f"GET {ME} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: ".encode()
        value = b"=" + visitor.cookie.partition("=")[2].encode()
        assert raw(site, head + name + value + b"\r\n\r\n")[0] == 401
        assert raw(site, head + COOKIE.encode() + value + b"\r\n\r\n")[0] == 200

    def test_two_cookies_of_the_name_are_nobodys(
        self, site: Stack, visitor: Visitor, other: Visitor
    ) -> None:
        both = f"{visitor.cookie.split(';')[0]}; {other.cookie.split(';')[0]}"
        assert send(site, "GET", ME, {"Cookie": both}).status_code == 401

    def test_a_login_ends_the_one_that_the_browser_had(
        self, site: Stack, newcomer: Visitor
    ) -> None:
        person = {"email": newcomer.email, "password": PASSWORD, "cookie": True}
        before = {"Cookie": newcomer.cookie.split(";")[0], "Sec-Fetch-Site": "same-origin"}
        assert send(site, "GET", ME, before).status_code == 200
        assert send(site, "POST", f"{API}/auth/login", before, json=person).status_code == 200
        assert send(site, "GET", ME, before).status_code == 401

    def test_registering_ends_the_login_that_the_browser_had_and_logging_out_clears_what_it_kept(
        self, site: Stack, newcomer: Visitor
    ) -> None:
        before = {"Cookie": newcomer.cookie.split(";")[0], "Sec-Fetch-Site": "same-origin"}
        person = {"email": f"new-{newcomer.email}", "password": PASSWORD, "cookie": True}
        answer = send(site, "POST", f"{API}/auth/register", before, json=person)
        assert answer.status_code == 201
        assert send(site, "GET", ME, before).status_code == 401
        now = {
            "Cookie": answer.headers["set-cookie"].split(";")[0],
            "Sec-Fetch-Site": "same-origin",
        }
        left = send(site, "POST", f"{API}/auth/logout", now)
        assert (left.status_code, left.headers["clear-site-data"]) == (204, '"cache", "storage"')

    def test_a_cookie_holds_a_login_and_no_key(self, site: Stack, visitor: Visitor) -> None:
        made = send(site, "POST", KEYS, visitor.bearer, json={"name": "mine"}).json()
        assert send(site, "GET", ME, {"Authorization": f"Bearer {made['key']}"}).status_code == 200
        assert send(site, "GET", ME, {"Cookie": f"{COOKIE}={made['key']}"}).status_code == 401
        visitor.forget(made["id"])

    @pytest.mark.parametrize(
        "header", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer wrong", "Bearer rmk_wrong"]
    )
    def test_a_wrong_authorization_does_not_fall_back_to_the_cookie(
        self, visitor: Visitor, header: str
    ) -> None:
        assert visitor.send("GET", ME, {"Authorization": header}).status_code == 401

    @in_embedded_mode
    def test_embedded_mode_asks_for_no_cookie_and_heeds_none(self, stack: Stack) -> None:
        plain, with_one = (
            send(stack, "GET", ME, headers).json()
            for headers in ({}, {"Cookie": f"{COOKIE}=wrong"})
        )
        assert plain == with_one


# Pages elsewhere


SITES = [None, "same-origin", "none", "same-site", "cross-site", "trust-me"]
ORIGINS = ["own", "own over TLS", "foreign", "null", None]
TOKENS = ["right", "wrong", "of another login", "of another account", None]


def may_pass(site: str | None, origin: str | None, token: str | None) -> bool:
    """The rule, said once more: what the browser says first counts, and only who says nothing needs a token."""
    if site is not None:
        return site in ("same-origin", "none")
    if origin is not None:
        return origin.startswith("own")
    return token == "right"


@pytest.fixture(scope="module")
def tokens(site: Stack, visitor: Visitor, other: Visitor) -> dict[str, str]:
    """Those that a request of the visitor may bring."""
    made = {
        "right": visitor.csrf,
        "wrong": visitor.csrf[:-1] + ("A" if visitor.csrf[-1] != "A" else "E"),
        "of another login": return_(site, visitor.email).csrf,
        "of another account": other.csrf,
    }
    assert len(set(made.values())) == len(made)
    return made


def in_turn(
    endpoints: list[Endpoint], headers: list[dict[str, str]], each: int
) -> list[tuple[Endpoint, dict[str, str]]]:
    """Each endpoint with so many of the headers, each of which is then tried at many: one place decides for all endpoints."""
    turns = itertools.cycle(headers)
    return [(endpoint, next(turns)) for endpoint in endpoints for _ in range(each)]


class TestPagesElsewhere:
    @pytest.mark.parametrize("site_header", SITES)
    @pytest.mark.parametrize("origin", ORIGINS)
    def test_with_a_cookie_a_change_comes_from_our_pages_or_brings_the_token_of_the_login(
        self,
        site: Stack,
        visitor: Visitor,
        tokens: dict[str, str],
        site_header: str | None,
        origin: str | None,
    ) -> None:
        sent = {
            "own": site.url,
            "own over TLS": site.url.replace("http:", "https:"),
            "foreign": STRANGER,
            "null": "null",
        }
        before = visitor.keys()
        for token in TOKENS:
            headers = {
                **({"Sec-Fetch-Site": site_header} if site_header is not None else {}),
                **({"Origin": sent[origin]} if origin is not None else {}),
                **({"X-CSRF-Token": tokens[token]} if token is not None else {}),
            }
            answer = visitor.send("POST", KEYS, headers, json={"name": "mine"})
            if may_pass(site_header, origin, token):
                assert answer.status_code == 201, (headers, answer.text)
                visitor.forget(answer.json()["id"])
            else:
                assert answer.status_code == 403, (headers, answer.text)
                assert answer.json()["detail"].startswith(REFUSED)
                assert visitor.keys() == before

    @pytest.mark.parametrize("each", [2, pytest.param(len(ELSEWHERE) + 1, marks=pytest.mark.long)])
    def test_every_change_that_a_cookie_could_make_is_refused_to_pages_elsewhere(
        self, site: Stack, admin: Visitor, each: int
    ) -> None:
        roadmap = admin.roadmap(level="advanced")
        tree = send(site, "GET", roadmap, admin.bearer).json()
        page = page_of(site)
        things = {
            "roadmap_id": tree["id"],
            "concept_id": tree["stages"][0]["modules"][0]["concepts"][0]["id"],
            "number": "1",
            "kind": "tutorial",
            "session_id": send(site, "GET", f"{API}/auth/sessions", admin.bearer).json()["items"][
                0
            ]["id"],
            "attempt_id": str(new_id()),
            "card_id": str(new_id()),
            "link_id": str(new_id()),
            "token": "of-a-link",
            "key_id": admin.send("POST", KEYS, page, json={"name": "mine"}).json()["id"],
            "invitation_id": admin.send("POST", f"{API}/invitations", page, json={}).json()["id"],
            "webhook_id": admin.send(
                "POST", f"{API}/webhooks", page, json={"url": "https://receiver.invalid/"}
            ).json()["id"],
            "delivery_id": str(new_id()),
            **MESSAGE,
        }
        wait_until(lambda: nothing_runs(site), reason="what other tests have begun is done")
        before = everything(site)
        for endpoint, headers in in_turn(
            UNSAFE, [*ELSEWHERE.values(), {"X-CSRF-Token": "wrong"}], each
        ):
            path = endpoint.path.format(**things)
            if endpoint.public and headers.keys() == {"X-CSRF-Token"}:
                continue  # programs log in without one
            answer = admin.send(endpoint.method, path, headers, **body_of(endpoint))
            assert answer.status_code == 403, (endpoint.path, headers, answer.text)
            assert answer.json()["detail"].startswith(REFUSED)
            assert "set-cookie" not in answer.headers
        assert everything(site) == before
        for own in (f"{KEYS}/{things['key_id']}", f"{API}/webhooks/{things['webhook_id']}"):
            assert admin.send("DELETE", own, page).status_code == 204

    @pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
    def test_with_an_authorization_header_it_does_not_matter_which_page_asks(
        self, site: Stack, visitor: Visitor, other: Visitor, headers: dict[str, str]
    ) -> None:
        made = send(
            site,
            "POST",
            KEYS,
            {**visitor.bearer, **headers},
            json={"name": "mine", "scopes": ["read", "write"]},
        )
        assert made.status_code == 201
        with_key = {"Authorization": f"Bearer {made.json()['key']}", **headers}
        assert (
            send(
                site, "POST", f"{API}/roadmaps", with_key, json={"goal": GOAL, "review": True}
            ).status_code
            == 202
        )
        with_both = {**visitor.bearer, **headers, "Cookie": other.cookie}
        answer = send(site, "DELETE", f"{KEYS}/{made.json()['id']}", with_both)
        assert answer.status_code == 204  # the header counts, not the cookie

    def test_an_empty_authorization_header_does_not_replace_the_check_of_the_cookie(
        self, visitor: Visitor
    ) -> None:
        headers, before = {"Authorization": "", "Sec-Fetch-Site": "cross-site"}, visitor.keys()
        assert visitor.send("POST", KEYS, headers, json={"name": "mine"}).status_code == 403
        assert visitor.keys() == before

    @pytest.mark.parametrize("origin", ["http://[", "http://[::1", "://", "", "http://"])
    def test_an_origin_that_cannot_be_read_is_refused(self, site: Stack, origin: str) -> None:
        assert (
            send(site, "POST", f"{API}/auth/login", {"Origin": origin}, json=WRONG).status_code
            == 403
        )

    def test_a_page_that_may_call_with_a_token_may_not_use_the_cookie(
        self, site: Stack, visitor: Visitor
    ) -> None:
        before = visitor.keys()
        for headers in (
            {"Origin": FRIEND},
            {"Origin": FRIEND, "Sec-Fetch-Site": "same-site", "X-CSRF-Token": visitor.csrf},
        ):
            assert visitor.send("POST", KEYS, headers, json={"name": "mine"}).status_code == 403
            assert visitor.keys() == before
            made = send(site, "POST", KEYS, {**visitor.bearer, **headers}, json={"name": "mine"})
            assert made.status_code == 201
            visitor.forget(made.json()["id"])

    def test_the_right_token_is_taken_from_its_header_only(self, visitor: Visitor) -> None:
        path, before = (
            f"{KEYS}?csrf_token={visitor.csrf}&X-CSRF-Token={visitor.csrf}",
            visitor.keys(),
        )
        cookies = {
            "Cookie": f"{visitor.cookie}; X-CSRF-Token={visitor.csrf}; csrf_token={visitor.csrf}"
        }
        answer = visitor.send("POST", path, cookies, json={"name": "mine"})
        assert answer.status_code == 403
        assert visitor.keys() == before

    def test_nobody_is_logged_in_or_registered_by_a_page_elsewhere(self, stack: Stack) -> None:
        person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD, "cookie": True}

        def are_refused(what: str) -> None:
            for headers in ELSEWHERE.values():
                answer = send(stack, "POST", f"{API}/auth/{what}", headers, json=person)
                assert answer.status_code == 403, (headers, answer.text)
                assert answer.json()["detail"].startswith(REFUSED)
                assert "set-cookie" not in answer.headers

        are_refused("register")
        assert (
            send(stack, "POST", f"{API}/auth/login", json=person).status_code == 401
        )  # there is no such account
        assert (
            send(stack, "POST", f"{API}/auth/register", page_of(stack), json=person).status_code
            == 201
        )
        are_refused("login")
        assert (
            send(stack, "POST", f"{API}/auth/login", page_of(stack), json=person).status_code == 200
        )

    @pytest.mark.parametrize("form", FORMS)
    def test_no_form_logs_anybody_in(self, site: Stack, visitor: Visitor, form: str) -> None:
        content = json.dumps(
            {"email": visitor.email, "password": PASSWORD, "cookie": True}
        ).encode()
        headers = FORMS[form].get("headers", {})
        answer = send(site, "POST", f"{API}/auth/login", headers, content=content)
        assert answer.status_code == (200 if form == "JSON" else 415)
        assert ("set-cookie" in answer.headers) == (form == "JSON")

    @in_embedded_mode
    def test_a_page_elsewhere_neither_cancels_nor_retries_what_is_made_on_this_machine(
        self, stack: Stack
    ) -> None:
        path = wait_for(stack, stack.create(review=True), {})
        for decision, status in (("cancel", "awaiting_review"), ("retry", "cancelled")):
            before = stack.get(path).json()
            assert before["status"] == status
            for form, headers in itertools.product(FORMS.values(), ELSEWHERE.values()):
                options = {**form, "headers": {**form.get("headers", {}), **headers}}
                answer = stack.post(f"{path}/{decision}", **options)
                assert answer.status_code == 403, (options, answer.text)
                assert stack.get(path).json() == before
            assert stack.post(f"{path}/{decision}", headers=page_of(stack)).status_code == 202

    @in_embedded_mode
    @pytest.mark.parametrize("each", [2, pytest.param(len(ELSEWHERE), marks=pytest.mark.long)])
    def test_every_change_on_this_machine_is_refused_to_pages_elsewhere(
        self, stack: Stack, finished: str, each: int
    ) -> None:
        tree = stack.get(finished).json()
        ids = {
            "roadmap_id": tree["id"],
            "number": "1",
            "kind": "quiz",
            "concept_id": str(new_id()),
            **MESSAGE,
        }
        ids |= {
            name: str(new_id())
            for name in (
                "session_id",
                "key_id",
                "invitation_id",
                "attempt_id",
                "card_id",
                "link_id",
                "webhook_id",
                "delivery_id",
            )
        }
        ids["token"] = "of-a-link"
        for endpoint, headers in in_turn(UNSAFE, [*ELSEWHERE.values()], each):
            answer = stack.request(
                endpoint.method, endpoint.path.format(**ids), headers=headers, **body_of(endpoint)
            )
            assert answer.status_code == 403, (endpoint.path, headers, answer.text)
            assert answer.json()["detail"].startswith(REFUSED)
        assert stack.get(finished).json() == tree

    @in_embedded_mode
    @pytest.mark.parametrize(
        "page", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}]
    )
    def test_programs_and_our_own_pages_change_what_is_on_this_machine(
        self, stack: Stack, page: dict[str, str]
    ) -> None:
        assert (
            send(
                stack, "POST", f"{API}/roadmaps", page, json={"goal": GOAL, "review": True}
            ).status_code
            == 202
        )

    @in_embedded_mode
    def test_a_page_that_points_its_own_name_at_this_machine_reads_and_changes_nothing(
        self, stack: Stack
    ) -> None:
        host = f"evil.example:{stack.port}"
        same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        before = [item["id"] for item in stack.get(f"{API}/roadmaps").json()["items"]]
        assert send(stack, "GET", f"{API}/roadmaps", same).status_code == 403
        assert send(stack, "POST", f"{API}/roadmaps", same, json={"goal": GOAL}).status_code == 403
        assert [item["id"] for item in stack.get(f"{API}/roadmaps").json()["items"]] == before


# Names


LOOPBACK = (
    "127.0.0.1",
    "localhost",
    "LocalHost",
    "127.0.0.1:1",
    "localhost:65535",
    "[::1]",
    "[::1]:8000",
)
OURS = (
    *LOOPBACK,
    *(NAME, NAME.upper(), f"{NAME}:443", f"{NAME}:8000"),
    *(f"a.{BELOW}", f"a.b.{BELOW}", f"A.{BELOW.upper()}:443"),
    *(PUBLIC, PRIVATE, HEALTH_CHECK, HEALTH_CHECK.upper()),
)
UNKNOWN = (
    *(
        "evil.example",
        "",
        ":80",
        "example.org",
        f"sub.{NAME}",
        f"evil{NAME}",
        f"{NAME}.evil.example",
    ),
    *(
        BELOW,
        f"evil{BELOW}",
        f"a.{BELOW}.evil.example",
        "other.up.railway.app",
        f"sub.{HEALTH_CHECK}",
    ),
    *("127.0.0.2", "0.0.0.0", "2130706433", "127.1", "[::2]", "[::]", "[::ffff:127.0.0.1]", "::1"),
    *("127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost"),
    *(
        f"{NAME}@evil.example",
        "127.0.0.1@evil.example",
        "127.0.0.1:80@evil.example",
        "localhost:x@evil.example:80",
    ),
    *(
        f"evil.example#{NAME}",
        f"evil.example,{NAME}",
        f"{NAME},evil.example",
        f"{NAME} evil.example",
    ),
)


class TestNames:
    @pytest.mark.parametrize("host", OURS)
    def test_a_name_of_ours_is_answered(self, site: Stack, host: str) -> None:
        assert send(site, "GET", "/", {"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", UNKNOWN)
    def test_a_name_that_is_not_ours_is_refused_and_does_nothing(
        self, site: Stack, visitor: Visitor, host: str
    ) -> None:
        before = visitor.keys()
        for path in ("/", "/metrics"):
            answer = send(site, "GET", path, {"Host": host})
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
        assert send(site, "GET", ME, {**visitor.bearer, "Host": host}).status_code == 403
        assert (
            send(
                site, "POST", KEYS, {**visitor.bearer, "Host": host}, json={"name": "mine"}
            ).status_code
            == 403
        )
        assert visitor.keys() == before
        person = {"email": visitor.email, "password": PASSWORD, "cookie": True}
        refused = send(site, "POST", f"{API}/auth/login", {"Host": host}, json=person)
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers

    @pytest.mark.parametrize(
        "host",
        [
            *(
                "evil.example@127.0.0.1",
                "[::1].evil.example",
                "[::1",
                "localhost:80.evil.example",
                f"{NAME}:evil",
                f".{BELOW}",
            ),
            *(f"evil.example/.{BELOW}", f"evil.example?.{BELOW}", f"evil.example#.{BELOW}"),
        ],
    )
    def test_what_is_no_host_is_refused(self, site: Stack, host: str) -> None:
        assert send(site, "GET", "/", {"Host": host}).status_code == 403

    def test_two_hosts_are_none(self, site: Stack) -> None:
        request = (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert raw(site, request)[0] in (400, 403)

    @pytest.mark.parametrize("path", PROBES)
    @pytest.mark.parametrize("host", ["evil.example", "10.1.2.3:8000", HEALTH_CHECK, NAME, ""])
    def test_health_is_told_under_any_name(self, site: Stack, path: str, host: str) -> None:
        assert send(site, "GET", path, {"Host": host}).status_code == 200

    @pytest.mark.parametrize("path", [f"{PROBES[0]}/", "/health/livex", "//health", "/x/../health"])
    def test_what_only_looks_like_health_is_not_told_under_any_name(
        self, site: Stack, path: str
    ) -> None:
        status, body = raw(
            site, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode()
        )
        assert status in (403, 404), body

    @in_server_mode
    def test_without_settings_only_this_machine_is_a_name_and_health_has_any(
        self, stack: Stack
    ) -> None:
        for host in LOOPBACK:
            assert send(stack, "GET", "/", {"Host": host}).status_code == 200
        for host in (NAME, PUBLIC, HEALTH_CHECK, "evil.example"):
            assert send(stack, "GET", "/", {"Host": host}).status_code == 403
            for path in PROBES:
                assert send(stack, "GET", path, {"Host": host}).status_code == 200

    @in_embedded_mode
    def test_in_embedded_mode_only_this_machine_is_a_name(self, stack: Stack) -> None:
        for host in LOOPBACK:
            assert send(stack, "GET", "/", {"Host": host}).status_code == 200
        for host, path in itertools.product(
            (*UNKNOWN, NAME, HEALTH_CHECK), ("/", "/metrics", f"{API}/roadmaps", *PROBES)
        ):
            assert send(stack, "GET", path, {"Host": host}).status_code == 403, (host, path)

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-Host", "X-Original-Host", "X-Host", "Forwarded"]
    )
    def test_no_other_header_names_the_host(self, site: Stack, header: str) -> None:
        value = f"host={NAME}" if header == "Forwarded" else NAME
        assert send(site, "GET", "/", {"Host": "evil.example", header: value}).status_code == 403
        assert (
            send(
                site, "GET", "/", {"Host": NAME, header: value.replace(NAME, "evil.example")}
            ).status_code
            == 200
        )

    def test_a_request_without_a_name_is_refused(self, site: Stack) -> None:
        assert raw(site, b"GET / HTTP/1.0\r\n\r\n")[0] in (400, 403)

    def test_no_answer_leads_to_the_name_that_was_asked(
        self, site: Stack, visitor: Visitor
    ) -> None:
        headers = {**visitor.bearer, "Host": f"a.{BELOW}"}
        answer = send(site, "POST", f"{API}/roadmaps", headers, json={"goal": GOAL, "review": True})
        assert answer.headers["location"].startswith("/api/")
        assert BELOW not in answer.text
        assert BELOW not in repr(answer.headers)


# Scripts of other pages


def allowed(answer: httpx2.Response) -> dict[str, str]:
    return {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("access-control-allow-")
    }


def preflight(
    stack: Stack,
    path: str,
    origin: str,
    method: str = "POST",
    headers: str = "authorization,content-type",
) -> Any:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return send(stack, "OPTIONS", path, asked)


STRANGERS = (
    *(
        STRANGER,
        "null",
        "*",
        "",
        FRIEND.upper(),
        f"{FRIEND}:444",
        FRIEND.replace("https", "http"),
        f"{FRIEND}.evil.example",
    ),
    *(
        "https://evilapp.example.org",
        "https://sub.app.example.org",
        f"{FRIEND}/",
        f"{FRIEND}, {STRANGER}",
        "https://example.org",
    ),
)


class TestScriptsOfOtherPages:
    @pytest.mark.parametrize("origin", [STRANGER, FRIEND, "null", "own"])
    def test_without_a_setting_no_page_is_told_that_it_may_anything(
        self, stack: Stack, origin: str
    ) -> None:
        origin = stack.url if origin == "own" else origin
        answers = [
            stack.get(path, headers={"Origin": origin})
            for path in ("/", "/health", "/metrics", f"{API}/roadmaps", "/x")
        ]
        answers += [
            preflight(stack, path, origin) for path in ("/", f"{API}/roadmaps", f"{API}/auth/login")
        ]
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert [answer.status_code for answer in answers[-3:]] == [204, 204, 204]

    def test_the_named_page_may_call_with_a_token(self, site: Stack, visitor: Visitor) -> None:
        answer = preflight(site, f"{API}/roadmaps", FRIEND)
        assert answer.status_code == 200
        told = allowed(answer)
        assert told["access-control-allow-origin"] == FRIEND
        assert {"GET", "POST", "PUT", "DELETE"} <= set(
            told["access-control-allow-methods"].split(", ")
        )
        assert {"authorization", "content-type"} <= set(
            told["access-control-allow-headers"].lower().split(", ")
        )
        assert "access-control-allow-credentials" not in told
        assert "Origin" in answer.headers["vary"]

        friends = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
        made = send(
            site,
            "POST",
            f"{API}/roadmaps",
            {**visitor.bearer, **friends},
            json={"goal": GOAL, "review": True},
        )
        assert made.status_code == 202
        assert allowed(made) == {"access-control-allow-origin": FRIEND}
        assert "Location" in made.headers["access-control-expose-headers"]
        assert "Origin" in made.headers["vary"]

    def test_the_named_page_may_log_in_for_a_token(self, site: Stack, visitor: Visitor) -> None:
        person = {"email": visitor.email, "password": PASSWORD}
        friends = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
        answer = send(site, "POST", f"{API}/auth/login", friends, json=person)
        assert answer.status_code == 200
        assert answer.json()["access_token"]

    @pytest.mark.parametrize("origin", STRANGERS)
    def test_every_other_page_may_not_read_what_is_answered(
        self, site: Stack, visitor: Visitor, origin: str
    ) -> None:
        answer = preflight(site, f"{API}/roadmaps", origin)
        assert answer.status_code == 400
        for refused in (
            answer,
            send(site, "GET", "/", {"Origin": origin}),
            send(site, "GET", ME, {**visitor.bearer, "Origin": origin}),
            visitor.send("GET", ME, {"Origin": origin}),
            send(site, "GET", ME, {"Origin": origin}),
        ):
            told = allowed(refused)
            assert "access-control-allow-origin" not in told
            assert "access-control-allow-credentials" not in told
            assert "Origin" in refused.headers["vary"]

    @pytest.mark.parametrize(
        "header", ["x-csrf-token", "cookie", "x-forwarded-for", "x-real-ip", "*"]
    )
    def test_the_named_page_may_not_send_what_only_our_own_pages_need(
        self, site: Stack, header: str
    ) -> None:
        assert preflight(site, f"{API}/roadmaps", FRIEND, headers=header).status_code == 400
        assert (
            preflight(site, f"{API}/roadmaps", FRIEND, headers="authorization").status_code == 200
        )

    @pytest.mark.parametrize("status", [200, 401, 404, 405, 422])
    def test_credentials_are_never_allowed_whatever_is_answered(
        self, site: Stack, visitor: Visitor, status: int
    ) -> None:
        asked: dict[int, Any] = {
            200: lambda headers: visitor.send("GET", ME, headers),
            401: lambda headers: send(site, "GET", ME, headers),
            404: lambda headers: visitor.send("GET", f"{API}/roadmaps/{new_id()}", headers),
            405: lambda headers: visitor.send("PATCH", ME, headers),
            422: lambda headers: visitor.send("GET", f"{API}/roadmaps?limit=0", headers),
        }
        for origin in (FRIEND, STRANGER):
            answer = asked[status]({"Origin": origin})
            assert answer.status_code == status
            assert "access-control-allow-credentials" not in answer.headers
            assert answer.headers.get("access-control-allow-origin", STRANGER) == origin

    def test_careful_headers_are_on_the_answers_to_scripts_of_other_pages_too(
        self, site: Stack
    ) -> None:
        for answer in (
            preflight(site, "/", FRIEND),
            preflight(site, "/", STRANGER),
            send(site, "GET", "/", {"Origin": FRIEND}),
        ):
            told = {
                name: value
                for name, value in answer.headers.multi_items()
                if not name.startswith("access-control-")
            }
            assert_careful(httpx2.Headers(told), embedded=False)
