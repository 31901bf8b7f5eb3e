"""Races: what is decided about an account is decided on its row, in the transaction that acts."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from core import clock
from core.backends import open_database
from core.db import database, session, settings, transaction
from core.errors import Conflict, Forbidden, Unauthenticated
from core.ids import new_id
from core.migrate import migrate
from core.settings import Settings
from models.accounts import Account, ApiKey, LoginSession
from roadmap.accounts import accounts, api_keys, identity, passwords, principals, sessions
from roadmap.accounts.accounts import AddressTaken
from roadmap.accounts.api_keys import KeyRequest
from roadmap.accounts.identity import Device, Principal, Scope
from roadmap.accounts.schemas import Credentials, EmailChange, PasswordChange, User
from roadmap.operations.audit_log import Action, Actor, entries
from testing.database import using
from testing.servers import Postgres
from testing.stack import PASSWORD, Stack, answer_to
from testing.stack_queues import settings_of
from testing.waiting import HANG, wait_until
from web.auth.revocation_cache import RevocationCache

ANOTHER = "quite another passphrase"
CHANGE = PasswordChange(current_password=SecretStr(PASSWORD), new_password=SecretStr(ANOTHER))
MOVE = EmailChange(email="moved@example.org", password=SecretStr(PASSWORD))
ENDINGS: dict[str, Callable[[User], None]] = {
    "disabled": lambda user: accounts.disable(user.email),
    "a new password": lambda user: accounts.set_password(user.email, ANOTHER),
    "demoted": lambda user: accounts.set_admin(user.email, is_admin=False),
    "logged out": lambda user: accounts.end_all_logins(user.email),
}


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Settings:
    """Of a database of this module's own."""
    url = SecretStr(postgres.create_database(f"races_{new_id().hex}"))
    mine = settings.model_copy(update={"database_url": url})
    migrate(mine)
    return mine


