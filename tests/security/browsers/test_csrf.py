"""Requests that pages elsewhere make a browser send."""

import itertools
import json
import uuid
from typing import Any

import pytest

from core.ids import new_id
from testing.stack import GOAL, PASSWORD, Stack
from testing.waiting import wait_until
from tests.security.browsers.visitors import (
    ELSEWHERE,
    EVERY,
    FRIEND,
    KEYS,
    STRANGER,
    WRONG,
    Visitor,
    cursor_of,
    in_embedded_mode,
    page_of,
    return_,
    send,
    wait_for,
)
from web.endpoints.endpoint import API, Endpoint
from web.pages.page_route import PageRoute

UNSAFE = [endpoint for endpoint in EVERY if endpoint.method != "GET"]
MESSAGE = {"queue": "content", "message": str(uuid.uuid4())}
REFUSED = "Requests from web pages of other origins are not allowed."


def everything(stack: Stack) -> dict[str, list[str]]:
    """Return every row of the database, without logs and notes beside requests."""
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


SITES = [None, "same-origin", "none", "same-site", "cross-site", "trust-me"]
ORIGINS = ["own", "own over TLS", "foreign", "null", None]
TOKENS = ["right", "wrong", "of another login", "of another account", None]


def may_pass(site: str | None, origin: str | None, token: str | None) -> bool:
    """The rule again: Sec-Fetch-Site decides first, then Origin, then the CSRF token."""
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


def await_for_account(
    endpoints: list[Endpoint], headers: list[dict[str, str]], each: int
) -> list[tuple[Endpoint, dict[str, str]]]:
    """Pair each endpoint with so many headers in turn: one place decides for all endpoints."""
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
            **{name: str(new_id()) for name in ("delivery_id", "stage_id", "test_id")},
            **MESSAGE,
        }
        wait_until(lambda: nothing_runs(site), reason="what other tests have begun is done")
        before = everything(site)
        for endpoint, headers in await_for_account(
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

    def test_no_visitor_is_logged_in_or_registered_by_a_page_elsewhere(self, stack: Stack) -> None:
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
                "stage_id",
                "test_id",
            )
        }
        ids["token"] = "of-a-link"
        for endpoint, headers in await_for_account(UNSAFE, [*ELSEWHERE.values()], each):
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
