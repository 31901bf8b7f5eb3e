"""Accounts, attack first: guessing, stealing, fixing and forging what proves who somebody is."""

import hashlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from itsdangerous import URLSafeTimedSerializer
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from core import clock
from core.backends import signing_keys
from core.db import session, settings
from core.errors import Unauthenticated
from core.ids import new_id
from core.password_strength import COMMON, password_weakness
from core.settings import Admission
from models.accounts import Account, ApiKey, Invitation, LoginSession
from roadmap.accounts import (
    accounts,
    api_keys,
    identity,
    passwords,
    principals,
    sessions,
)
from roadmap.operations import log_search
from roadmap.operations.log_search import LogFilter
from roadmap_app import app
from web import authentication, revocation_cache, tokens
from web.http import host_and_csrf, limits, security_log
from web.tokens import TokenPurpose

PASSWORD = "a long enough passphrase"
ANOTHER = "quite another passphrase"
AUTH, KEYS, INVITATIONS, ROADMAPS = (
    "/api/v1/auth",
    "/api/v1/api-keys",
    "/api/v1/invitations",
    "/api/v1/roadmaps",
)
FOR_SETTINGS = (
    authentication,
    limits,
    host_and_csrf,
    accounts,
    principals,
    sessions,
    revocation_cache,
    tokens,
)

HASHER, CHEAP = passwords.HASHER, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SHA256 = {"digest_method": hashlib.sha256}

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Server mode in this process, with these settings."""

    def configured(**changes: Any) -> None:
        update = {"database_url": SecretStr("postgresql://127.0.0.1/unused"), **changes}
        changed = settings.model_copy(update=update)
        for module in FOR_SETTINGS:
            monkeypatch.setattr(module, "settings", changed)

    monkeypatch.setattr(passwords, "HASHER", CHEAP)  # many log in here
    configured()
    return configured


@pytest.fixture
def costly(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as they are when it is no test."""
    monkeypatch.setattr(passwords, "HASHER", HASHER)


@pytest.fixture
def client(immediate: None, configure: Configure) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


def person(**fields: Any) -> dict[str, Any]:
    return {"email": f"{new_id().hex}@example.org", "password": PASSWORD, **fields}


def registered(client: TestClient, **fields: Any) -> dict[str, Any]:
    """A new account: its credentials, and the headers of its first login."""
    credentials = person(**fields)
    answer = client.post(f"{AUTH}/register", json=credentials)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{AUTH}/me"), answer.text
    return {
        **credentials,
        "id": answer.json()["user"]["id"],
        "headers": bearer(answer.json()["access_token"]),
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: TestClient, who: dict[str, Any]) -> dict[str, str]:
    answer = client.post(f"{AUTH}/login", json={name: who[name] for name in ("email", "password")})
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["access_token"])


def works(client: TestClient, headers: dict[str, str]) -> bool:
    answer = client.get(f"{AUTH}/me", headers=headers)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def administrator(client: TestClient) -> dict[str, Any]:
    who = registered(client)
    accounts.set_admin(who["email"], is_admin=True)
    return {**who, "headers": log_in(client, who)}


