"""Scripts of other pages: which of them may read a response."""

from typing import Any

import httpx2
import pytest

from core.ids import new_id
from testing.stack import GOAL, PASSWORD, Stack
from tests.security.browsers.visitors import FRIEND, ME, STRANGER, Visitor, assert_careful, send
from web.endpoints.endpoint import API


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
    def test_without_a_setting_no_page_is_allowed_anything(self, stack: Stack, origin: str) -> None:
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
        found = allowed(answer)
        assert found["access-control-allow-origin"] == FRIEND
        assert {"GET", "POST", "PUT", "DELETE"} <= set(
            found["access-control-allow-methods"].split(", ")
        )
        assert {"authorization", "content-type"} <= set(
            found["access-control-allow-headers"].lower().split(", ")
        )
        assert "access-control-allow-credentials" not in found
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
            found = allowed(refused)
            assert "access-control-allow-origin" not in found
            assert "access-control-allow-credentials" not in found
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
            values = {
                name: value
                for name, value in answer.headers.multi_items()
                if not name.startswith("access-control-")
            }
            assert_careful(httpx2.Headers(values), embedded=False)
