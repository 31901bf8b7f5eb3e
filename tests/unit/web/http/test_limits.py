"""Every answer that was counted says how much is left."""

import re

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from web.auth import authentication
from web.http import host_and_csrf, limits
from web.http.rate_limiter import Limit, Limiter

ME = "/api/v1/auth/me"
FEW = Limit("requests", 4, 60)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server mode, four requests a minute, half as many for strangers."""
    in_server_mode = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in (authentication, limits, host_and_csrf):
        monkeypatch.setattr(module, "settings", in_server_mode)
    monkeypatch.setattr(limits, "limiter", Limiter(now=lambda: 600.0))
    monkeypatch.setattr(limits, "REQUESTS", FEW)
    monkeypatch.setattr(limits, "ANONYMOUS", Limit("strangers", 2, 60))


def test_an_account_gets_what_is_left_until_nothing_is(few: None, client: TestClient) -> None:
    person = {"email": "someone@example.org", "password": "a long enough passphrase"}
    session = client.post("/api/v1/auth/register", json=person).json()
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    answers = [client.get(ME, headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"requests";q=4;w=60'}
    assert [answer.headers["ratelimit"] for answer in answers] == [
        f'"requests";r={left};t=60' for left in (3, 2, 1, 0, 0)
    ]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_an_anonymous_client_gets_what_is_left_with_every_answer(
    few: None, client: TestClient
) -> None:
    answers = [client.get(ME), client.get("/nothing"), client.get("/problems/invalid")]
    assert [answer.status_code for answer in answers] == [401, 404, 429]
    assert [re.findall("r=([0-9]+)", answer.headers["ratelimit"]) for answer in answers] == [
        ["1"],
        ["0"],
        ["0"],
    ]


def test_what_is_not_counted_says_nothing(few: None, client: TestClient) -> None:
    assert "ratelimit" not in client.get("/health").headers


def test_on_ones_own_machine_nothing_is_counted(client: TestClient) -> None:
    assert "ratelimit" not in client.get(ME).headers


def test_what_the_other_processes_have_closed_is_closed() -> None:
    limiter = Limiter(now=lambda: 600.0)
    limiter.hit(FEW, "someone")
    assert limiter.left(FEW, "someone") == (3, 60.0)
    limiter.block_until((FEW, "someone"), 630.0)
    assert limiter.left(FEW, "someone") == (0, 30.0)
