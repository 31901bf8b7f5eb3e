"""Many rows in one statement are stored as Peewee would store them, on both kinds of database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import peewee
import pytest

from core import clock
from core.db import database, session, transaction
from core.ids import new_id
from models.accounts import Account, IdempotentAnswer
from models.base import Table
from models.bulk import TYPES, insert_rows
from models.records import ExecutionLog
from models.roadmaps import Roadmap, RoadmapEvent
from roadmap.operations.backup import KINDS
from testing.logbook import MODES, own_database

NOW = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)
HARD = 'A "quoted" \\ goal, 学习 🍞\n%s $1 {} \u2028 \\u0000'


@pytest.fixture(params=MODES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield


@pytest.fixture
def account(place: None) -> Account:
    with transaction():
        return Account.create(
            email="a@example.org", name="", password_hash="", is_admin=False, created_at=NOW
        )


def roadmaps(account: Account, count: int) -> list[dict[str, Any]]:
    own = {
        "owner": account.id,
        "goal": HARD,
        "level": "beginner",
        "hours_per_week": 8,
        "language": "zh",
    }
    more = {
        "deadline": date(2027, 1, 31),
        "analysis": {"aim": HARD, "known": [1, None, 2.5, True]},
        "review": True,
    }
    return [{**own, **more, "id": new_id(), "background": f"{number}"} for number in range(count)]


def stored(table: type[Table], *, order: peewee.Field) -> list[dict[str, Any]]:
    with session():
        return list(table.select().order_by(order).dicts())


COMMON = {
    "status": "queued",
    "due_at": NOW,
    "created_at": NOW,
    "updated_at": NOW,
    "spent": 2**53 + 1,
}


def test_rows_are_as_those_of_peewee(account: Account) -> None:
    rows = roadmaps(account, 3)
    with transaction():
        assert insert_rows(Roadmap, rows, common=COMMON) == 3
    ours = stored(Roadmap, order=Roadmap.id)
    with transaction():
        Roadmap.delete().execute()
        Roadmap.insert_many([{**row, **COMMON} for row in rows]).execute()
    assert ours == stored(Roadmap, order=Roadmap.id)
    assert ours[0]["goal"] == HARD
    assert (ours[0]["analysis"], ours[0]["deadline"]) == (rows[0]["analysis"], date(2027, 1, 31))
    assert (ours[0]["due_at"], ours[0]["spent"], ours[0]["review"], ours[0]["approved"]) == (
        NOW,
        2**53 + 1,
        True,
        False,
    )


@pytest.mark.parametrize("data", [{}, {"a": HARD}, [], [1, "x"], "text", 7, None], ids=repr)
def test_json_is_found_as_it_was_given_in_each_row_and_in_all_of_them(
    account: Account, data: Any
) -> None:
    of_each, of_all = roadmaps(account, 2)
    del of_all["analysis"]
    with transaction():
        insert_rows(Roadmap, [{**of_each, "analysis": data}], common=COMMON)
        insert_rows(Roadmap, [of_all], common={**COMMON, "analysis": data})
    first, last = stored(Roadmap, order=Roadmap.id)
    assert first["analysis"] == last["analysis"] == data


@pytest.mark.parametrize("content", [b"", b"\x00\\x27'\xff", bytes(range(256)), None], ids=repr)
def test_bytes_are_found_as_they_were_given(account: Account, content: bytes | None) -> None:
    row = {
        "key_hash": "a" * 64,
        "owner": account.id,
        "fingerprint": "f",
        "status": 202,
        "headers": {"a": HARD},
    }
    with transaction():
        assert (
            insert_rows(
                IdempotentAnswer, [{**row, "content": content, "created_at": NOW}], pass_over=True
            )
            == 1
        )
    [found] = stored(IdempotentAnswer, order=IdempotentAnswer.key_hash)
    assert (found["content"] if content is None else bytes(found["content"])) == content
    assert found["headers"] == {"a": HARD}


def test_what_is_there_already_is_passed_over_and_only_new_rows_count(place: None) -> None:
    fields = {
        "level": "info",
        "category": "building",
        "step": "quiz",
        "message": HARD,
        "details": {"n": 1},
        "duration_ms": None,
    }
    rows = [{**fields, "id": new_id(), "at": NOW, "trace_id": None} for _ in range(5)]
    with transaction():
        assert insert_rows(ExecutionLog, rows[:3], pass_over=True) == 3
        assert insert_rows(ExecutionLog, rows, pass_over=True) == 2
        assert insert_rows(ExecutionLog, rows, pass_over=True) == 0
        assert insert_rows(ExecutionLog, [], pass_over=True) == 0
    assert [row["id"] for row in stored(ExecutionLog, order=ExecutionLog.id)] == [
        row["id"] for row in rows
    ]


def test_a_row_that_exists_keeps_all_out(account: Account) -> None:
    rows = roadmaps(account, 3)
    with transaction():
        insert_rows(Roadmap, rows[1:2], common=COMMON)
    with pytest.raises(peewee.IntegrityError), transaction():
        insert_rows(Roadmap, rows, common=COMMON)
    assert [row["id"] for row in stored(Roadmap, order=Roadmap.id)] == [rows[1]["id"]]


def test_a_row_of_a_missing_roadmap_is_refused(place: None) -> None:
    with pytest.raises(peewee.IntegrityError), transaction():
        insert_rows(
            RoadmapEvent,
            [{"roadmap": new_id()}],
            common={"seq": 1, "type": "x", "data": {}, "at": clock.now()},
        )
    assert stored(RoadmapEvent, order=RoadmapEvent.seq) == []


@pytest.mark.parametrize(
    "change", [{"level": "info"}, {"level": "info", "step": None}], ids=["one more", "another"]
)
def test_rows_of_different_fields_are_refused(place: None, change: dict[str, Any]) -> None:
    first = {"id": new_id(), "at": NOW, "category": "c", "message": "m", "step": "s"}
    second = {name: value for name, value in {**first, **change}.items() if value is not None}
    with pytest.raises((ValueError, KeyError)):
        insert_rows(ExecutionLog, [first, second])
    assert stored(ExecutionLog, order=ExecutionLog.id) == []


def test_a_column_with_a_computed_default_has_to_be_given(place: None) -> None:
    with pytest.raises(ValueError, match=r"ExecutionLog.id is computed for each row: pass a value"):
        insert_rows(
            ExecutionLog,
            [{"at": NOW, "level": "info", "category": "c", "step": "s", "message": "m"}],
        )


@pytest.mark.parametrize("number", [float("nan"), float("inf")], ids=repr)
def test_a_number_that_no_json_has_is_refused(place: None, number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        insert_rows(ExecutionLog, [{"id": new_id(), "details": {"n": number}}])


def test_every_kind_of_field_that_a_backup_knows_is_known() -> None:
    assert KINDS.keys() == TYPES.keys()


def test_thousands_of_rows_go_in_one_statement(account: Account) -> None:
    statements: list[str] = []
    usual = database.obj.execute_sql
    with transaction():
        database.obj.execute_sql = lambda sql, *given: statements.append(sql) or usual(sql, *given)
        try:
            assert insert_rows(Roadmap, roadmaps(account, 5000), common=COMMON) == 5000
        finally:
            del database.obj.execute_sql
    assert len(statements) == 1
