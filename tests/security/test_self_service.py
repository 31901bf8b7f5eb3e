"""Taking all of one's data along and deleting the account: nothing of others, no secret, and nothing after the end."""

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings, transaction
from core.ids import new_id
from core.rate_limiter import Limit
from models.accounts import Account, Invitation
from models.audit import AuditRecord
from models.exports import AccountExport, ExportPiece
from models.logs import ExecutionLog
from models.roadmaps import Roadmap
from models.spending import ModelCall, MonthlySpending
from models.webhooks import WebhookDelivery
from roadmap.accounts import accounts, passwords, principals, sessions
from roadmap.accounts.accounts import RETURN
from roadmap.accounts.identity import Principal, Scope
from roadmap.accounts.schemas import DeletionRequest
from roadmap.exchange import account_export as account_export_
from roadmap.lifecycle import account_deletion, leases, rescue
from roadmap.lifecycle.leases import keeper
from roadmap.operations import backup, execution_log
from roadmap.operations.audit_log import Action, Actor, audited, records
from roadmap.webhooks.sender import deliver
from roadmap_app import app
from tasks.queues import content_queue
from tasks.upkeep import rescue_overdue
from tests.portables import DOCUMENT
from tests.stack import GOAL
from web import authentication, revocation_cache, tokens
from web.api import account_export
from web.http import host_and_csrf, limits
from web.pages import templates
from web.pages.account import account as account_page

