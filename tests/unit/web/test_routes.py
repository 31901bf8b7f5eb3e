"""The table of routes: complete, consistent, and closed to everyone without a token."""

import json
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from pydantic import BaseModel, SecretStr
from starlette.routing import Match, Route
from starlette.testclient import TestClient

from core.db import settings
from roadmap.exchange.formats.registry import FORMATS
from roadmap.lifecycle.reading import queries
from roadmap_app import app
from testing.stack import ROOT
from testing.waiting import wait_until
from web.api.mcp import MCP
from web.auth import authentication
from web.endpoints.endpoint import PLACES, Endpoint
from web.http import host_and_csrf, limits
from web.openapi_file import description
from web.roadmaps.sse import EventPoller
from web.routes import ENDPOINTS, PAGES

PUBLIC = {  # each addition opens a door
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/problems"),
    ("GET", "/problems/{slug}"),
    ("POST", "/api/v1/auth/register"),
    ("POST", "/api/v1/auth/login"),
    ("GET", "/api/v1/shared/{token}"),  # with the link alone
    ("GET", "/api/v1/shared/{token}/concepts/{concept_id}"),
    ("GET", "/calendars/{token}/roadmap.ics"),
}
PUBLIC_PAGES = {
    ("GET", "/judge/{token}"),
    ("POST", "/judge/{token}"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/register"),
    ("POST", "/register"),
    ("POST", "/look"),
    ("GET", "/shared/{token}"),
    ("GET", "/shared/{token}/concepts/{concept_id}"),
    ("GET", "/docs"),
    ("GET", "/docs/{tag}"),
    ("GET", "/problems"),
    ("GET", "/problems/{slug}"),
    ("GET", "/static/{file}"),
    ("GET", "/static/run/{digest}/{file}"),
}
NOT_JSON = {
    "/api/v1/roadmaps/{roadmap_id}/events",
    "/metrics",
    "/openapi.json",
}
NOT_JSON |= {
    f"/api/v1/roadmaps/{{roadmap_id}}/export.{suffix}" for suffix in FORMATS.keys() - {"json"}
}
NOT_JSON |= {
    "/api/v1/admin/logs/export",
    "/calendars/{token}/roadmap.ics",
    "/api/v1/auth/me/export.zip",
}
NO_CONTENT = 204
TABLES = ("ENDPOINTS", "PAGES")
BODY_METHODS = {"POST", "PUT", "PATCH"}
WITH_PASSWORD = {("DELETE", "/api/v1/auth/me")}  # asked once more before an account is deleted
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def server_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authenticate requests as with PostgreSQL and Redis; the rest stays in this process."""
    in_server_mode = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in (authentication, limits, host_and_csrf):
        monkeypatch.setattr(module, "settings", in_server_mode)
    assert not authentication.settings.embedded


def address(path: str) -> str:
    """A path with an id in each of its places."""
    return re.sub(r"{\w+}", str(uuid.UUID(int=7)), path)


def of_which(is_so: Callable[[Endpoint], bool]) -> list[str]:
    return [f"{each.method} {each.path}" for each in ENDPOINTS if is_so(each)]


def test_an_endpoint_says_what_it_is_for() -> None:
    assert of_which(lambda each: not re.fullmatch(r"[A-Z][^\n]{2,60}[^.\s]", each.summary)) == []


def test_an_endpoint_has_a_response_model_or_answers_something_else_than_json() -> None:
    def is_wrong(each: Endpoint) -> bool:
        if each.path in NOT_JSON or each.status == NO_CONTENT:
            return each.response is not None
        return not (isinstance(each.response, type) and issubclass(each.response, BaseModel))

    assert of_which(is_wrong) == []


def test_an_endpoint_has_a_body_model_exactly_when_its_method_carries_a_body() -> None:
    def carries(each: Endpoint) -> bool:
        return each.method in BODY_METHODS or (each.method, each.path) in WITH_PASSWORD

    assert of_which(lambda each: (each.body is not None) != carries(each)) == []


def test_the_models_of_an_endpoint_know_all_their_fields() -> None:
    def is_open(each: Endpoint) -> bool:
        models = [model for model in (each.body, each.query) if model is not None]
        return any(model.model_config.get("extra") != "forbid" for model in models)

    assert of_which(is_open) == []


def test_every_place_in_a_path_is_the_id_of_a_thing_or_one_that_is_known() -> None:
    def is_unknown(name: str) -> bool:
        return not name.endswith("_id") and name not in PLACES

    assert of_which(lambda each: any(map(is_unknown, re.findall(r"{(\w+)}", each.path)))) == []


def test_no_method_and_path_comes_twice() -> None:
    pairs = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert sorted(pairs) == sorted(set(pairs))


def test_no_route_shadows_another() -> None:
    """Beside an endpoint of the same path, a page is first; it passes programs on to that."""
    rows = (*PAGES, *ENDPOINTS, MCP)
    for row in rows:
        asked = {"type": "http", "method": row.method, "path": address(row.path)}
        found = next(route for route in app.routes if route.matches(asked)[0] is Match.FULL)
        assert isinstance(found, Route)
        assert found.path == row.path


def test_the_table_of_every_module_is_joined() -> None:
    joined = {row.handler for row in (*PAGES, *ENDPOINTS)}
    names = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for folder in ("api", "pages")
        for file in (ROOT / "web" / folder).glob("**/*.py")
        if re.search("^(ENDPOINTS|PAGES) = ", file.read_text("utf-8"), re.MULTILINE)
    }
    tables = [getattr(sys.modules[name], table, ()) for name in names for table in TABLES]
    assert {row.handler for table in tables for row in table} == joined


def test_no_summary_comes_twice() -> None:
    summaries = [endpoint.summary for endpoint in ENDPOINTS]
    assert sorted(summaries) == sorted(set(summaries))


def test_the_application_serves_the_table_and_nothing_else() -> None:
    served = [(route.path, route.methods) for route in app.routes if isinstance(route, Route)]
    expected = [
        (e.path, {e.method} | ({"HEAD"} if e.method == "GET" else set()))
        for e in (*PAGES, *ENDPOINTS, MCP)
    ]
    assert served == expected
    assert MCP.path not in json.loads(description())["paths"]  # JSON-RPC: MCP describes itself
    assert len(served) == len(app.routes)


STRANGE = (
    "",
    "/",
    "//",
    "/roadmaps//",
    "/api/v1/roadmaps/",
    "/api/v1//roadmaps",
    "/api/v1/roadmaps/{roadmap_id}",
    "/x/y/z",
    "*",
)


def test_the_index_finds_every_route_that_fits_in_the_order_of_the_table() -> None:
    for path in (*(address(each.path) for each in (*PAGES, *ENDPOINTS)), *STRANGE):
        asked = {"type": "http", "method": "GET", "path": path}
        fit = [route for route in app.routes if route.matches(asked)[0] is not Match.NONE]
        found = [
            route
            for route in app.router.candidates(path)
            if route.matches(asked)[0] is not Match.NONE
        ]
        assert found == fit, path
        assert len(app.router.candidates(path)) < len(app.routes) / 10  # or it would be no index


def test_only_the_named_endpoints_are_public() -> None:
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.public} == PUBLIC
    assert {(page.method, page.path) for page in PAGES if page.public} == PUBLIC_PAGES


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer garbage"}], ids=["no token", "a garbage token"]
)
def test_an_endpoint_that_is_not_public_is_closed_without_a_token(
    server_mode: None, client: TestClient, headers: dict[str, str]
) -> None:
    closed = (401, "Bearer", "/problems/unauthenticated")
    wrong = []
    for each in ENDPOINTS:
        answer = client.request(each.method, address(each.path), headers=headers)
        if (each.method, each.path) in PUBLIC:
            is_right = answer.status_code != 401
        else:
            body = answer.json().get("type") if answer.status_code == 401 else ""
            is_right = (answer.status_code, answer.headers.get("www-authenticate"), body) == closed
        if not is_right:
            wrong.append(f"{each.method} {each.path}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


def test_a_token_opens_what_is_closed_without_one(server_mode: None, client: TestClient) -> None:
    person = {"email": "someone@example.org", "password": "a long enough passphrase"}
    session = client.post("/api/v1/auth/register", json=person).json()
    answer = client.get(
        "/api/v1/auth/me", headers={"Authorization": f"Bearer {session['access_token']}"}
    )
    assert answer.json() == session["user"]


def test_a_method_that_a_path_does_not_have_is_answered_with_all_that_it_has(
    client: TestClient,
) -> None:
    also = [
        re.sub(r"{\w+}", "[^/]+", endpoint.path) for endpoint in ENDPOINTS
    ]  # a place of another may stand for it
    wrong = []
    for path in sorted({endpoint.path for endpoint in ENDPOINTS}):
        there = {
            endpoint.method
            for endpoint, other in zip(ENDPOINTS, also, strict=True)
            if re.fullmatch(other, path)
        }
        there |= {"OPTIONS"} | ({"HEAD"} if "GET" in there else set())
        for method in ("OPTIONS", *sorted(METHODS - there)):
            answer = client.request(method, address(path))
            found = (answer.status_code, set(answer.headers.get("allow", "").split(", ")))
            if found != (204 if method == "OPTIONS" else 405, there) or (
                method == "OPTIONS" and answer.content
            ):
                wrong.append(f"{method} {path}: {found}")
    assert wrong == []


def test_an_unexpected_error_tells_the_caller_its_request_id_and_nothing_else(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a detail of no interest to clients")

    monkeypatch.setattr(queries, "list_roadmaps", fail)
    answer = client.get("/api/v1/roadmaps?limit=7", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == "find-me"
    assert "of no interest" not in answer.text
    assert answer.headers["x-request-id"] == "find-me"


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can, so that what depends on their order shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_the_poller_of_events_ends_however_soon_it_is_stopped(hasty_threads: None) -> None:
    def start_and_stop(poller: EventPoller) -> None:
        for _ in range(1000):
            poller.start()
            poller.stop()

    threads = [
        threading.Thread(target=start_and_stop, args=[EventPoller()], daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert wait_until(
        lambda: not any(thread.is_alive() for thread in threads),
        reason="every poller has ended",
    )
