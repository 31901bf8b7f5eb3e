"""Passwords: weak ones are refused, and guesses are limited."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.db import session
from core.password_strength import COMMON, password_weakness
from models.accounts import Account
from roadmap.accounts import accounts, passwords
from tests.security.accounts.people import (
    ANOTHER,
    AUTH,
    PASSWORD,
    log_in,
    person,
    reason,
    registered,
    works,
)
from web.http import host_and_csrf, limits


class TestPasswords:
    def test_common_ones_are_many_and_of_allowed_length(
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
            ("johnathan.doe@example.org", "too similar to a name"),
            ("Johnathan.Doe1234", "too similar to a name"),
            ("johnathan.doejohnathan.doe", "too similar to a name"),
            ("Maximilian 99", "too similar to a name"),
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
            ("unknown@example.org", PASSWORD),
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

    def test_registrations_are_rate_limited(
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
