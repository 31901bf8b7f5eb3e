"""The cookie of a login."""

import uuid

import pytest

from testing.stack import PASSWORD, Stack
from tests.security.browsers.visitors import (
    ELSEWHERE,
    KEYS,
    ME,
    Visitor,
    arrive,
    attributes_of,
    in_embedded_mode,
    page_of,
    raw,
    send,
)
from web.endpoints.endpoint import API

COOKIE = "__Host-roadmap"


@pytest.fixture
def newcomer(site: Stack) -> Visitor:
    return arrive(site)


class TestCookie:
    def assert_bound(self, set_cookie: str) -> dict[str, str]:
        """Check that it is bound to this host and TLS, away from scripts and other sites."""
        name, _, attributes = attributes_of(set_cookie)
        assert name.startswith("__Host-")
        assert attributes["path"] == "/"
        assert "domain" not in attributes
        assert {"secure", "httponly"} <= attributes.keys()
        assert attributes["samesite"] in ("Lax", "Strict")
        return attributes

    @pytest.mark.parametrize("how", ["register", "login", "password"])
    def test_a_request_for_a_cookie_gets_it_and_no_token(
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
    def test_a_request_for_none_gets_a_token_and_no_cookie(
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
    def test_a_cookie_of_another_name_is_no_login(
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

    def test_two_cookies_of_the_name_are_no_login(
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
