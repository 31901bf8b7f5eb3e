"""Host names under which the service answers."""

import itertools

import pytest

from testing.stack import GOAL, PASSWORD, Stack
from tests.security.browsers.visitors import (
    BELOW,
    KEYS,
    ME,
    NAME,
    PRIVATE,
    PUBLIC,
    Visitor,
    in_embedded_mode,
    in_server_mode,
    raw,
    send,
)
from web.endpoints.endpoint import API

HEALTH_CHECK = "healthcheck.railway.app"
PROBES = ("/health", "/health/live", "/health/ready")
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
    def test_health_is_answered_under_any_name(self, site: Stack, path: str, host: str) -> None:
        assert send(site, "GET", path, {"Host": host}).status_code == 200

    @pytest.mark.parametrize("path", [f"{PROBES[0]}/", "/health/livex", "//health", "/x/../health"])
    def test_what_only_looks_like_health_is_not_answered_under_any_name(
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