def reason(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def open_sessions(account_id: str) -> int:
    return len(sessions.list_open(UUID(account_id), None).items)


class TestPasswords:
    def test_the_list_of_common_ones_is_long_enough_and_holds_only_what_the_rule_of_length_lets_through(
        self,
    ) -> None:
        lines = COMMON.read_text("utf-8").splitlines()
        assert len(lines) == len(set(lines)) >= 3000  # as ASVS 5.0 wants it (6.2.4)
        assert min(len(line) for line in lines) >= 12
        assert all(line == line.casefold().strip() for line in lines)

    @pytest.mark.parametrize(
        ("password", "why"),
        [
            ("elevenchars", "at least 12"),
            ("q1w2e3r4t5y6", "most common"),
            ("Q1W2E3R4T5Y6", "most common"),
            ("1q2w3e4r5t6y ", "most common"),
            ("aaaaaaaaaaaabbbb", "repeats"),
            ("ababababababababab", "repeats"),
            ("johnathan.doe@example.org", "little more than a name"),
            ("Johnathan.Doe1234", "little more than a name"),
            ("johnathan.doejohnathan.doe", "little more than a name"),
            ("Maximilian 99", "little more than a name"),
        ],
    )
    def test_what_others_would_guess_is_refused_with_the_reason(
        self, client: TestClient, password: str, why: str
    ) -> None:
        given = {
            "email": "johnathan.doe@example.org",
            "name": "Maximilian Doe",
            "password": password,
        }
        answer = client.post(f"{AUTH}/register", json=given)
        assert answer.status_code == 422
        assert why in answer.json()["errors"][0]["detail"]
        assert password not in answer.text
        with session():
            assert Account.get_or_none(Account.email == given["email"]) is None

    @pytest.mark.parametrize(
        "password",
        [
            "correct horse battery",
            "ВсегоДвенадцать",
            "密码密码是一句很长的话才好",
            "    spaces are fine    ",
            "x" * 900 + "🔑 passphrase",
        ],
    )
    def test_passphrases_of_any_characters_are_welcome_and_kept_as_they_are(
        self, client: TestClient, password: str
    ) -> None:
        who = registered(client, password=password)
        assert works(client, log_in(client, who))
        assert (
            client.post(
                f"{AUTH}/login", json={"email": who["email"], "password": password.strip() + "!"}
            ).status_code
            == 401
        )

    def test_a_password_is_stored_as_argon2id_with_at_least_the_floor_of_owasp(
        self, client: TestClient, costly: None
    ) -> None:
        who = registered(client)
        with session():
            digest = Account.get_by_id(UUID(who["id"])).password_hash
        assert digest.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert passwords.HASHER.verify(digest, PASSWORD)

    def test_names_that_are_short_forbid_nothing(self) -> None:
        assert password_weakness("correct horse battery", "c@b.de", "a") == ""


class TestGuessing:
    def test_every_kind_of_wrong_login_costs_one_hash_and_says_the_same(
        self, client: TestClient, costly: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known, shut_out, without = registered(client), registered(client), registered(client)
        accounts.disable(shut_out["email"])
        with session():
            Account.update(password_hash="").where(Account.id == UUID(without["id"])).execute()
        hashes: list[str] = []

        class Counting(type(passwords.HASHER)):  # type: ignore[misc]
            def verify(self, digest: str, password: str) -> bool:
                hashes.append(digest[:31])
                return bool(super().verify(digest, password))

        monkeypatch.setattr(
            passwords, "HASHER", Counting(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        )
        answers = []
        for email, password in (
            (known["email"], ANOTHER),
            (shut_out["email"], PASSWORD),
            (without["email"], PASSWORD),
            ("nobody@example.org", PASSWORD),
        ):
            answers.append(
                client.post(f"{AUTH}/login", json={"email": email, "password": password})
            )
        assert len(hashes) == len(answers)
        assert set(hashes) == {"$argon2id$v=19$m=19456,t=2,p=1$"}
        assert {reason(answer, 401) for answer in answers} == {
            "The address or the password is wrong."
        }

    def test_an_account_can_be_guessed_at_from_one_address_a_few_times_and_others_are_not_shut_out(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=3, account=100, address=100)
        victim, other = registered(client), registered(client)
        wrong = {"email": victim["email"], "password": ANOTHER}
        assert [client.post(f"{AUTH}/login", json=wrong).status_code for _ in range(5)] == [
            401
        ] * 3 + [429] * 2
        right = client.post(f"{AUTH}/login", json={"email": victim["email"], "password": PASSWORD})
        assert right.status_code == 429  # the fourth guess may be the right one
        assert 1 <= int(right.headers["retry-after"]) <= 1800
        assert works(client, log_in(client, other))
        assert works(client, victim["headers"])  # who is logged in stays so

    @pytest.mark.parametrize("spelling", [str.upper, str.title])
    def test_another_spelling_of_the_address_is_the_same_account(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, spelling: Callable[[str], str]
    ) -> None:
        limited(monkeypatch, pair=2, account=100, address=100)
        victim = registered(client)
        emails = [victim["email"], spelling(victim["email"]), victim["email"]]
        answers = [
            client.post(f"{AUTH}/login", json={"email": email, "password": ANOTHER})
            for email in emails
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 429]

    def test_one_address_cannot_try_one_password_on_many_accounts(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=3, account=100, address=5)
        tries = [
            client.post(f"{AUTH}/login", json={"email": f"{n}@example.org", "password": PASSWORD})
            for n in range(7)
        ]
        assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2

    def test_many_addresses_cannot_guess_at_one_account_for_ever(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=3, account=6, address=100)
        monkeypatch.setattr(
            host_and_csrf, "PROXIES", tuple(map(host_and_csrf.ip_network, ["127.0.0.0/8"]))
        )
        victim = registered(client)
        answers = []
        for number in range(8):
            monkeypatch.setattr(
                limits, "address_of", lambda request, number=number: f"10.0.0.{number}"
            )
            answers.append(
                client.post(
                    f"{AUTH}/login", json={"email": victim["email"], "password": ANOTHER}
                ).status_code
            )
        assert answers == [401] * 6 + [429] * 2

    def test_right_passwords_are_not_counted(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=2, account=2, address=2)
        who = registered(client)
        assert all(works(client, log_in(client, who)) for _ in range(6))

    def test_guesses_that_run_at_once_count_as_well(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=3, account=100, address=100)
        victim, answers = registered(client), []

        def guess() -> None:
            answers.append(
                client.post(
                    f"{AUTH}/login", json={"email": victim["email"], "password": ANOTHER}
                ).status_code
            )

        threads = [threading.Thread(target=guess) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [401] * 3 + [429] * 9

    def test_nobody_makes_accounts_by_the_dozen(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "REGISTRATIONS", limits.Limit("registrations", 2, 3600))
        monkeypatch.setattr(limits, "limiter", limits.Limiter())
        assert [client.post(f"{AUTH}/register", json=person()).status_code for _ in range(4)] == [
            201,
            201,
            429,
            429,
        ]

    def test_a_current_password_cannot_be_guessed_through_its_change(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, pair=3, account=100, address=100)
        who = registered(client)
        wrong = {"current_password": ANOTHER, "new_password": "yet another passphrase"}
        answers = [
            client.put(f"{AUTH}/password", json=wrong, headers=who["headers"]).status_code
            for _ in range(5)
        ]
        assert answers == [401] * 3 + [429] * 2


def limited(monkeypatch: pytest.MonkeyPatch, **most: int) -> None:
    for name, number in most.items():
        limit = getattr(limits, f"LOGIN_{name.upper()}")
        monkeypatch.setattr(
            limits, f"LOGIN_{name.upper()}", limits.Limit(limit.name, number, limit.seconds)
        )
    monkeypatch.setattr(limits, "limiter", limits.Limiter())


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
        ) == ("The login has ended. Log in again.")

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
            revocation_cache.revocations.refresh()  # the command line is another process: this one looks every second
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

    def test_a_session_that_nobody_uses_ends_and_one_in_use_does_not(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(revocation_cache, "NOTES_EVERY", -1.0)
        idle, used = registered(client), registered(client)
        clock.travel(timedelta(seconds=settings.session_idle_seconds - 60))
        assert works(client, used["headers"])
        revocation_cache.revocations.refresh()  # what its thread does every second, and notes twice a minute
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

    def test_all_that_have_ended_are_found_page_by_page_also_those_of_one_moment(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who, began = registered(client), clock.now()
        for _ in range(7):
            log_in(client, who)
        with session():
            ids = [row.id for row in LoginSession.select().order_by(LoginSession.created_at)]
            for several in (ids[:1], ids[1:6], ids[6:7]):  # the last one stays open
                LoginSession.update(ended_at=clock.now()).where(
                    LoginSession.id.in_(several)
                ).execute()
        monkeypatch.setattr(sessions, "MOST_AT_ONCE", 2)
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

        told = TestClient(seen, base_url="http://127.0.0.1").get(
            "/api/v1/admin/logs/export", headers=headers
        )
        assert (told.status_code, told.text) == (200, "first\nsecond\n")
        assert sent[-1]["more_body"]  # it is cut, so that nobody takes it for the whole

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

    def test_a_hash_of_older_parameters_is_made_anew_at_a_login(
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


def signed(payload: Any, salt: str = TokenPurpose.access) -> str:
    """As this process signs its tokens: with its keys, the newest last."""
    keys = list(reversed(signing_keys(settings)))
    return str(URLSafeTimedSerializer(keys, salt=salt, signer_kwargs=SHA256).dumps(payload))


def another_process(*keys: str, module: str = "web.tokens") -> Any:
    """The module as a process has it that begins with these keys."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.loader is not None
    made: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    made.signing_keys = lambda settings: keys
    return made


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

    def test_nobody_becomes_an_administrator_by_saying_so(self, client: TestClient) -> None:
        for more in ({"is_admin": True}, {"scopes": ["admin"]}, {"role": "admin"}):
            assert client.post(f"{AUTH}/register", json=person(**more)).status_code == 422
        who = registered(client)
        assert client.get(INVITATIONS, headers=who["headers"]).status_code == 403


class TestApiKeys:
    def made(self, client: TestClient, who: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = client.post(KEYS, json={"name": "CI", **fields}, headers=who["headers"])
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def test_a_key_is_told_once_and_stored_as_a_hash(self, client: TestClient) -> None:
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
        assert "needs a login" in reason(answer, 403)

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
        revocation_cache.revocations.refresh()  # the command line is another process: this one looks every second
        assert client.get(INVITATIONS, headers=key).status_code == 401

    def test_a_revoked_key_is_worth_nothing_at_once(self, client: TestClient) -> None:
        who = registered(client)
        key = self.made(client, who)
        assert works(client, bearer(key["key"]))
        assert client.delete(f"{KEYS}/{key['id']}", headers=who["headers"]).status_code == 204
        assert not works(client, bearer(key["key"]))
        assert client.get(KEYS, headers=who["headers"]).json()["items"] == []

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
        assert "never made" in reason(answer, 401)

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


class TestRegistration:
    def test_closed_means_nobody(self, client: TestClient, configure: Configure) -> None:
        boss = administrator(client)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        configure(registration=Admission.closed)
        for more in ({}, {"invitation": invitation}):
            assert client.post(f"{AUTH}/register", json=person(**more)).status_code == 403

    def test_by_default_only_who_is_invited_comes_in_and_once(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=type(settings).model_fields["registration"].default)
        assert "invited" in reason(client.post(f"{AUTH}/register", json=person()), 403)
        made = client.post(INVITATIONS, json={}, headers=boss["headers"])
        assert made.status_code == 201
        invitation = made.json()["invitation"]
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 201
        )
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 403
        )
        assert client.get(INVITATIONS, headers=boss["headers"]).json()["items"] == []

    def test_a_bad_password_does_not_use_an_invitation_up(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        assert (
            client.post(
                f"{AUTH}/register", json=person(invitation=invitation, password="q1w2e3r4t5y6")
            ).status_code
            == 422
        )
        taken = {"email": boss["email"], "password": PASSWORD, "invitation": invitation}
        assert client.post(f"{AUTH}/register", json=taken).status_code == 409
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 201
        )

    def test_an_invitation_for_one_address_is_for_no_other(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        made = client.post(
            INVITATIONS, json={"email": "Friend@Example.org"}, headers=boss["headers"]
        ).json()
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=made["invitation"])).status_code
            == 403
        )
        friend = person(invitation=made["invitation"], email="friend@example.org")
        assert client.post(f"{AUTH}/register", json=friend).status_code == 201

    def test_an_invitation_ends_by_its_age_and_by_being_withdrawn(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        late, withdrawn = (
            client.post(INVITATIONS, json={}, headers=boss["headers"]).json() for _ in range(2)
        )
        assert (
            client.delete(f"{INVITATIONS}/{withdrawn['id']}", headers=boss["headers"]).status_code
            == 204
        )
        assert (
            client.post(
                f"{AUTH}/register", json=person(invitation=withdrawn["invitation"])
            ).status_code
            == 403
        )
        clock.travel(identity.INVITATION_LIFE + timedelta(seconds=1))
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=late["invitation"])).status_code
            == 403
        )

    @pytest.mark.parametrize("forged", ["x", "a.b.c", ""])
    def test_a_forged_invitation_opens_nothing(
        self, client: TestClient, configure: Configure, forged: str
    ) -> None:
        configure(registration=Admission.invite)
        assert client.post(f"{AUTH}/register", json=person(invitation=forged)).status_code == 403

    def test_two_people_with_one_invitation_at_once_are_one_person(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        answers: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code
                )
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201, 403, 403, 403]
        with session():
            assert Invitation.get().used_by_id is not None


class TestFirstAdministrator:
    def test_there_is_none_without_the_variables(self, client: TestClient) -> None:
        with session():
            assert Account.select().where(Account.is_admin).count() == 0

    def test_the_variables_make_one_and_never_again(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = {"email": "boss@example.org", "password": PASSWORD}
        configure(admin_email="Boss@example.org", admin_password=SecretStr(PASSWORD))
        accounts.ensure_first_admin()
        assert client.get(INVITATIONS, headers=log_in(client, boss)).status_code == 200
        accounts.set_password(boss["email"], ANOTHER)
        accounts.ensure_first_admin()
        assert client.post(f"{AUTH}/login", json=boss).status_code == 401
        assert works(client, log_in(client, {**boss, "password": ANOTHER}))

    def test_who_has_registered_under_that_address_before_is_not_made_one(
        self, client: TestClient, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        who = registered(client)
        configure(admin_email=who["email"], admin_password=SecretStr(ANOTHER))
        accounts.ensure_first_admin()
        assert client.get(INVITATIONS, headers=log_in(client, who)).status_code == 403
        assert "is no administrator" in caplog.text
