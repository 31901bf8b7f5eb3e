"""Access tokens and API keys: forged, ended and foreign ones."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.testclient import TestClient

from core import clock
from core.backends import signing_keys
from core.db import database, session, settings
from core.errors import Unauthenticated
from core.ids import new_id
from models.accounts import ApiKey
from roadmap.accounts import accounts, api_keys, identity
from tests.security.accounts.people import (
    ANOTHER,
    AUTH,
    INVITATIONS,
    KEYS,
    PASSWORD,
    ROADMAPS,
    administrator,
    another_process,
    bearer,
    person,
    reason,
    registered,
    works,
)
from web.auth import revocation_cache, tokens
from web.auth.revocation_cache import RevocationCache
from web.auth.tokens import TokenPurpose
from web.http import host_and_csrf, limits

SHA256 = {"digest_method": hashlib.sha256}


def signed(payload: Any, salt: str = TokenPurpose.access) -> str:
    """As this process signs its tokens: with its keys, the newest last."""
    keys = list(reversed(signing_keys(settings)))
    return str(URLSafeTimedSerializer(keys, salt=salt, signer_kwargs=SHA256).dumps(payload))


class TestTokens:
    def test_a_token_of_one_purpose_is_worth_nothing_for_another(self, client: TestClient) -> None:
        who = registered(client)
        login = tokens.read_access_token(who["headers"]["Authorization"].split()[1])
        payload = [login.session_id.hex, login.account_id.hex, 0]
        for salt in [
            *(purpose for purpose in TokenPurpose if purpose is not TokenPurpose.access),
            host_and_csrf.CSRF_SALT,
            "itsdangerous",
            "",
            "delivery",
        ]:
            assert not works(client, bearer(signed(payload, salt)))
        assert works(client, bearer(signed(payload)))

    def test_no_byte_of_a_token_can_be_changed(self, client: TestClient) -> None:
        token = registered(client)["headers"]["Authorization"].split()[1]
        for place in range(0, len(token) - 1):  # the last character has bits that mean nothing
            other = "A" if token[place] != "A" else "B"
            with pytest.raises(Unauthenticated):
                tokens.read_access_token(token[:place] + other + token[place + 1 :])

    @pytest.mark.parametrize(
        "payload", [[], ["a", "b", 1], "x", None, {"a": 1}, [1, 2, 3], ["0" * 32, "0" * 32]]
    )
    def test_what_is_signed_but_no_login_is_refused(self, client: TestClient, payload: Any) -> None:
        assert not works(client, bearer(signed(payload)))

    def test_keys_are_rotated_without_logging_anybody_out(self) -> None:
        login = identity.Login(new_id(), new_id(), False)
        old, new = "o" * 40, "n" * 40
        before, between, after = (
            another_process(old),
            another_process(new, old),
            another_process(new),
        )
        token = before.access_token(login)
        assert between.read_access_token(token) == login
        renewed = between.access_token(login)
        assert after.read_access_token(renewed) == login
        with pytest.raises(Unauthenticated):
            after.read_access_token(token)
        with pytest.raises(Unauthenticated):
            before.read_access_token(renewed)

    def test_keys_are_rotated_under_open_pages(self) -> None:
        old, new, session_id = "o" * 40, "n" * 40, new_id()
        before, between, after = (
            another_process(*keys, module="web.http.host_and_csrf")
            for keys in ((old,), (new, old), (new,))
        )
        csrf = before.csrf_token(session_id)
        assert between.is_csrf_token(csrf, session_id)
        assert not after.is_csrf_token(csrf, session_id)

    def test_a_registration_cannot_ask_for_the_admin_role(self, client: TestClient) -> None:
        for more in ({"is_admin": True}, {"scopes": ["admin"]}, {"role": "admin"}):
            assert client.post(f"{AUTH}/register", json=person(**more)).status_code == 422
        who = registered(client)
        assert client.get(INVITATIONS, headers=who["headers"]).status_code == 403


class TestApiKeys:
    def made(self, client: TestClient, who: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = client.post(KEYS, json={"name": "CI", **fields}, headers=who["headers"])
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def test_a_key_is_shown_once_and_stored_as_a_hash(self, client: TestClient) -> None:
        who = registered(client)
        key = self.made(client, who)
        assert key["key"].startswith("rmk_")
        assert key["key"].startswith(key["prefix"])
        assert len(key["key"]) - len(key["prefix"]) >= 32
        with session():
            row = ApiKey.get()
        assert row.secret_hash == hashlib.sha256(key["key"].encode()).hexdigest()
        assert key["key"] not in str(row.__data__)
        listed = client.get(KEYS, headers=who["headers"])
        assert key["key"] not in listed.text
        assert [item["id"] for item in listed.json()["items"]] == [key["id"]]

    def test_a_key_does_what_its_scopes_say(self, client: TestClient) -> None:
        who = administrator(client)
        for scopes, expected in (
            (["read"], [200, 403, 403]),
            (["write"], [403, 202, 403]),
            (["read", "write"], [200, 202, 403]),
            (["admin"], [403, 403, 200]),
        ):
            headers = bearer(self.made(client, who, scopes=scopes)["key"])
            goal = {"goal": "Become a backend engineer in Python", "review": True}
            answers = [
                client.get(ROADMAPS, headers=headers),
                client.post(ROADMAPS, json=goal, headers=headers),
                client.get(INVITATIONS, headers=headers),
            ]
            assert [answer.status_code for answer in answers] == expected

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", f"{AUTH}/logout"),
            ("PUT", f"{AUTH}/password"),
            ("GET", f"{AUTH}/sessions"),
            ("POST", KEYS),
            ("GET", KEYS),
            ("DELETE", f"{KEYS}/{UUID(int=1)}"),
        ],
    )
    def test_a_key_cannot_make_keys_nor_touch_logins(
        self, client: TestClient, method: str, path: str
    ) -> None:
        headers = bearer(
            self.made(client, administrator(client), scopes=["read", "write", "admin"])["key"]
        )
        body = (
            {"current_password": PASSWORD, "new_password": ANOTHER}
            if method == "PUT"
            else {"name": "more"}
        )
        answer = client.request(
            method, path, json=body if method != "GET" else None, headers=headers
        )
        assert "token of a login" in reason(answer, 403)

    def test_only_an_administrator_makes_keys_of_one_and_they_end_with_the_rank(
        self, client: TestClient
    ) -> None:
        body = {"name": "x", "scopes": ["admin"]}
        assert (
            client.post(KEYS, json=body, headers=registered(client)["headers"]).status_code == 403
        )
        boss = administrator(client)
        key = bearer(self.made(client, boss, scopes=["admin"])["key"])
        assert client.get(INVITATIONS, headers=key).status_code == 200
        accounts.set_admin(boss["email"], is_admin=False)
        # The command line is another process: this one looks every second.
        revocation_cache.revocations.refresh()
        assert client.get(INVITATIONS, headers=key).status_code == 401

    def test_a_revoked_key_is_worth_nothing_at_once(self, client: TestClient) -> None:
        who = registered(client)
        key = self.made(client, who)
        assert works(client, bearer(key["key"]))
        assert client.delete(f"{KEYS}/{key['id']}", headers=who["headers"]).status_code == 204
        assert not works(client, bearer(key["key"]))
        assert client.get(KEYS, headers=who["headers"]).json()["items"] == []

    def test_the_end_of_a_key_is_spread_after_its_transaction(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The thread that refreshes may hold its lock and wait for a row of the transaction."""
        who, open_, refresh = registered(client), list[bool](), RevocationCache.refresh

        def observed(its: RevocationCache) -> None:
            open_.append(database.in_transaction())
            refresh(its)

        monkeypatch.setattr(RevocationCache, "refresh", observed)
        place = f"{KEYS}/{self.made(client, who)['id']}"
        tag = client.get(place, headers=who["headers"]).headers["etag"]
        ended = client.delete(place, headers={**who["headers"], "If-Match": tag})
        assert (ended.status_code, open_) == (204, [False])

    def test_a_key_expires(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        key = bearer(self.made(client, registered(client), expires_in_days=1)["key"])
        assert works(client, key)
        clock.travel(timedelta(days=1, seconds=1))
        assert not works(client, key)
        monkeypatch.setattr(revocation_cache, "KEY_SECONDS", 0.0)  # it is looked up again
        assert not works(client, key)

    @pytest.mark.parametrize("days", [0, -1, 367, 10**9])
    def test_no_key_is_for_ever(self, client: TestClient, days: int) -> None:
        answer = client.post(
            KEYS, json={"name": "x", "expires_in_days": days}, headers=registered(client)["headers"]
        )
        assert answer.status_code == 422

    def test_the_last_use_of_a_key_is_noted_beside_the_requests(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(revocation_cache, "NOTES_EVERY", -1.0)
        who = registered(client)
        key = self.made(client, who)
        assert key["used_at"] is None
        assert works(client, bearer(key["key"]))
        revocation_cache.revocations.refresh()
        (item,) = client.get(KEYS, headers=who["headers"]).json()["items"]
        assert item["used_at"] is not None

    @pytest.mark.parametrize(
        "garbage", ["rmk_", "rmk_" + "a" * 43, "rmk_\udcff", "rmk_" + "x" * 5000]
    )
    def test_a_key_that_was_never_made_is_refused(self, client: TestClient, garbage: str) -> None:
        answer = client.get(
            f"{AUTH}/me",
            headers={"Authorization": b"Bearer " + garbage.encode("utf-8", "surrogateescape")},
        )
        assert "API key is unknown" in reason(answer, 401)

    def test_who_tries_keys_is_stopped_before_they_are_looked_up(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = self.made(client, registered(client))["key"]
        monkeypatch.setattr(limits, "ANONYMOUS", limits.Limit("strangers", 3, 60))
        monkeypatch.setattr(limits, "limiter", limits.Limiter())
        looked, find = [], api_keys.find
        monkeypatch.setattr(api_keys, "find", lambda key: looked.append(key) or find(key))
        answers = [
            client.get(f"{AUTH}/me", headers=bearer(f"rmk_{number}")).status_code
            for number in range(6)
        ]
        assert answers == [401] * 3 + [429] * 3
        assert len(looked) == 3
        assert (
            client.get(f"{AUTH}/me", headers=bearer(key)).status_code == 429
        )  # from the same address, and not known yet

    def test_an_account_has_only_so_many_keys(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_keys, "MOST_KEYS", 2)
        who = registered(client)
        answers = [
            client.post(KEYS, json={"name": "x"}, headers=who["headers"]).status_code
            for _ in range(3)
        ]
        assert answers == [201, 201, 409]

    def test_the_keys_of_somebody_who_is_shut_out_are_worth_nothing(
        self, client: TestClient
    ) -> None:
        who = registered(client)
        key = bearer(self.made(client, who)["key"])
        assert works(client, key)
        accounts.disable(who["email"])
        revocation_cache.revocations.refresh()
        assert not works(client, key)
