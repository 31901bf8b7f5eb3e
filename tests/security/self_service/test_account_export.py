"""Export of an account: all of its data, nothing of others and no secret."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from core.ids import new_id
from models.accounts import Account, AccountExport, ExportPiece, Invitation
from roadmap.accounts import sessions
from roadmap.exchange import account_export as account_export_
from roadmap.lifecycle.making import leases, rescue
from roadmap.lifecycle.making.leases import keeper
from roadmap.operations import backup, execution_log
from roadmap_app import app
from tasks.queues import content_queue
from testing.stack import GOAL
from tests.portables import DOCUMENT
from tests.security.self_service.people import (
    API,
    ARCHIVE,
    EXPORT,
    HOOK,
    ME,
    PASSWORD,
    Person,
    _times,
    count,
)
from web.api import account_export
from web.http import limits


class TestExport:
    def test_everything_is_in_it_and_each_roadmap_can_be_imported_again(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "web.endpoints.endpoint.can_parse_inline", lambda _: True
        )  # in no other process
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
        assert risky == {"prompt_tokens", "completion_tokens", "cached_tokens"}

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

    def test_it_is_for_logins_of_the_account_only(self, ann: Person, bob: Person) -> None:
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
        body = ann.get(EXPORT).json()
        assert (body["status"], body["size"], body["download"]) == ("failed", None, None)
        assert "one by one" in body["error"]
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
        body = ann.get(EXPORT).json()
        assert (body["status"], body["download"]) == ("building", None)
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
        await_for_account, answers = account_export.run_for_principal, []

        async def meanwhile(*given: Any) -> Any:
            """While a piece is sent, another download is begun."""
            result = await await_for_account(*given)
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
