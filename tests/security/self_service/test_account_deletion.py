"""Deletion of an account: nothing works after it, and nothing is left."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from core import clock
from core.db import session, transaction
from core.ids import new_id
from models.accounts import AccountExport, ExportPiece, Invitation, WebhookDelivery
from models.records import AuditRecord, ExecutionLog, ModelCall, MonthlySpending
from models.roadmaps import Roadmap
from roadmap.accounts import accounts, passwords, sessions
from roadmap.accounts.accounts import RETURN
from roadmap.accounts.identity import Principal, Scope
from roadmap.accounts.schemas import DeletionRequest
from roadmap.lifecycle.administration import account_deletion
from roadmap.operations import backup, execution_log
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.webhooks.sender import deliver
from tasks.queues import content_queue
from tasks.upkeep import rescue_overdue
from testing.stack import GOAL
from tests.portables import DOCUMENT
from tests.security.self_service.people import (
    ANOTHER,
    API,
    EXPORT,
    HOOK,
    ME,
    PASSWORD,
    Person,
    _times,
    count,
)
from web.http import limits


class TestDeletion:
    def test_everything_ends_at_once(self, ann: Person, bob: Person) -> None:
        roadmap = ann.post(f"{API}/imports", DOCUMENT).headers["location"]
        link = ann.post(f"{roadmap}/links", {"purpose": "reading"}).json()
        shared = link["url"].rpartition("/")[2]
        copy = bob.post(f"{API}/shared/{shared}/copy").headers["location"]
        key = ann.post(f"{API}/api-keys", {"name": "CI"}).json()["key"]
        ann.post(EXPORT)
        content_queue.immediate = False
        making = ann.post(f"{API}/roadmaps", {"goal": GOAL}).headers["location"]

        answer = ann.delete()

        assert answer.status_code == 200, answer.text
        left = answer.json()["delete_at"]
        assert ann.row is not None
        assert ann.row.delete_at.isoformat().replace("+00:00", "Z") == left
        assert ann.get(ME).status_code == 401
        assert (
            ann.client.get(
                f"{API}/roadmaps", headers={"Authorization": f"Bearer {key}"}
            ).status_code
            == 401
        )
        assert ann.client.get(f"{API}/shared/{shared}").status_code == 410
        assert bob.answer("POST", f"{API}/shared/{shared}/copy", json={}).status_code == 410
        assert bob.get(copy).status_code == 200
        assert (count(AccountExport), count(ExportPiece)) == (0, 0)
        with session():
            assert Roadmap.get_by_id(making.rpartition("/")[2]).status == "cancelled"
        taken = ann.client.post(
            f"{API}/auth/register", json={"email": ann.email, "password": PASSWORD}
        )
        assert taken.status_code == 409

    def test_webhooks_send_nothing_more(self, ann: Person) -> None:
        ann.post(f"{API}/webhooks", {"url": HOOK})
        content_queue.immediate = False
        ann.post(f"{API}/roadmaps", {"goal": GOAL})
        ann.delete()
        with session():
            waiting = [row.id for row in WebhookDelivery.select()]
        assert len(waiting) == 1  # that it was cancelled
        deliver(waiting[0])
        with session():
            assert [row.error for row in WebhookDelivery.select()] == ["The account is disabled."]

    def test_a_wrong_password_deletes_nothing_and_counts(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "LOGIN_PAIR", limits.Limit("login-pair", 2, 900))
        assert [ann.delete(ANOTHER).status_code for _ in range(3)] == [401, 401, 429]
        assert ann.delete().status_code == 429
        assert ann.row is not None
        assert ann.row.delete_at is None
        assert ann.get(ME).status_code == 200

    def test_no_key_can_do_it(self, ann: Person) -> None:
        key = ann.post(f"{API}/api-keys", {"name": "CI", "scopes": ["read", "write"]}).json()["key"]
        asked = {"headers": {"Authorization": f"Bearer {key}"}, "json": {"password": PASSWORD}}
        assert ann.client.request("DELETE", ME, **asked).status_code == 403

    def test_a_return_in_time_has_to_be_requested(self, ann: Person) -> None:
        roadmap = ann.post(f"{API}/imports", DOCUMENT).headers["location"]
        delete_at = ann.delete().json()["delete_at"]
        clock.travel(timedelta(days=29))
        response = ann.log_in()
        assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")
        assert delete_at[:19] in response.json()["detail"]
        assert "restore" in response.json()["detail"]
        assert ann.row is not None
        assert ann.row.delete_at is not None
        back = ann.log_in(restore=True)
        assert back.status_code == 200, back.text
        ann.headers = {"Authorization": f"Bearer {back.json()['access_token']}"}
        assert ann.get(roadmap).status_code == 200
        assert (ann.row.delete_at, ann.row.disabled_at) == (None, None)
        clock.travel(timedelta(days=30))
        assert account_deletion.purge_expired() == 0

    @pytest.mark.parametrize("more", [{}, {"restore": True}])
    def test_a_wrong_password_does_not_tell_of_it(
        self, ann: Person, bob: Person, more: dict[str, Any]
    ) -> None:
        ann.delete()
        answers = [person.log_in(password=ANOTHER, **more) for person in (ann, bob)]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert len({answer.json()["detail"] for answer in answers}) == 1

    def test_after_its_time_the_account_cannot_return(self, ann: Person) -> None:
        ann.delete()
        clock.travel(RETURN + timedelta(seconds=1))
        assert ann.log_in(restore=True).status_code == 401

    def test_once_it_is_being_deleted_the_account_cannot_return_at_any_time(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann.delete()
        monkeypatch.setattr(account_deletion, "ROUNDS", 1)
        ann_has_one = {
            "owner": ann.id,
            "goal": GOAL,
            "level": "beginner",
            "hours_per_week": 5,
            "language": "en",
            "status": "ready",
        }
        with transaction():
            Roadmap.create(
                **ann_has_one, due_at=clock.now(), created_at=clock.now(), updated_at=clock.now()
            )
        clock.travel(RETURN + timedelta(seconds=1))
        assert account_deletion.purge_expired() == 0
        clock.travel(-timedelta(minutes=5))
        assert ann.log_in(restore=True).status_code == 401

    def test_an_operator_can_give_it_back_or_shut_it_out(self, ann: Person, bob: Person) -> None:
        for person in (ann, bob):
            person.delete()
        accounts.set_password(ann.email, PASSWORD)
        assert ann.log_in().status_code == 200
        clock.travel(timedelta(days=1))
        accounts.disable(bob.email)
        assert bob.log_in(restore=True).status_code == 401
        clock.travel(RETURN)
        assert account_deletion.purge_expired() == 1
        assert (ann.row is not None, bob.row) == (True, None)

    def test_after_thirty_days_all_of_it_is_gone_and_nothing_of_others(
        self, ann: Person, bob: Person
    ) -> None:
        for person in (ann, bob):
            for _ in range(2):
                person.post(f"{API}/imports", DOCUMENT)
            person.post(f"{API}/api-keys", {"name": "CI"})
            person.post(f"{API}/webhooks", {"url": HOOK})
            person.post(
                f"{API}/webhooks/{person.get(f'{API}/webhooks').json()['items'][0]['id']}/test"
            )
            short = {"goal": GOAL, "level": "advanced"}
            person.answer(
                "POST", f"{API}/roadmaps", json=short, headers={"Idempotency-Key": uuid4().hex}
            )
            with transaction():
                call = {
                    "roadmap_id": new_id(),
                    "step": "outline",
                    "model": "m",
                    "prompt_version": "1",
                    "attempt": 1,
                    "outcome": "ok",
                }
                ModelCall.create(
                    owner_id=person.id, **call, reserved=0, price=7, started_at=clock.now()
                )
                MonthlySpending.create(owner_id=person.id, month="2026-11", amount=7)
                Invitation.create(email=person.email, used_by=person.id, **_times())
            with audited(Actor(person.id, person.email), Action.user_logout, person.email):
                pass
        execution_log.buffer.flush()
        ann.post(EXPORT)
        with session():
            hers = [row.id for row in Roadmap.select().where(Roadmap.owner == ann.id)]
        assert len(hers) == 3
        before = holdings(bob)
        ann.delete()
        execution_log.buffer.flush()

        clock.travel(RETURN - timedelta(minutes=1))
        assert account_deletion.purge_expired() == 0
        clock.travel(timedelta(minutes=2))
        assert account_deletion.purge_expired() == 1

        assert ann.row is None
        for table in backup.tables():
            for field in table._meta.sorted_fields:
                if field.name not in ("account_id", "actor", "target"):  # of the audit log
                    assert (
                        count(table, field == ann.id) == 0 if field.field_type == "UUID" else True
                    ), (table, field)
        assert count(ExecutionLog, ExecutionLog.roadmap_id.in_(hers)) == 0
        assert holdings(bob) == before
        with session():
            kept = [
                (row.account_id, row.actor, row.target)
                for row in AuditRecord.select().order_by(AuditRecord.id)
            ]
        assert kept == [(ann.id, str(ann.id), str(ann.id)), (bob.id, bob.email, bob.email)]
        again = ann.client.post(
            f"{API}/auth/register", json={"email": ann.email, "password": PASSWORD}
        )
        assert again.status_code == 201

    def test_it_is_deleted_a_part_at_a_time(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_deletion, "ROADMAPS", 1)
        monkeypatch.setattr(account_deletion, "ROWS", 2)
        for _ in range(3):
            ann.post(f"{API}/imports", DOCUMENT)
        execution_log.buffer.flush()
        ann.delete()
        clock.travel(RETURN + timedelta(seconds=1))
        monkeypatch.setattr(account_deletion, "ROUNDS", 1)
        rounds = 0
        while account_deletion.purge_expired() == 0:
            rounds += 1
        assert rounds >= 4
        assert ann.row is None

    def test_the_last_administrator_stays(self, ann: Person, bob: Person) -> None:
        for person in (ann, bob):
            accounts.set_admin(person.email, is_admin=True)
            token = person.log_in().json()["access_token"]
            person.headers = {"Authorization": f"Bearer {token}"}
        assert bob.delete().status_code == 200
        refused = ann.delete()
        assert (refused.status_code, "last administrator" in refused.json()["detail"]) == (
            409,
            True,
        )
        assert ann.get(ME).status_code == 200

    def test_what_is_begun_after_it_is_cancelled_by_upkeep(self, ann: Person) -> None:
        ann.delete()
        late = {
            "owner": ann.id,
            "goal": GOAL,
            "level": "beginner",
            "hours_per_week": 5,
            "language": "en",
            "status": "queued",
        }
        with transaction():
            made = Roadmap.create(
                **late, due_at=clock.now(), created_at=clock.now(), updated_at=clock.now()
            )
        content_queue.immediate = False
        rescue_overdue.call_local()
        with session():
            assert Roadmap.get_by_id(made.id).status == "cancelled"

    @pytest.mark.parametrize("meanwhile", ["disabled", "another password", "logged out"])
    def test_what_changes_while_the_password_is_compared_wins(
        self, ann: Person, meanwhile: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change: dict[str, Callable[[], None]] = {
            "disabled": lambda: accounts.disable(ann.email),
            "another password": lambda: accounts.set_password(ann.email, ANOTHER),
            "logged out": lambda: accounts.end_all_logins(ann.email),
        }
        _during_hashing(monkeypatch, change[meanwhile])
        assert ann.delete().status_code == 401
        assert ann.row is not None
        assert ann.row.delete_at is None

    def test_a_password_that_is_changed_while_it_is_deleted_opens_nothing(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        principal = _principal(ann)
        _during_hashing(
            monkeypatch,
            lambda: accounts.delete(principal, DeletionRequest(password=SecretStr(PASSWORD))),
        )
        change = {"current_password": PASSWORD, "new_password": ANOTHER}
        assert ann.answer("PUT", f"{API}/auth/password", json=change).status_code in (401, 409)
        assert ann.log_in(password=ANOTHER).status_code == 401
        assert ann.log_in().status_code == 409

    def test_a_login_that_runs_while_it_is_deleted_opens_nothing(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        principal = _principal(ann)
        _during_hashing(
            monkeypatch,
            lambda: accounts.delete(principal, DeletionRequest(password=SecretStr(PASSWORD))),
        )
        assert ann.log_in().status_code == 409


def _principal(person: Person) -> Principal:
    with session():
        (login,) = sessions.list_open(person.id, None).items
    return Principal(person.id, frozenset({Scope.read, Scope.write}), session_id=login.id)


def _during_hashing(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Once, after the account was read and its password compared."""
    matches, done = passwords.matches, threading.Event()

    def compared(password_hash: str | None, password: str) -> bool:
        result = matches(password_hash, password)
        if not done.is_set():
            done.set()
            do()
        return result

    monkeypatch.setattr(passwords, "matches", compared)


def holdings(person: Person) -> dict[str, int]:
    """Rows of a person, by table."""
    with session():
        ids = [row.id for row in Roadmap.select().where(Roadmap.owner == person.id)]
    found = {}
    for table in backup.tables():
        for field in table._meta.sorted_fields:
            if field.name in ("account", "owner", "owner_id", "used_by"):
                found[f"{table.__name__} {field.name}"] = count(table, field == person.id)
            elif field.name in ("roadmap", "roadmap_id"):
                found[f"{table.__name__} {field.name}"] = count(table, field.in_(ids))
    return found
