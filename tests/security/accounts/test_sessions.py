"""Sessions: begin, end and limits."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from itsdangerous import URLSafeTimedSerializer
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from core import clock
from core.db import session, settings
from core.errors import Unauthenticated
from core.ids import new_id
from models.accounts import Account, LoginSession
from roadmap.accounts import accounts, identity, sessions
from roadmap.operations import log_search
from roadmap.operations.search_filters import LogFilter
from roadmap_app import app
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
    log_in,
    reason,
    registered,
    works,
)
from web.auth import revocation_cache, tokens
from web.http import limits, security_log


def open_sessions(account_id: str) -> int:
    return len(sessions.list_open(UUID(account_id), None).items)


class TestSessions:
    def test_each_login_is_a_session_of_its_own(self, client: TestClient) -> None:
        who = registered(client)
        headers = [who["headers"], log_in(client, who), log_in(client, who)]
        ids = {
            tokens.read_access_token(each["Authorization"].split()[1]).session_id
            for each in headers
        }
        assert len(ids) == 3
        listed = client.get(f"{AUTH}/sessions", headers=headers[1]).json()["items"]
        assert {UUID(item["id"]) for item in listed} == ids
        assert [item["current"] for item in listed] == [False, True, False]
        assert {item["user_agent"] for item in listed} == {"testclient"}

    def test_a_token_that_comes_with_a_login_is_not_taken_over(self, client: TestClient) -> None:
        """Fixation: whatever was there before, a login makes a new session."""
        attacker, victim = registered(client), registered(client)
        answer = client.post(
            f"{AUTH}/login",
            json={"email": victim["email"], "password": PASSWORD},
            headers=attacker["headers"],
        )
        assert answer.json()["user"]["id"] == victim["id"]
        assert client.get(f"{AUTH}/me", headers=attacker["headers"]).json()["id"] == attacker["id"]

    def test_logging_out_ends_this_session_and_no_other(self, client: TestClient) -> None:
        who = registered(client)
        other = log_in(client, who)
        assert client.post(f"{AUTH}/logout", headers=who["headers"]).status_code == 204
        assert (works(client, who["headers"]), works(client, other)) == (False, True)
        assert reason(
            client.post(ROADMAPS, json={"goal": "Bake bread"}, headers=who["headers"]), 401
        ) == ("The login session has ended. Log in again.")

    def test_a_session_can_be_ended_from_another(self, client: TestClient) -> None:
        who = registered(client)
        stolen = log_in(client, who)
        session_id = tokens.read_access_token(stolen["Authorization"].split()[1]).session_id
        assert (
            client.delete(f"{AUTH}/sessions/{session_id}", headers=who["headers"]).status_code
            == 204
        )
        assert (works(client, who["headers"]), works(client, stolen)) == (True, False)
        assert (
            client.delete(f"{AUTH}/sessions/{session_id}", headers=who["headers"]).status_code
            == 404
        )

    def test_a_new_password_ends_them_all_and_begins_one(self, client: TestClient) -> None:
        who = registered(client)
        stolen = log_in(client, who)
        change = {"current_password": PASSWORD, "new_password": ANOTHER}
        answer = client.put(f"{AUTH}/password", json=change, headers=who["headers"])
        assert answer.status_code == 200, answer.text
        assert [works(client, headers) for headers in (who["headers"], stolen)] == [False, False]
        assert works(client, bearer(answer.json()["access_token"]))
        assert open_sessions(who["id"]) == 1
        assert (
            client.post(
                f"{AUTH}/login", json={"email": who["email"], "password": PASSWORD}
            ).status_code
            == 401
        )
        assert works(client, log_in(client, {**who, "password": ANOTHER}))

    @pytest.mark.parametrize(
        "change",
        [
            {"current_password": ANOTHER},
            {"new_password": "q1w2e3r4t5y6"},
            {"new_password": "short"},
        ],
    )
    def test_a_change_that_is_refused_ends_nothing(
        self, client: TestClient, change: dict[str, str]
    ) -> None:
        who = registered(client)
        given = {"current_password": PASSWORD, "new_password": ANOTHER, **change}
        assert client.put(f"{AUTH}/password", json=given, headers=who["headers"]).status_code in (
            401,
            422,
        )
        assert works(client, who["headers"])
        assert works(client, log_in(client, who))

    def test_an_operator_ends_what_runs_by_a_new_password_by_rank_and_by_shutting_out(
        self, client: TestClient
    ) -> None:
        for act in (
            lambda email: accounts.set_password(email, ANOTHER),
            lambda email: accounts.set_admin(email, is_admin=True),
            accounts.disable,
        ):
            who = registered(client)
            act(who["email"])
            # The command line is another process: this one looks every second.
            revocation_cache.revocations.refresh()
            assert not works(client, who["headers"])

    def test_a_session_ends_by_its_age(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = registered(client)["headers"]["Authorization"].split()[1]
        monkeypatch.setattr(
            tokens, "settings", settings.model_copy(update={"token_ttl_seconds": -1.0})
        )
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.read_access_token(token)

    def test_a_token_that_was_read_before_ends_by_its_age_as_well(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        login = identity.Login(new_id(), new_id(), False)
        token, now = tokens.access_token(login), time.time()
        assert tokens.read_access_token(token) == tokens.read_access_token(token) == login
        monkeypatch.setattr("time.time", lambda: now + settings.token_ttl_seconds + 2)
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.read_access_token(token)

    @pytest.mark.parametrize("more", ["!", "!" * 20_000, " ", "\n", "=", "é"])
    def test_a_token_is_written_in_one_way(self, more: str) -> None:
        token = tokens.access_token(identity.Login(new_id(), new_id(), False))
        for altered in (token[:-5] + more + token[-5:], token + more) * 2:
            with pytest.raises(Unauthenticated, match="not valid"):
                tokens.read_access_token(altered)

    def test_of_so_many_tokens_only_the_newest_are_remembered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process, verified, loads = another_process("k" * 40), [], URLSafeTimedSerializer.loads

        def verify(serializer: URLSafeTimedSerializer, token: str, **how: Any) -> Any:
            verified.append(token)
            return loads(serializer, token, **how)

        few = lru_cache(maxsize=3)(process.signed_login.__wrapped__)
        monkeypatch.setattr(process, "signed_login", few)
        monkeypatch.setattr(URLSafeTimedSerializer, "loads", verify)
        logins = [identity.Login(new_id(), new_id(), False) for _ in range(5)]
        made = [process.access_token(login) for login in logins]
        assert [process.read_access_token(token) for token in made] == logins
        assert [process.read_access_token(token) for token in made[::-1]] == logins[::-1]
        assert verified == [*made, *made[1::-1]]

    def test_an_unused_session_ends_and_one_in_use_does_not(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(revocation_cache, "NOTES_EVERY", -1.0)
        idle, used = registered(client), registered(client)
        clock.travel(timedelta(seconds=settings.session_idle_seconds - 60))
        assert works(client, used["headers"])
        # What its thread does every second, and notes twice a minute.
        revocation_cache.revocations.refresh()
        clock.travel(timedelta(seconds=120))
        assert sessions.end_idle_sessions() == 1
        revocation_cache.revocations.refresh()
        assert (works(client, idle["headers"]), works(client, used["headers"])) == (False, True)

    def test_sessions_are_forgotten_a_month_after_their_end(self, client: TestClient) -> None:
        registered(client)
        clock.travel(
            timedelta(seconds=settings.token_ttl_seconds) + sessions.KEPT + timedelta(seconds=1)
        )
        sessions.end_idle_sessions()
        with session():
            assert LoginSession.select().count() == 0

    def test_an_account_has_only_so_many_sessions(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
        who = registered(client)
        later = [log_in(client, who) for _ in range(3)]
        revocation_cache.revocations.refresh()
        assert not works(client, who["headers"])
        assert all(works(client, headers) for headers in later)

    def test_whether_a_session_has_ended_is_known_without_a_query(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who = registered(client)
        assert works(client, who["headers"])
        asked: list[str] = []
        monkeypatch.setattr(
            sessions,
            "ended_since",
            lambda moment: asked.append(threading.current_thread().name) or set(),
        )
        for _ in range(20):
            works(client, who["headers"])
        assert set(asked) <= {"Standing"}

    def test_all_that_have_ended_are_found(self, client: TestClient) -> None:
        who, began = registered(client), clock.now()
        for _ in range(7):
            log_in(client, who)
        with session():
            ids = [row.id for row in LoginSession.select().order_by(LoginSession.created_at)]
            for several in (ids[:1], ids[1:6], ids[6:7]):  # the last one stays open
                LoginSession.update(ended_at=clock.now()).where(
                    LoginSession.id.in_(several)
                ).execute()
        assert sessions.ended_since(began) == set(ids[:7])

    @pytest.mark.parametrize("end", ["log out", "shut out", "revoke the key"])
    def test_an_export_of_the_log_ends_with_the_right_to_it(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        who = administrator(client)
        made = client.post(
            KEYS, json={"name": "backup", "scopes": ["observe"]}, headers=who["headers"]
        ).json()
        headers = bearer(made["key"]) if end == "revoke the key" else who["headers"]

        def export(_: LogFilter) -> Iterator[bytes]:
            """Page after page; after the first the right to it ends."""
            yield b"first\n"
            yield b"second\n"
            if end == "log out":
                client.post(f"{AUTH}/logout", headers=headers)
            elif end == "shut out":
                accounts.disable(who["email"])
                revocation_cache.revocations.refresh()
            else:
                client.delete(f"{KEYS}/{made['id']}", headers=who["headers"])
            yield b"third\n"
            yield b"fourth\n"

        monkeypatch.setattr(log_search, "export", export)
        sent: list[Message] = []

        async def seen(scope: Scope, receive: Receive, send: Send) -> None:
            async def noted(message: Message) -> None:
                sent.append(message)
                await send(message)

            await app(scope, receive, noted)

        response = TestClient(seen, base_url="http://127.0.0.1").get(
            "/api/v1/admin/logs/export", headers=headers
        )
        assert (response.status_code, response.text) == (200, "first\nsecond\n")
        assert sent[-1]["more_body"]  # cut off, so that no client takes it for complete

    @pytest.mark.parametrize("revoke", [False, True])
    def test_a_new_password_revokes_keys_when_it_is_asked_to(
        self, client: TestClient, revoke: bool
    ) -> None:
        who = registered(client)
        key = client.post(KEYS, json={"name": "CI"}, headers=who["headers"]).json()["key"]
        change = {"current_password": PASSWORD, "new_password": ANOTHER, "revoke_keys": revoke}
        assert (
            client.put(f"{AUTH}/password", json=change, headers=who["headers"]).status_code == 200
        )
        assert works(client, bearer(key)) == (not revoke)

    def test_a_hash_of_older_parameters_is_replaced_at_a_login(
        self, client: TestClient, costly: None
    ) -> None:
        who = registered(client)
        weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
        with session():
            Account.update(password_hash=weak).where(Account.id == UUID(who["id"])).execute()
        for _ in range(2):
            assert works(client, log_in(client, who))
            with session():
                assert Account.get_by_id(UUID(who["id"])).password_hash.startswith(
                    "$argon2id$v=19$m=19456,t=2,p=1$"
                )

    def test_who_came_in_and_who_was_refused_is_written_down_without_a_secret(
        self, client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level("INFO", "roadmap.security")
        monkeypatch.setattr(
            security_log, "OFTEN", limits.Limit(new_id().hex, security_log.OFTEN.most, 60)
        )
        who = registered(client)
        log_in(client, who)
        client.post(f"{AUTH}/login", json={"email": who["email"], "password": ANOTHER})
        client.get(f"{ROADMAPS}/x%0aforged", headers={"X-Request-ID": "find-me"})
        client.get(INVITATIONS, headers=who["headers"])
        client.post(f"{AUTH}/logout", headers=who["headers"])
        lines = [
            record.getMessage() for record in caplog.records if record.name == "roadmap.security"
        ]
        assert [line.split()[0] for line in lines] == [
            "registered",
            "logged-in",
            "refused",
            "refused",
            "refused",
            "logged-out",
        ]
        assert "status=401 method=POST route=/api/v1/auth/login" in lines[2]
        assert (
            "request=find-me status=401 method=GET route=/api/v1/roadmaps/{roadmap_id}" in lines[3]
        )
        assert "status=403 method=GET route=/api/v1/invitations" in lines[4]
        assert f"account={who['id']}" in lines[0]
        secrets = [
            who["email"],
            PASSWORD,
            ANOTHER,
            who["headers"]["Authorization"].split()[1],
            "forged",
        ]
        assert [secret for secret in secrets if secret in "\n".join(lines)] == []

    def test_who_attacks_does_not_fill_the_log(
        self, client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level("INFO", "roadmap.security")
        monkeypatch.setattr(
            security_log, "OFTEN", limits.Limit(new_id().hex, security_log.OFTEN.most, 60)
        )
        for _ in range(2 * security_log.OFTEN.most):
            assert client.get(ROADMAPS).status_code == 401
        assert len(caplog.records) == security_log.OFTEN.most