API = "/api/v1"
ME, EXPORT, LOGIN = f"{API}/auth/me", f"{API}/auth/me/export", f"{API}/auth/login"
ARCHIVE, EMAIL = f"{EXPORT}.zip", f"{API}/auth/email"
PASSWORD, ANOTHER = "a long enough passphrase", "quite another passphrase"
FOR_SETTINGS = (
    authentication,
    limits,
    host_and_csrf,
    accounts,
    sessions,
    revocation_cache,
    tokens,
    principals,
    account_page,
    templates,
)
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HOOK = "http://127.0.0.1:1024/"  # a receiver that is not there
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(immediate: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Server mode in this process."""
    changed = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in FOR_SETTINGS:
        monkeypatch.setattr(module, "settings", changed)
    monkeypatch.setattr(passwords, "HASHER", CHEAP)  # many log in here
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


class Person:
    """Somebody with an account, and a login."""

    def __init__(self, client: TestClient) -> None:
        self.client, self.email = client, f"{uuid4().hex}@example.org"
        self.headers: dict[str, str] = {}
        made = self.answer(
            "POST", f"{API}/auth/register", json={"email": self.email, "password": PASSWORD}
        )
        assert made.status_code == 201, made.text
        self.id = UUID(made.json()["user"]["id"])
        self.headers = {"Authorization": f"Bearer {made.json()['access_token']}"}

    def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        answer: httpx2.Response = self.client.request(
            method, path, headers={**self.headers, **options.pop("headers", {})}, **options
        )
        return answer

    def get(self, path: str) -> httpx2.Response:
        return self.answer("GET", path)

    def post(self, path: str, body: Any = None) -> httpx2.Response:
        answer = self.answer("POST", path, json=body or {})
        assert answer.status_code in (200, 201, 202), answer.text
        return answer

    def log_in(self, **more: Any) -> httpx2.Response:
        return self.client.post(LOGIN, json={"email": self.email, "password": PASSWORD, **more})

    def delete(self, password: str = PASSWORD) -> httpx2.Response:
        return self.answer("DELETE", ME, json={"password": password})

    def exported(self) -> zipfile.ZipFile:
        self.post(EXPORT)
        answer = self.get(ARCHIVE)
        assert answer.status_code == 200, answer.text
        return zipfile.ZipFile(io.BytesIO(answer.content))

    @property
    def row(self) -> Account | None:
        with session():
            found: Account | None = Account.get_or_none(Account.id == self.id)
        return found


@pytest.fixture
def ann(client: TestClient) -> Person:
    return Person(client)


@pytest.fixture
def bob(client: TestClient) -> Person:
    return Person(client)


def count(table: Any, *which: Any) -> int:
    with session():
        return int(table.select().where(True, *which).count())


class TestExport:
    def test_everything_is_in_it_and_each_roadmap_can_be_imported_again(self, ann: Person) -> None:
        made = ann.post(f"{API}/roadmaps", {"goal": GOAL, "level": "advanced"}).headers["location"]
        imported = ann.post(f"{API}/imports", DOCUMENT).headers["location"]
        assert ann.answer("DELETE", made).status_code == 204  # into the trash
        ann.answer("PUT", f"{API}/profile", json={"level": "advanced"})
        ann.post(f"{imported}/links", {"purpose": "reading"})
        execution_log.buffer.flush()

        archive = ann.exported()

        assert archive.testzip() is None
        ids = [path.rpartition("/")[2] for path in (made, imported)]
        names = archive.namelist()
        for id_ in ids:
            (records,) = [name for name in names if name.startswith("records/") and id_ in name]
            assert json.loads(archive.read(records))["roadmap"][0]["id"] == id_
            (markdown,) = [name for name in names if name.endswith(f"{id_}.md")]
            assert archive.read(markdown).decode().startswith("# ")
            (document,) = [
                name
                for name in names
                if name.startswith("roadmaps/") and name.endswith(f"{id_}.json")
            ]
            again = ann.answer(
                "POST",
                f"{API}/imports",
                content=archive.read(document),
                headers={"Content-Type": "application/json"},
            )
            assert again.status_code == 201, again.text
        assert "README.txt" in names
        account = json.loads(archive.read("account.json"))
        assert account["account"][0]["email"] == ann.email
        assert account["account"][0]["profile"]["level"] == "advanced"
        (name,) = [name for name in names if name.startswith("records/") and ids[1] in name]
        records = json.loads(archive.read(name))
        assert (len(records["secret_link"]), len(records["concept"])) == (1, 2)
        assert records["concept"][0]["notes"] == "Mine.\n<b>& yours</b>"
        assert all(row["roadmap_id"] == ids[1] for row in records["execution_log"])

    def test_nothing_of_others_and_no_secret_is_in_it(self, ann: Person, bob: Person) -> None:
        secrets = [ann.headers["Authorization"].removeprefix("Bearer ")]
        for person in (ann, bob):
            person.post(
                f"{API}/imports",
                {**DOCUMENT, "request": {**DOCUMENT["request"], "goal": f"Of {person.email}"}},
            )
            key = person.post(f"{API}/api-keys", {"name": "CI"}).json()["key"]
            hook = person.post(f"{API}/webhooks", {"url": HOOK}).json()
            person.post(f"{API}/webhooks/{hook['id']}/test")
            secrets += [key, hook["secret"]]
        with session():
            secrets += [
                account.password_hash
                for account in Account.select().where(Account.id.in_([ann.id, bob.id]))
            ]
        with transaction():
            Invitation.insert(
                id=new_id(), email=ann.email, invited_by=bob.id, used_by=ann.id, **_times()
            ).execute()

        archive = ann.exported()

        content = "\n".join(archive.read(name).decode() for name in archive.namelist())
        assert f"Of {ann.email}" in content
        assert bob.email not in content
        assert str(bob.id) not in content
        assert not [secret for secret in secrets if secret in content]
        account = json.loads(archive.read("account.json"))
        assert [
            len(account[name]) for name in ("api_key", "webhook", "webhook_delivery", "invitation")
        ] == [1] * 4

    def test_each_column_is_exported_or_known_to_be_left_out(self, ann: Person) -> None:
        ann.post(f"{API}/imports", DOCUMENT)
        archive = ann.exported()
        (records,) = [name for name in archive.namelist() if name.startswith("records/")]
        exported = {**json.loads(archive.read("account.json")), **json.loads(archive.read(records))}
        tables = {table._meta.table_name: table for table in backup.tables()}
        assert tables.keys() - exported == {  # a new table belongs to the account, or here
            *("account_export", "export_piece", "audit_record", "first_answer"),
            *(
                "checked_link",
                "link_use",
                "log_source",
                "expired_log_record",
                "measure",
                "measured_process",
            ),
        }
        shown = {
            field.name for name in exported for field in tables[name]._meta.sorted_fields
        } - account_export_.LEFT_OUT
        risky = {
            name
            for name in shown
            if any(word in name for word in ("hash", "secret", "token", "password"))
        }
        assert risky == {"prompt_tokens", "completion_tokens"}

    def test_names_in_it_lead_nowhere(self, ann: Person) -> None:
        document = {
            **DOCUMENT,
            "outline": {**DOCUMENT["outline"], "title": "../../etc/passwd\\..\\C: 课程"},
        }
        ann.post(f"{API}/imports", document)
        for name in ann.exported().namelist():
            assert ".." not in name
            assert name.count("/") <= 1
            assert not name.startswith("/")
            assert "\\" not in name

    def test_it_is_for_logins_only_and_nobody_elses(self, ann: Person, bob: Person) -> None:
        key = ann.post(f"{API}/api-keys", {"name": "CI", "scopes": ["read", "write"]}).json()["key"]
        ann.post(EXPORT)
        for method, path in (("POST", EXPORT), ("GET", EXPORT), ("GET", ARCHIVE)):
            refused = ann.client.request(
                method,
                path,
                headers={"Authorization": f"Bearer {key}"},
                **({"json": {}} if method == "POST" else {}),
            )
            assert refused.status_code == 403, refused.text
            assert ann.client.request(method, path).status_code == 401
        assert bob.get(EXPORT).status_code == bob.get(ARCHIVE).status_code == 404

    def test_the_local_owner_has_no_account(self, immediate: None) -> None:
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
            assert made.get(EXPORT).status_code == made.get(ARCHIVE).status_code == 403
            assert made.post(EXPORT, json={}).status_code == 403
            assert made.request("DELETE", ME, json={"password": PASSWORD}).status_code == 403

    def test_a_new_one_takes_the_place_of_the_one_before_and_one_that_is_made_stays(
        self, ann: Person
    ) -> None:
        first = ann.post(EXPORT).json()
        second = ann.post(EXPORT).json()
        assert first["id"] != second["id"]
        assert count(AccountExport, AccountExport.account == ann.id) == 1
        content_queue.immediate = False
        waiting = [ann.post(EXPORT).json() for _ in range(2)]
        assert {(each["status"], each["download"]) for each in waiting} == {("queued", None)}
        assert len({each["id"] for each in waiting}) == 1
        assert ann.get(ARCHIVE).status_code == 409

    def test_the_same_key_orders_once(self, ann: Person) -> None:
        key = {"Idempotency-Key": uuid4().hex}
        answers = [ann.answer("POST", EXPORT, json={}, headers=key) for _ in range(2)]
        assert answers[0].json() == answers[1].json()

    def test_it_is_limited_by_the_hour(self, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "EXPORTS", limits.Limit("exports", 2, 3600))
        assert [ann.answer("POST", EXPORT, json={}).status_code for _ in range(3)] == [
            202,
            202,
            429,
        ]

    def test_it_is_gone_after_a_week(self, ann: Person) -> None:
        ann.post(EXPORT)
        account_export_.purge_expired()
        assert ann.get(EXPORT).json()["status"] == "ready"
        clock.travel(timedelta(days=7, minutes=1))
        account_export_.purge_expired()
        assert (count(AccountExport), count(ExportPiece)) == (0, 0)

    def test_what_is_too_large_fails_clearly_and_leaves_nothing_behind(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_export_, "LARGEST", 1000)
        ann.post(EXPORT)
        told = ann.get(EXPORT).json()
        assert (told["status"], told["size"], told["download"]) == ("failed", None, None)
        assert "one by one" in told["error"]
        assert ann.get(ARCHIVE).status_code == 409
        assert count(ExportPiece) == 0

    def test_what_a_dead_worker_has_begun_is_built_from_its_beginning(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_export_, "PIECE", 64)
        save, saved = leases.save, []

        def die(*given: Any, **changes: Any) -> Any:
            if len(saved) == 3:
                raise SystemExit  # nothing of what follows an error is done
            saved.append(changes)
            return save(*given, **changes)

        content_queue.immediate = False
        export_id = UUID(ann.post(EXPORT).json()["id"])
        with monkeypatch.context() as patch:
            patch.setattr(leases, "save", die)
            with pytest.raises(SystemExit):
                account_export_.build(export_id)
        told = ann.get(EXPORT).json()
        assert (told["status"], told["download"]) == ("building", None)
        assert count(ExportPiece) == 3
        clock.travel(timedelta(minutes=2))
        (step,) = rescue.overdue()
        assert step.id == export_id
        account_export_.build(export_id)  # challenges the lease
        clock.travel(timedelta(minutes=2))
        account_export_.build(export_id)
        assert ann.get(EXPORT).json()["status"] == "ready"
        assert zipfile.ZipFile(io.BytesIO(ann.get(ARCHIVE).content)).testzip() is None

    def test_who_has_lost_the_row_adds_nothing(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_export_, "PIECE", 64)
        save = leases.save

        def overtaken(table: Any, row_id: UUID, *given: Any, **changes: Any) -> Any:
            table.update(lease_token=new_id()).where(table.id == row_id).execute()
            return save(table, row_id, *given, **changes)

        monkeypatch.setattr(leases, "save", overtaken)
        content_queue.immediate = False
        assert account_export_.build(UUID(ann.post(EXPORT).json()["id"])) == []
        assert count(ExportPiece) == 0

    def test_one_is_built_at_a_time_in_a_process(
        self, ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content_queue.immediate = False
        one, other = (UUID(person.post(EXPORT).json()["id"]) for person in (ann, bob))
        holding, answers = keeper.holding, []

        def meanwhile(*given: Any) -> Any:
            """While one is built, the other should be as well."""
            if not answers:
                answers.append(account_export_.build(other))
                clock.travel(timedelta(seconds=10))
                answers.extend(account_export_.build(other) for _ in range(2))
            return holding(*given)

        monkeypatch.setattr(keeper, "holding", meanwhile)
        assert account_export_.build(one) == []
        (step,), *later = answers
        assert (step.id, step.delay > 0) == (other, True)
        assert [len(steps) for steps in later] == [
            1,
            0,
        ]  # the last is the message of before: there is another one
        assert account_export_.build(other) == []
        assert [person.get(EXPORT).json()["status"] for person in (ann, bob)] == ["ready"] * 2

    def test_a_download_ends_with_its_login(
        self, ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_export, "DOWNLOADS_AT_ONCE", 1)
        monkeypatch.setattr(account_export_, "PIECE", 64)
        ann.post(EXPORT)
        size = ann.get(EXPORT).json()["size"]
        read = account_export_.read_piece

        def ended_after_two(account_id: UUID, export_id: UUID, number: int) -> bytes:
            if number == 1:
                sessions.end_all(account_id)
            return read(account_id, export_id, number)

        with monkeypatch.context() as patch:
            patch.setattr(account_export_, "read_piece", ended_after_two)
            answer = ann.get(ARCHIVE)
        assert len(answer.content) == 128 < size
        assert bob.exported()  # its place is free again

    def test_an_account_downloads_once_at_a_time(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann.post(EXPORT)
        in_turn, answers = account_export.run_for_principal, []

        async def meanwhile(*given: Any) -> Any:
            """While a piece is sent, another download is begun."""
            result = await in_turn(*given)
            if isinstance(result, bytes) and not answers:
                answers.append(await run_in_threadpool(ann.get, ARCHIVE))
            return result

        monkeypatch.setattr(account_export, "run_for_principal", meanwhile)
        assert ann.get(ARCHIVE).status_code == 200
        assert [answer.status_code for answer in answers] == [429]
        assert ann.get(ARCHIVE).status_code == 200

    def test_an_operator_can_stop_it(self, ann: Person) -> None:
        content_queue.immediate = False
        export_id = UUID(ann.post(EXPORT).json()["id"])
        account_export_.stop(export_id, "Stopped by an operator.")
        assert ann.get(EXPORT).json()["error"] == "Stopped by an operator."
        assert account_export_.build(export_id) == []


def _times() -> dict[str, Any]:
    return {"created_at": clock.now(), "expires_at": clock.now(), "used_at": clock.now()}


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

    def test_whoever_returns_in_time_says_so(self, ann: Person) -> None:
        roadmap = ann.post(f"{API}/imports", DOCUMENT).headers["location"]
        delete_at = ann.delete().json()["delete_at"]
        clock.travel(timedelta(days=29))
        told = ann.log_in()
        assert (told.status_code, told.json()["type"]) == (409, "/problems/conflict")
        assert delete_at[:19] in told.json()["detail"]
        assert "restore" in told.json()["detail"]
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

    def test_after_its_time_nobody_returns(self, ann: Person) -> None:
        ann.delete()
        clock.travel(RETURN + timedelta(seconds=1))
        assert ann.log_in(restore=True).status_code == 401

    def test_once_it_is_being_deleted_nobody_returns_whatever_the_clock_says(
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


class TestEmail:
    def test_one_logs_in_with_the_new_address_and_all_other_logins_end(self, ann: Person) -> None:
        before, new = ann.email, f"{uuid4().hex}@Example.org"
        key = ann.post(f"{API}/api-keys", {"name": "CI"}).json()["key"]
        other = {"Authorization": f"Bearer {ann.log_in().json()['access_token']}"}
        changed = ann.answer("PUT", EMAIL, json={"email": new, "password": PASSWORD})
        assert (changed.status_code, changed.json()["user"]["email"]) == (200, new.lower())
        for headers in (ann.headers, other):
            assert ann.client.get(ME, headers=headers).status_code == 401
        assert (
            ann.client.get(
                ME, headers={"Authorization": f"Bearer {changed.json()['access_token']}"}
            ).status_code
            == 200
        )
        assert (
            ann.client.get(
                f"{API}/roadmaps", headers={"Authorization": f"Bearer {key}"}
            ).status_code
            == 200
        )
        assert ann.log_in().status_code == 401
        ann.email = new
        assert ann.log_in().status_code == 200
        entry = records(limit=1).items[0]
        assert (entry.action, entry.target, entry.account_id) == (
            Action.user_email,
            str(ann.id),
            ann.id,
        )
        assert (entry.details, entry.outcome) == ({"before": before, "after": new.lower()}, "done")

    def test_who_does_not_know_the_password_changes_nothing_and_is_soon_stopped(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "LOGIN_PAIR", Limit("login-pair", 2, 900))
        wrong = {"email": "mallory@example.org", "password": ANOTHER}
        assert [ann.answer("PUT", EMAIL, json=wrong).status_code for _ in range(3)] == [
            401,
            401,
            429,
        ]
        assert ann.get(ME).json()["email"] == ann.email

    def test_an_address_that_is_taken_is_refused_and_nothing_has_changed(
        self, ann: Person, bob: Person
    ) -> None:
        refused = ann.answer("PUT", EMAIL, json={"email": bob.email, "password": PASSWORD})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "#/email")
        assert ann.get(ME).json()["email"] == ann.email
        entry = records(limit=1).items[0]
        assert (entry.outcome, entry.details) == (
            "refused",
            {"before": ann.email},
        )  # not with the address of another

    def test_a_password_that_is_little_more_than_the_new_address_is_refused(
        self, ann: Person
    ) -> None:
        close = {
            "email": f"{PASSWORD.replace(' ', '.')}@example.org",
            "password": "a.long.enough.passphrase 1",
        }
        accounts.set_password(ann.email, close["password"])
        ann.headers = {
            "Authorization": f"Bearer {ann.log_in(password=close['password']).json()['access_token']}"
        }
        refused = ann.answer("PUT", EMAIL, json=close)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/password")

    def test_no_key_can_do_it(self, ann: Person) -> None:
        key = ann.post(f"{API}/api-keys", {"name": "CI", "scopes": ["read", "write"]}).json()["key"]
        ann.headers = {"Authorization": f"Bearer {key}"}
        assert (
            ann.answer(
                "PUT", EMAIL, json={"email": "x@example.org", "password": PASSWORD}
            ).status_code
            == 403
        )

    def test_a_deleted_account_leaves_no_former_address_in_the_audit_log(self, ann: Person) -> None:
        before = ann.email
        with audited(Actor(None, "command line"), Action.user_logout, before):
            pass
        accounts.set_email(before, "after@example.org", Actor(None, "command line"))
        ann.email = "after@example.org"
        ann.headers = {"Authorization": f"Bearer {ann.log_in().json()['access_token']}"}
        ann.delete()
        clock.travel(RETURN + timedelta(minutes=1))
        assert account_deletion.purge_expired() == 1
        told = json.dumps([entry.model_dump(mode="json") for entry in records(limit=100).items])
        assert (before in told, "after@example.org" in told, str(ann.id) in told) == (
            False,
            False,
            True,
        )

    def test_the_first_administrator_with_another_address_is_not_made_again(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = {"admin_email": ann.email, "admin_password": SecretStr(PASSWORD)}
        monkeypatch.setattr(accounts, "settings", accounts.settings.model_copy(update=first))
        accounts.set_admin(ann.email, is_admin=True)
        accounts.set_email(ann.email, "boss@example.org", Actor(None, "command line"))
        accounts.ensure_first_admin()
        assert count(Account, Account.email == ann.email) == 0
        assert "ADMIN_EMAIL is passed over" in caplog.text


class TestPages:
    @pytest.fixture
    def browser(self, client: TestClient) -> Person:
        person = Person(client)
        client.headers.update(HTML)
        answer = client.post(
            "/login", data={"email": person.email, "password": PASSWORD}, follow_redirects=False
        )
        person.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        return person

    def form(self, person: Person, path: str, **fields: str) -> httpx2.Response:
        return person.answer("POST", path, data=fields, follow_redirects=False)

    def test_the_archive_is_ordered_watched_and_downloaded(self, browser: Person) -> None:
        content_queue.immediate = False
        assert self.form(browser, "/account/export").headers["location"] == "/account#export"
        page = browser.get("/account").text
        assert "The archive is being prepared." in page
        assert 'hx-trigger="every 2s"' in page
        with session():
            account_export_.build(AccountExport.get().id)
        page = browser.get("/account").text
        assert f'href="{ARCHIVE}"' in page
        assert 'hx-trigger="every 2s"' not in page
        assert zipfile.ZipFile(io.BytesIO(browser.get(ARCHIVE).content)).testzip() is None

    def test_what_failed_is_said(self, browser: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(account_export_, "LARGEST", 10)
        self.form(browser, "/account/export")
        page = browser.get("/account").text
        assert "The archive could not be made." in page
        assert "one by one" in page

    def test_the_account_is_deleted_and_restored(self, browser: Person) -> None:
        wrong = self.form(browser, "/account/delete", password=ANOTHER)
        assert (wrong.status_code, "The current password is wrong." in wrong.text) == (401, True)
        assert "<details open>" in wrong.text
        done = self.form(browser, "/account/delete", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/login?deleted=yes")
        assert "Max-Age=0" in done.headers["set-cookie"]
        browser.headers = {}
        assert "deleted in 30 days" in browser.get("/login?deleted=yes").text
        fields = {"email": browser.email, "next": "/roadmaps"}
        told = self.form(browser, "/login", password=PASSWORD, **fields)
        assert (told.status_code, "Restore my account" in told.text) == (409, True)
        assert 'name="restore" value="true"' in told.text
        assert "Restore" not in self.form(browser, "/login", password=ANOTHER, **fields).text
        back = self.form(browser, "/login", password=PASSWORD, restore="true", **fields)
        assert (back.status_code, back.headers["location"]) == (303, "/roadmaps")

    def test_the_address_is_changed_by_a_form(self, browser: Person, bob: Person) -> None:
        wrong = self.form(browser, "/account/email", email="new@example.org", password=ANOTHER)
        assert (wrong.status_code, "The current password is wrong." in wrong.text) == (401, True)
        assert 'value="new@example.org"' in wrong.text
        taken = self.form(browser, "/account/email", email=bob.email, password=PASSWORD)
        assert (taken.status_code, "There is an account with this address." in taken.text) == (
            409,
            True,
        )
        bad = self.form(browser, "/account/email", email="nobody", password=PASSWORD)
        assert (bad.status_code, 'id="email-error"' in bad.text) == (422, True)
        none = self.form(browser, "/account/email", email="new@example.org")
        assert (none.status_code, 'id="email_password-error"' in none.text) == (422, True)
        done = self.form(browser, "/account/email", email="new@example.org", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/account?saved=email")
        assert (
            browser.get("/account").status_code == 200
        )  # whose login has ended: the page leads to the login
        browser.headers = {"Cookie": done.headers["set-cookie"].partition(";")[0]}
        assert "new@example.org" in browser.get("/account?saved=email").text

    def test_the_last_administrator_is_told(self, browser: Person) -> None:
        accounts.set_admin(browser.email, is_admin=True)
        answer = self.form(browser, "/login", email=browser.email, password=PASSWORD)
        browser.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        refused = self.form(browser, "/account/delete", password=PASSWORD)
        assert (refused.status_code, "You are the last administrator." in refused.text) == (
            409,
            True,
        )
