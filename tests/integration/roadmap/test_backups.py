"""Backups are worth what a restore makes of them: real processes, both kinds of database, and everything that can go wrong."""

import gzip
import hashlib
import json
import os
import re
import resource
import sqlite3
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from core.migrate import known
from testing.commands import roadmap, succeeded
from testing.servers import Postgres, Redis
from testing.stack import Stack, embedded_stack, running, server_stack
from testing.waiting import HANG, wait_until
from tests.integration.conftest import SMALL

MODES = ["embedded", "server"]


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def tables_of(file: Path) -> dict[str, list[Any]]:
    """Rows by table, with their JSON read: each kind of database spaces it in its own way."""
    first, *rest = lines_of(file)
    kinds = {
        each["name"]: [column["kind"] for column in each["columns"]] for each in first["tables"]
    }
    found: dict[str, list[Any]] = {}
    name = ""
    for line in rest:
        if isinstance(line, list):
            pairs = zip(kinds[name], line, strict=True)
            found[name].append(
                [
                    json.loads(value) if kind == "json" and value is not None else value
                    for kind, value in pairs
                ]
            )
        elif "table" in line:
            name = line["table"]
            found[name] = []
    return found


def asked(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    """What the database of a stack answers, past the application."""
    if stack.mode == "embedded":
        with closing(sqlite3.connect(stack.folder / "data" / "roadmap.db", timeout=10)) as file:
            return list(file.execute(query))
    with (
        closing(psycopg2.connect(stack.environment["DATABASE_URL"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchall()


def names_of_tables(stack: Stack) -> set[str]:
    if stack.mode == "embedded":
        if not (stack.folder / "data" / "roadmap.db").exists():
            return set()
        return {
            name for (name,) in asked(stack, "SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    return {
        name
        for (name,) in asked(stack, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }


@pytest.fixture
def place(tmp_path: Path, postgres: Postgres, module_broker: Redis) -> Any:
    """Makes stacks that are not started, each with a database of its own that is empty, all server ones on one broker."""
    module_broker.client().flushall()

    def make(mode: str) -> Stack:
        folder = tmp_path / f"{mode}-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        if mode == "embedded":
            return embedded_stack(folder)
        return server_stack(
            folder,
            postgres,
            module_broker,
            DATABASE_URL=postgres.create_database(f"empty{uuid.uuid4().hex}"),
        )

    return make


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, module_broker: Redis
) -> dict[str, tuple[Stack, Path]]:
    """By mode: a stack that has made a roadmap and runs no more, and a backup of it."""
    found = {}
    for mode in MODES:
        folder = tmp_path_factory.mktemp(mode)
        stack = (
            embedded_stack(folder)
            if mode == "embedded"
            else server_stack(folder, postgres, module_broker)
        )
        with running(stack):
            path = stack.create()
            tree = stack.finished(path)
            concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
            answer = stack.request(
                "PUT", f"{path}/concepts/{concept}/progress", json={"progress": "done"}
            )
            assert answer.is_success, answer.text
        succeeded(stack.environment, "backup", folder / "backup.gz")
        found[mode] = (stack, folder / "backup.gz")
    return found


@pytest.mark.parametrize("target", MODES)
@pytest.mark.parametrize("source", MODES)
def test_every_row_comes_back_in_either_kind_of_database(
    made: Any, place: Any, tmp_path: Path, source: str, target: str
) -> None:
    _, file = made[source]
    restored = place(target)
    body = succeeded(restored.environment, "restore", file, "--json").data
    before = tables_of(file)
    assert body["rows"] == {name: len(rows) for name, rows in before.items()}
    assert body["rows"]["content_version"] > 50
    succeeded(restored.environment, "backup", tmp_path / "again.gz")
    assert tables_of(tmp_path / "again.gz") == before
    assert asked(restored, "SELECT name FROM schema_migration ORDER BY name") == [
        (name,) for name in known()
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_service_goes_on_with_what_was_restored(made: Any, place: Any, mode: str) -> None:
    """Who was logged in still is, when the key is the same; and a second start finds nothing to do."""
    source, file = made[mode]
    restored = place(mode)
    succeeded(restored.environment, "restore", file)
    if mode == "server":
        restored.environment["SECRET_KEY"] = source.environment["SECRET_KEY"]
        restored.headers = source.headers
    for service in restored.services.values():
        service.environment.update(restored.environment, SERVICE_TYPE=service.name)
    with running(restored):
        [listed] = restored.get("/api/v1/roadmaps").json()["items"]
        assert listed["status"] == "ready"
        tree = restored.get(f"/api/v1/roadmaps/{listed['id']}").json()
        concept = tree["stages"][0]["modules"][0]["concepts"][0]
        assert concept["progress"] == "done"
        assert restored.get(f"/api/v1/roadmaps/{listed['id']}/concepts/{concept['id']}").json()[
            "tutorial"
        ]["markdown"]


@pytest.mark.parametrize("target", MODES)
def test_what_was_being_made_is_finished_after_the_restore(
    place: Any, module_broker: Redis, tmp_path: Path, target: str
) -> None:
    """Its messages are in a broker that is lost; rescue enqueues them again."""
    source = place("server")
    with running(source, "api"):
        path = source.create(**SMALL)
        body = succeeded(source.environment, "backup", tmp_path / "b.gz", "--json").data
        assert body["waiting"]["content"] == 1
        assert (
            "content: 1"
            in succeeded(source.environment, "backup", tmp_path / "b.gz", "--force").output
        )
    module_broker.client().flushall()
    restored = place(target)
    succeeded(restored.environment, "restore", tmp_path / "b.gz")
    identity = path.rsplit("/", 1)[-1].replace("-", "")
    with running(restored):
        wait_until(
            lambda: asked(restored, "SELECT status FROM roadmap") == [("ready",)],
            reason="it is made",
        )
    assert [
        str(found).replace("-", "") for (found,) in asked(restored, "SELECT id FROM roadmap")
    ] == [identity]


def test_a_backup_is_of_one_moment_while_the_service_works(place: Any, tmp_path: Path) -> None:
    stack = place("server")
    with running(stack):
        for _ in range(4):
            stack.create()
        wait_until(
            lambda: asked(stack, "SELECT count(*) FROM content WHERE status = 'ready'")[0][0] > 5,
        )
        with ThreadPoolExecutor() as others:
            backup = others.submit(succeeded, stack.environment, "backup", tmp_path / "b.gz")
            while not backup.done():  # there is always something under way
                stack.create()
            backup.result()
    restored = place("embedded")
    succeeded(restored.environment, "restore", tmp_path / "b.gz")
    sums = "SELECT contents_total, contents_ready, last_seq, (SELECT count(*) FROM content c WHERE c.roadmap_id = r.id), "
    sums += "(SELECT count(*) FROM content c WHERE c.roadmap_id = r.id AND status = 'ready'), "
    sums += "(SELECT max(seq) FROM roadmap_event e WHERE e.roadmap_id = r.id) FROM roadmap r"
    found = asked(restored, sums)
    assert len(found) >= 4
    assert [row for row in found if row[:3] != row[3:]] == []


def test_it_can_be_made_without_the_log(made: Any, place: Any, tmp_path: Path) -> None:
    source, _ = made["embedded"]
    body = succeeded(source.environment, "backup", tmp_path / "b.gz", "--no-logs", "--json").data
    assert body["left_out"] == ["execution_log", "log_source"]
    restored = place("embedded")
    assert (
        "Not in the backup: execution_log"
        in succeeded(restored.environment, "restore", tmp_path / "b.gz").output
    )
    assert asked(restored, "SELECT count(*) FROM execution_log") == [(0,)]
    assert asked(restored, "SELECT count(*) FROM roadmap") == [(1,)]


def test_only_its_owner_may_read_it_and_nothing_is_replaced_unasked(
    made: Any, tmp_path: Path
) -> None:
    source, _ = made["embedded"]
    file = tmp_path / "b.gz"
    file.write_text("something else")
    refused = roadmap(source.environment, "backup", file)
    assert refused.code == 1
    assert "--force" in refused.sentence
    assert file.read_text() == "something else"
    succeeded(source.environment, "backup", file, "--force")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("mode", MODES)
def test_that_it_was_made_is_in_the_audit_log(made: Any, tmp_path: Path, mode: str) -> None:
    source, _ = made[mode]
    file = tmp_path / "b.gz"
    succeeded(source.environment, "backup", file, "--no-logs")
    assert roadmap(source.environment, "backup", file).code == 1
    query = "SELECT actor, outcome, details FROM audit_record WHERE action = 'backup.make' AND target = '{}' ORDER BY id"
    done, refused = asked(source, query.format(file))
    assert (done[0][:14], done[1], refused[1]) == ("command line (", "done", "failed")
    assert (json.loads(done[2]) if isinstance(done[2], str) else done[2]) == {"logs": False}


def spoiled(kind: str, good: bytes) -> bytes:
    plain = gzip.decompress(good)
    first, _, rest = plain.partition(b"\n")
    head = json.loads(first)
    if kind == "newer format":
        return gzip.compress(json.dumps({**head, "format_version": 2}).encode() + b"\n" + rest)
    if kind == "newer version":
        head["migrations"].append("9999_the_future")
        return gzip.compress(json.dumps(head).encode() + b"\n" + rest)
    return {
        "cut short": good[: len(good) // 2],
        "cut at a line": gzip.compress(plain[: plain.rindex(b"\n", 0, -1) + 1]),
        "one bit": good[: len(good) // 2]
        + bytes([good[len(good) // 2] ^ 1])
        + good[len(good) // 2 + 1 :],
        "a word": gzip.compress(plain.replace(b"Python", b"Pyth0n")),
        "goes on": gzip.compress(plain + b"[]\n"),
        "empty": b"",
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "another gzip": gzip.compress(b"hello\n"),
        "a line that is too long": gzip.compress(b"[" * 1_000_000),
    }[kind]


REASONS = {
    "cut short": "cut short",
    "cut at a line": "cut short",
    "one bit": "damaged|checksum is different",  # by the place of the bit
    "a word": "checksum",
    "goes on": "data after its end",
    "empty": "not a backup",
    "a picture": "not a backup",
    "another gzip": "not a backup",
    "a line that is too long": "cut short",
    "newer format": "newer version",
    "newer version": "9999_the_future",
}


@pytest.mark.parametrize(
    ("mode", "kinds"), [("embedded", REASONS), ("server", ["cut short"])], ids=MODES
)
def test_a_file_that_is_not_whole_is_refused_and_nothing_is_changed(
    made: Any, place: Any, tmp_path: Path, mode: str, kinds: Iterable[str]
) -> None:
    """It is read to its end before the database is asked anything, whichever that is."""
    file, whole = tmp_path / "spoiled.gz", made["embedded"][1].read_bytes()
    target = place(mode)
    for kind in kinds:
        file.write_bytes(spoiled(kind, whole))
        result = roadmap(target.environment, "restore", file)
        assert result.code == 1, kind
        assert re.search(REASONS[kind], result.sentence), (kind, result)
        assert "Nothing was changed" in result.sentence, kind
        assert names_of_tables(target) == set(), kind


@pytest.mark.parametrize("mode", MODES)
def test_a_database_with_rows_is_refused_and_keeps_them(
    made: Any, place: Any, tmp_path: Path, mode: str
) -> None:
    target = place(mode)
    succeeded(target.environment, "migrate")
    succeeded(
        target.environment, "users", "add", "me@example.org", "--password", "a few unrelated words"
    )
    result = roadmap(target.environment, "restore", made[mode][1])
    assert result.code == 1
    assert "not empty" in result.sentence
    assert asked(target, "SELECT email FROM account") == [("me@example.org",)]


def test_a_row_that_is_written_while_a_restore_begins_is_not_lost(made: Any, place: Any) -> None:
    target = place("server")
    succeeded(target.environment, "migrate")
    columns = "id, email, name, password_hash, is_admin, created_at"
    insert = f"INSERT INTO account ({columns}) VALUES (gen_random_uuid(), %s, '', '', false, now())"
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass"
    with (
        closing(psycopg2.connect(target.environment["DATABASE_URL"])) as writer,
        ThreadPoolExecutor() as others,
    ):
        writer.cursor().execute(insert, ["me@example.org"])
        restored = others.submit(roadmap, target.environment, "restore", made["server"][1])
        wait_until(
            lambda: restored.done() or asked(target, waits) == [(1,)],
            reason="the restore waits for the row",
        )
        writer.commit()
        found = restored.result(HANG)
    assert "not empty: there are rows in account" in found.sentence
    assert asked(target, "SELECT email FROM account") == [("me@example.org",)]


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_is_migrated_and_empty_takes_it(made: Any, place: Any, mode: str) -> None:
    target = place(mode)
    succeeded(target.environment, "migrate")
    succeeded(target.environment, "restore", made[mode][1])
    assert asked(target, "SELECT count(*) FROM roadmap") == [(1,)]


@pytest.mark.parametrize("mode", MODES)
def test_a_backup_of_an_older_version_is_migrated(place: Any, tmp_path: Path, mode: str) -> None:
    """As one of the version of 0004 would have been written."""
    old = {
        **{
            "format": "roadmap-backup",
            "format_version": 1,
            "mode": "server",
            "made_at": "2026-01-01T00:00:00+00:00",
        },
        **{"migrations": known()[:4], "left_out": []},
    }
    columns = {
        "id": "uuid",
        "email": "text",
        "name": "text",
        "password_hash": "text",
        "created_at": "time",
        "is_admin": "boolean",
    }
    row = [
        "01a2159fb8507da6a4d36cf261638ef6",
        "old@example.org",
        "",
        "",
        "2026-01-01 00:00:00.000000",
        True,
    ]
    write(tmp_path / "old.gz", {**old, "tables": [table("account", columns)]}, {"account": [row]})
    target = place(mode)
    body = succeeded(target.environment, "restore", tmp_path / "old.gz", "--json").data
    assert body["migrated"] == known()[4:]
    assert asked(target, "SELECT email, is_admin, is_observer FROM account") in (
        [("old@example.org", 1, 0)],
        [("old@example.org", True, False)],
    )


ID = "01a2159fb8507da6a4d36cf261638ef6"
SPENDING = {"owner_id": "uuid", "month": "text", "amount": "integer"}


class TwiceTheSame(dict[str, str]):
    """Names each of its columns twice."""

    def items(self) -> Any:
        return [*super().items()] * 2


BROKEN: dict[str, tuple[str, dict[str, str], list[Any]]] = {
    "a table that is not there": ("nothing", {"id": "uuid"}, ["01a2159fb8507da6a4d36cf261638ef6"]),
    "a column that is not there": (
        "account",
        {"id; DROP": "uuid"},
        ["01a2159fb8507da6a4d36cf261638ef6"],
    ),
    "a kind that is not there": ("account", {"id": "python"}, ["01a2159fb8507da6a4d36cf261638ef6"]),
    "a value that does not fit": (
        "spending",
        {"owner_id": "uuid", "month": "text", "amount": "integer"},
        ["x", "2026-01", 1],
    ),
    "a text with NUL": ("spending", SPENDING, [ID, "2026\0", 1]),
    "half a surrogate pair": ("spending", SPENDING, [ID, "\ud800", 1]),
    "a list for a text": ("spending", SPENDING, [ID, ["2026-01"], 1]),
    "a text for a number": ("spending", SPENDING, [ID, "2026-01", "many"]),
    "a number that no database has": ("spending", SPENDING, [ID, "2026-01", 2**63]),
    "a number that is none": ("spending", SPENDING, [ID, "2026-01", float("nan")]),
    "a broken number": ("spending", SPENDING, [ID, "2026-01", 1.5]),
    "nothing where something must be": ("spending", SPENDING, [ID, None, 1]),
    "a column twice": ("spending", TwiceTheSame(owner_id="uuid"), [ID, ID]),
    "the list of migrations": (
        "schema_migration",
        {"name": "text", "applied": "text"},
        ["9999_mine", "2026"],
    ),
    "a row that refers to nothing": (
        "login_session",
        dict.fromkeys(["id", "account_id"], "uuid")
        | dict.fromkeys(["created_at", "expires_at", "seen_at"], "time")
        | dict.fromkeys(["user_agent", "address"], "text"),
        [*["01a2159fb8507da6a4d36cf261638ef6"] * 2, *["2026-01-01 00:00:00.000000"] * 3, "", ""],
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_do_not_fit_are_refused_as_a_whole(place: Any, tmp_path: Path, mode: str) -> None:
    """The file is whole, as who forges one can make it: a good table is before the bad one."""
    target = place(mode)
    for case, (name, columns, row) in BROKEN.items():
        rows = {"spending": [[ID, "2025-01", 1]], name: [row]}
        tables = [
            *([table("spending", SPENDING)] if name != "spending" else []),
            table(name, columns),
        ]
        head = {
            **{
                "format": "roadmap-backup",
                "format_version": 1,
                "mode": "server",
                "made_at": "2026-01-01T00:00:00+00:00",
            },
            **{"migrations": known(), "left_out": [], "tables": tables},
        }
        write(tmp_path / "broken.gz", head, rows)
        result = roadmap(target.environment, "restore", tmp_path / "broken.gz")
        assert result.code == 1, (case, result)
        assert "cannot be restored" in result.sentence, (case, result)
        assert "Nothing was changed" in result.sentence, (case, result)
        assert names_of_tables(target) <= {"sqlite_sequence"}, case


def table(name: str, columns: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "columns": [{"name": column, "kind": kind} for column, kind in columns.items()],
    }


def write(file: Path, head: dict[str, Any], rows: dict[str, list[Any]]) -> None:
    """A file with the right sum."""
    lines = [head]
    for name, of_table in rows.items():
        lines += [{"table": name}, *of_table]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {
        "rows": {name: len(of_table) for name, of_table in rows.items()},
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    file.write_bytes(gzip.compress(body + json.dumps({"end": end}).encode() + b"\n"))


def small_files(most: int) -> Any:
    """What a disk without room does to a process: no file of it grows beyond so many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def test_a_full_disk_leaves_no_half_of_a_backup(made: Any, tmp_path: Path) -> None:
    source, file = made["embedded"]
    before = file.stat().st_size
    assert before > 40_000
    result = roadmap(source.environment, "backup", tmp_path / "b.gz", before=small_files(40_000))
    assert result.code == 1
    assert "not enough space" in result.sentence
    assert list(tmp_path.iterdir()) == []
    replaced = roadmap(source.environment, "backup", file, "--force", before=small_files(40_000))
    assert replaced.code == 1
    assert file.stat().st_size == before


def test_what_is_no_file_is_not_replaced_by_one(made: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = roadmap(made["embedded"][0].environment, "backup", tmp_path / "pipe", "--force")
    assert (result.code, "no file" in result.sentence, (tmp_path / "pipe").is_fifo()) == (
        1,
        True,
        True,
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_full_disk_ends_a_restore_with_nothing_changed(made: Any, place: Any) -> None:
    target = place("embedded")
    result = roadmap(
        target.environment, "restore", made["embedded"][1], before=small_files(200_000)
    )
    assert result.code == 1
    assert "disk" in result.sentence
    assert names_of_tables(target) == set()
    succeeded(target.environment, "restore", made["embedded"][1])
    assert asked(target, "SELECT count(*) FROM roadmap") == [(1,)]


def test_there_is_nothing_to_back_up_before_the_first_start(place: Any, tmp_path: Path) -> None:
    result = roadmap(place("embedded").environment, "backup", tmp_path / "b.gz")
    assert (result.code, "nothing to back up" in result.sentence, list(tmp_path.glob("*.gz"))) == (
        1,
        True,
        [],
    )


def test_while_the_broker_is_away_a_backup_is_made_all_the_same(made: Any, tmp_path: Path) -> None:
    source, _ = made["server"]
    environment = {**source.environment, "REDIS_URL": "redis://127.0.0.1:1/0"}
    assert succeeded(environment, "backup", tmp_path / "b.gz", "--json").data["waiting"] is None