@pytest.fixture
def server(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Server mode in this process, where there is no account yet."""
    for module in (accounts, principals, sessions):
        monkeypatch.setattr(module, "settings", migrated)
    with using(lambda: open_database(migrated)):
        with transaction():
            Account.delete().execute()  # everything else hangs on one
        yield


@pytest.fixture
def admin(server: None) -> User:
    return accounts.add("someone@example.org", PASSWORD, is_admin=True)


def logged_in(user: User) -> Principal:
    _, login = accounts.log_in(
        Credentials(email=user.email, password=SecretStr(PASSWORD)), Device()
    )
    return Principal(user.id, api_keys.scopes_of(login), login.session_id)


class TestWhileAPasswordIsHashed:
    """Something happens between the check of the password and the writing of the row."""

    @pytest.fixture(params=ENDINGS)
    def meanwhile(
        self, request: pytest.FixtureRequest, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify = passwords.matches

        def verify_then_end(digest: str | None, password: str) -> bool:
            found = verify(digest, password)
            monkeypatch.setattr(passwords, "matches", verify)
            ENDINGS[request.param](admin)
            return found

        self.ending = request.param
        self.principal = logged_in(admin)
        monkeypatch.setattr(passwords, "matches", verify_then_end)

    def test_a_login_begins_as_what_the_account_is_now(self, meanwhile: None, admin: User) -> None:
        credentials = Credentials(email=admin.email, password=SecretStr(PASSWORD))
        if self.ending in ("disabled", "a new password"):
            with pytest.raises(Unauthenticated):
                accounts.log_in(credentials, Device())
            assert sessions.list_open(admin.id, None).items == []
        else:
            _, login = accounts.log_in(credentials, Device())
            assert login.is_admin == (self.ending == "logged out")

    def test_a_password_is_not_changed_by_a_login_that_has_ended(
        self, meanwhile: None, admin: User
    ) -> None:
        with pytest.raises(Unauthenticated):
            accounts.change_password(self.principal, CHANGE, Device())
        assert sessions.list_open(admin.id, None).items == []

    def test_an_address_is_not_changed_by_a_login_that_has_ended(
        self, meanwhile: None, admin: User
    ) -> None:
        with pytest.raises(Unauthenticated):
            accounts.change_email(self.principal, MOVE, Device(), Actor(admin.id, admin.email))
        with session():
            assert Account.get_by_id(admin.id).email == admin.email


class TestAddress:
    def test_of_two_who_want_the_same_one_at_once_one_has_it(self, server: None) -> None:
        people = [accounts.add(f"{name}@example.org", PASSWORD) for name in ("ann", "bob")]
        callers = [logged_in(person) for person in people]
        together = threading.Barrier(2)

        def move(number: int) -> bool:
            together.wait(HANG)
            try:
                accounts.change_email(
                    callers[number], MOVE, Device(), Actor(people[number].id, people[number].email)
                )
            except AddressTaken:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            moved = list(pool.map(move, range(2)))
        assert sorted(moved) == [False, True]
        with session():
            stored = [Account.get_by_id(person.id).email for person in people]
        assert stored[moved.index(True)] == MOVE.email
        assert stored[moved.index(False)] == people[moved.index(False)].email
        assert (
            len(sessions.list_open(people[moved.index(False)].id, None).items) == 1
        )  # it is still logged in
        outcomes = [entry.outcome for entry in entries(limit=2, action=Action.user_email).items]
        assert sorted(map(str, outcomes)) == ["done", "refused"]


class TestConfirm:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_login_that_has_ended_confirms_nothing(self, admin: User, ending: str) -> None:
        principal = logged_in(admin)
        with transaction():
            assert principals.confirm(principal).id == admin.id
        ENDINGS[ending](admin)
        with pytest.raises(Unauthenticated), transaction():
            principals.confirm(principal)

    def test_a_key_that_is_revoked_or_has_expired_confirms_nothing(self, admin: User) -> None:
        made = [
            api_keys.create(admin.id, KeyRequest(name="k", expires_in_days=1)) for _ in range(2)
        ]
        revoked, expired = (
            Principal(admin.id, frozenset({Scope.read}), key_id=key.id) for key in made
        )
        with transaction():
            assert principals.confirm(revoked).id == principals.confirm(expired).id == admin.id
        api_keys.revoke(admin.id, made[0].id)
        with pytest.raises(Unauthenticated), transaction():
            principals.confirm(revoked)
        with session():
            ApiKey.update(expires_at=clock.now()).where(ApiKey.id == made[1].id).execute()
        with pytest.raises(Unauthenticated), transaction():
            principals.confirm(expired)

    def test_who_is_disabled_or_demoted_gets_no_key(self, admin: User) -> None:
        accounts.set_admin(admin.email, is_admin=False)
        with pytest.raises(Forbidden):
            api_keys.create(admin.id, KeyRequest(name="k", scopes=(Scope.admin,)))
        accounts.disable(admin.email)
        with pytest.raises(Conflict):
            api_keys.create(admin.id, KeyRequest(name="k"))

    def test_it_waits_for_who_ends_the_login_at_this_moment(self, admin: User) -> None:
        principal, holds, may_end = logged_in(admin), threading.Event(), threading.Event()

        def change() -> None:
            with transaction():
                accounts.end_all_logins(admin.email)
                holds.set()
                assert may_end.wait(HANG)

        def confirm() -> None:
            with transaction():
                principals.confirm(principal)

        with ThreadPoolExecutor(2) as pool:
            changing = pool.submit(change)
            assert holds.wait(HANG)
            confirming = pool.submit(confirm)
            waits = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            wait_until(lambda: _value(waits), reason="it waits for the row")
            may_end.set()
            changing.result(HANG)
            with pytest.raises(Unauthenticated):
                confirming.result(HANG)


def _value(sql: str) -> Any:
    with session():
        return database.execute_sql(sql).fetchone()[0]


class TestClocks:
    """A process may have any clock; what has ended is compared by the clock of the database."""

    @pytest.mark.parametrize("seconds", [-45, 45])
    def test_the_times_of_an_end_are_of_the_database(self, admin: User, seconds: int) -> None:
        principal, key = logged_in(admin), api_keys.create(admin.id, KeyRequest(name="k"))
        before = _value("SELECT clock_timestamp()")
        clock.travel(timedelta(seconds=seconds))
        try:
            assert principal.session_id is not None
            sessions.end(admin.id, principal.session_id)
            api_keys.revoke(admin.id, key.id)
        finally:
            clock.reset()
        after = _value("SELECT clock_timestamp()")
        with session():
            ends = LoginSession.get().ended_at, ApiKey.get().revoked_at
        assert all(before <= end <= after for end in ends)

    @pytest.mark.parametrize("seconds", [-45, 45])
    def test_a_process_with_another_clock_hears_of_an_end(self, admin: User, seconds: int) -> None:
        principal, key = logged_in(admin), api_keys.create(admin.id, KeyRequest(name="k"))
        clock.travel(timedelta(seconds=seconds))
        try:
            its = RevocationCache()
            its.refresh()
            bearer = its.look_up_key(key.key)
            clock.reset()
            accounts.set_password(admin.email, ANOTHER, revoke_keys=True)
            clock.travel(timedelta(seconds=seconds))
            its.refresh()
        finally:
            clock.reset()
        assert its.has_ended(principal.session_id)
        assert its.has_ended(bearer.key_id)
        assert its.known_key(key.key) is None

    def test_a_key_that_was_looked_up_before_and_kept_after_its_end_is_refused(
        self, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key, its, find = (
            api_keys.create(admin.id, KeyRequest(name="k")),
            RevocationCache(),
            api_keys.find,
        )

        def find_then_revoke(secret: str) -> identity.Bearer | None:
            found = find(secret)
            api_keys.revoke(admin.id, key.id)
            its.refresh()
            return found

        its.refresh()
        monkeypatch.setattr(api_keys, "find", find_then_revoke)
        bearer = its.look_up_key(key.key)
        with pytest.raises(Unauthenticated):
            its.check_still(Principal(admin.id, bearer.scopes, key_id=bearer.key_id))


class TestRealProcesses:
    @pytest.fixture
    def stack(self, shared_server: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
        """The service, whose accounts this process changes as a command does."""
        mine = settings_of(shared_server)
        for module in (accounts, principals, sessions):
            monkeypatch.setattr(module, "settings", mine)
        with using(lambda: open_database(mine)):
            yield shared_server

    def test_who_is_shut_out_while_changing_passwords_stays_out(self, stack: Stack) -> None:
        stop = threading.Event()
        person = _registered(stack)
        answers: list[int] = []
        tokens = [person["token"]]

        def change(current: str, new: str) -> None:
            body = {"current_password": current, "new_password": new}
            answer = answer_to(
                "PUT", f"{stack.url}/api/v1/auth/password", json=body, headers=_bearer(tokens[-1])
            )
            answers.append(answer.status_code)
            if answer.status_code == 200:
                tokens.append(answer.json()["access_token"])

        def keep_changing() -> None:
            two = [PASSWORD, ANOTHER]
            while not stop.is_set() and (not answers or answers[-1] == 200):
                change(*two)
                two.reverse()

        with ThreadPoolExecutor(1) as pool:
            changing = pool.submit(keep_changing)
            try:
                wait_until(lambda: len(answers) > 2, reason="passwords are being changed")
                accounts.disable(person["email"])
                wait_until(changing.done, reason="a change is refused")
            finally:
                stop.set()
            changing.result()
        assert answers[-1] == 401
        wait_until(lambda: _refused(stack, tokens), reason="no token is good any more")

    def test_a_login_that_waited_behind_its_own_requests_gets_no_key_after_its_end(
        self, shared_server: Stack
    ) -> None:
        stack = shared_server
        person = _registered(stack)
        thief = _bearer(person["token"])
        created = answer_to(
            "POST",
            f"{stack.url}/api/v1/roadmaps",
            json={"goal": "Become a backend engineer in Python"},
            headers=thief,
        )
        path = f"{stack.url}{created.headers['location']}"
        wait_until(
            lambda: answer_to("GET", path, headers=thief).json()["status"] == "ready",
            reason="it is ready",
        )
        body = {"email": person["email"], "password": PASSWORD}
        owner = answer_to("POST", f"{stack.url}/api/v1/auth/login", json=body).json()[
            "access_token"
        ]
        with ThreadPoolExecutor(40) as pool:
            exports = [
                pool.submit(answer_to, "GET", f"{path}/export.zip", headers=thief)
                for _ in range(30)
            ]
            key = pool.submit(
                answer_to,
                "POST",
                f"{stack.url}/api/v1/api-keys",
                json={"name": "theirs"},
                headers=thief,
            )
            change = {"current_password": PASSWORD, "new_password": ANOTHER, "revoke_keys": True}
            changed = answer_to(
                "PUT", f"{stack.url}/api/v1/auth/password", json=change, headers=_bearer(owner)
            )
            assert changed.status_code == 200, changed.text
            assert {export.result().status_code for export in exports} <= {200, 401}
            made = key.result()
        if made.status_code == 201:  # it came before the change, which has revoked it
            assert _refused(stack, [made.json()["key"]])
        else:
            assert made.status_code == 401, made.text

    def test_logins_while_a_rank_is_removed_keep_none(self, stack: Stack) -> None:
        person = _registered(stack)
        accounts.set_admin(person["email"], is_admin=True)
        body = {"email": person["email"], "password": PASSWORD}
        with ThreadPoolExecutor(5) as pool:
            logins = [
                pool.submit(answer_to, "POST", f"{stack.url}/api/v1/auth/login", json=body)
                for _ in range(20)
            ]
            logins[3].result()  # others are under way
            accounts.set_admin(person["email"], is_admin=False)
            tokens = [login.result().json()["access_token"] for login in logins]

        def refused() -> bool:
            url = f"{stack.url}/api/v1/invitations"
            return all(
                answer_to("POST", url, json={}, headers=_bearer(token)).status_code in (401, 403)
                for token in tokens
            )

        assert refused()


def _registered(stack: Stack) -> dict[str, str]:
    email = f"{new_id().hex}@example.org"
    answer = answer_to(
        "POST", f"{stack.url}/api/v1/auth/register", json={"email": email, "password": PASSWORD}
    )
    assert answer.status_code == 201, answer.text
    return {"email": email, "token": answer.json()["access_token"]}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _refused(stack: Stack, tokens: list[str]) -> bool:
    url = f"{stack.url}/api/v1/auth/me"
    return all(answer_to("GET", url, headers=_bearer(token)).status_code == 401 for token in tokens)
