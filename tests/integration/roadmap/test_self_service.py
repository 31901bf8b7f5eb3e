"""Exports and deletion of accounts: several at once, and with a worker that is killed."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from pydantic import SecretStr

from core import clock
from core.db import session
from core.errors import RoadmapError
from models.accounts import Account, AccountExport
from models.records import AuditRecord
from models.roadmaps import Roadmap
from roadmap.accounts import accounts
from roadmap.accounts.accounts import RETURN
from roadmap.accounts.identity import Principal
from roadmap.accounts.schemas import DeletionRequest
from roadmap.exchange import account_export
from roadmap.lifecycle.administration import account_deletion
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.plan.schemas import RoadmapRequest
from testing.logbook import MODES, own_database
from testing.servers import Postgres, Redis
from testing.stack import GOAL, PASSWORD, Stack, running, server_stack
from testing.waiting import wait_until
from tests.portables import DOCUMENT

EXPORT = "/api/v1/auth/me/export"
ROADMAPS = 40


@pytest.fixture(params=MODES)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield
    clock.reset()


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run them at the same time; return the result of each, or its error."""
    got: list[Any] = []
    together = threading.Barrier(len(tasks))

    def run(do: Callable[[], Any]) -> None:
        together.wait()
        try:
            got.append(do())
        except RoadmapError as error:
            got.append(error)

    threads = [threading.Thread(target=run, args=(do,)) for do in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def principal(name: str, *, is_admin: bool = False) -> Principal:
    user = accounts.add(f"{name}@example.org", PASSWORD, is_admin=is_admin)
    return Principal(user.id, frozenset())


def deleted(who: Principal) -> bool:
    with session():
        return Account.get_by_id(who.account_id).delete_at is not None


def test_of_two_administrators_who_leave_at_once_one_stays(base: None) -> None:
    both = [principal(name, is_admin=True) for name in ("ann", "bob")]
    request = DeletionRequest(password=SecretStr(PASSWORD))
    got = at_once(*(lambda who=who: accounts.delete(who, request) for who in both))
    assert [type(each) is accounts.LastAdministrator for each in got].count(True) == 1
    assert sorted(deleted(who) for who in both) == [False, True]


def test_several_order_one_export_and_several_build_it_once(base: None) -> None:
    who = principal("ann")
    got = at_once(*[lambda: account_export.order(who.account_id)] * 4)
    assert len({info.id for info, _ in got}) == 1
    assert len([step for _, steps in got for step in steps]) == 1
    at_once(*[lambda: account_export.build(got[0][0].id)] * 3)
    info, size = account_export.read_ready(who.account_id)
    pieces = [
        account_export.read_piece(who.account_id, info.id, number)
        for number in range(-(-size // account_export.PIECE))
    ]
    assert zipfile.ZipFile(io.BytesIO(b"".join(pieces))).testzip() is None


def test_several_delete_what_is_due_and_nothing_else(base: None) -> None:
    leaving, staying = [principal(name) for name in ("ann", "bob")], principal("eve")
    for who in (*leaving, staying):
        create_many([NewRoadmap(who.account_id, RoadmapRequest(goal=GOAL)) for _ in range(12)])
    for who in leaving:
        account_export.order(who.account_id)
        accounts.delete(who, DeletionRequest(password=SecretStr(PASSWORD)))
    account_deletion.cancel_work()
    with session():
        assert AccountExport.select().count() == 0
        assert {
            row.status for row in Roadmap.select().where(Roadmap.owner != staying.account_id)
        } == {"cancelled"}
    clock.travel(RETURN + timedelta(seconds=1))
    assert sum(at_once(*[account_deletion.purge_expired] * 3)) == 2
    with session():
        assert [row.id for row in Account.select()] == [staying.account_id]
        assert {row.owner_id for row in Roadmap.select()} == {staying.account_id}
        assert Roadmap.select().count() == 12


@pytest.mark.parametrize(
    "first", [0, 1], ids=["who had it first and last", "who had it in between"]
)
def test_what_was_done_under_an_address_is_of_the_account_that_had_it_then(
    base: None, first: int
) -> None:
    operator, people = Actor(None, "command line"), [principal(name) for name in ("ann", "bob")]
    emails = shared, own = "ann@example.org", "bob@example.org"

    def noted(target: str) -> UUID:
        with audited(operator, Action.user_logout, target) as act:
            return act.id

    acts = [noted(shared), noted(own)]
    accounts.set_email(shared, "other@example.org", operator)
    accounts.set_email(own, shared, operator)
    acts.append(noted(shared))
    accounts.set_email(shared, own, operator)
    accounts.set_email("other@example.org", shared, operator)
    acts += [noted(shared), noted(own)]
    whose, targets = (0, 1, 1, 0, 1), [shared, own, shared, shared, own]
    for number in (first, 1 - first):
        accounts.delete(people[number], DeletionRequest(password=SecretStr(PASSWORD)))
        clock.travel(RETURN + timedelta(seconds=1))
        assert account_deletion.purge_expired() == 1
        gone = str(people[number].account_id)
        targets = [
            gone if who == number else target for who, target in zip(whose, targets, strict=True)
        ]
        with session():
            assert [AuditRecord.get_by_id(act).target for act in acts] == targets
    with session():
        assert not any(
            email in str(row.__data__) for row in AuditRecord.select() for email in emails
        )


@pytest.fixture(scope="module")
def stack(
    postgres: Postgres, module_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running(server_stack(tmp_path_factory.mktemp("exports"), postgres, module_broker)) as made:
        yield made


@pytest.mark.long
def test_what_a_killed_worker_has_begun_is_built_again_and_has_everything(stack: Stack) -> None:
    paths = [
        stack.post("/api/v1/imports", json=DOCUMENT).headers["location"] for _ in range(ROADMAPS)
    ]
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    connection.autocommit = True

    def status() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT status, interruptions FROM account_export")
            row = cursor.fetchone()
        return f"{row[0]} {row[1]}" if row else ""

    with closing(psycopg2.connect(stack.environment["DATABASE_URL"])) as other:
        other.cursor().execute("LOCK TABLE model_call")  # which it reads, so that it does not end
        assert stack.post(EXPORT, json={}).status_code == 202
        wait_until(lambda: status() == "building 0", reason="it is being built")
        stack.content.kill()
    stack.content.start()
    wait_until(lambda: status() == "ready 1", reason="another worker has built it")
    connection.close()

    answer = stack.get(EXPORT + ".zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == 2 + 3 * ROADMAPS
    for path in paths:
        assert len([name for name in names if path.rpartition("/")[2] in name]) == 3


def test_a_stranger_and_another_account_get_nothing_of_it(stack: Stack) -> None:
    other = stack.register()
    for path in (EXPORT, EXPORT + ".zip"):
        assert stack.get(path, headers=other).status_code == 404
        assert stack.get(path, headers={"Authorization": ""}).status_code == 401
