"""Backups and restores of both kinds of database, and everything that can go wrong with them."""

import gzip
import hashlib
import json
import os
import re
import resource
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.backends import open_database
from core.backup_format import MOST_NODES, new_file
from core.db import settings as own_settings
from core.errors import Conflict
from core.ids import new_id
from core.migrate import known, migrate
from core.settings import Settings
from roadmap.accounts.accounts import add, ensure_local_owner
from roadmap.operations import backup, execution_log
from roadmap_app import app
from roadmap_cli import main
from tasks.queues import content_queue, logs_queue
from testing.commands import FinishedCommand, roadmap, succeeded
from testing.database import using
from testing.servers import Postgres, Redis
from testing.stack import GOAL, PASSWORD, Stack, embedded_stack, running, server_stack
from testing.waiting import HANG, wait_until
from tests.integration.conftest import SMALL

MODES = ["embedded", "server"]
ANYTHING = {"format": "roadmap-backup", "format_version": 1, "mode": "server", "left_out": []}
ANYTHING["made_at"] = "2026-01-01T00:00:00+00:00"


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


@dataclass(frozen=True)
class Place:
    """A database of its own for this process; none is running on it."""

    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a command of this process to it."""
        given = {"DATA_DIR": str(self.settings.data_dir)}
        if self.settings.database_url:
            given["DATABASE_URL"] = self.settings.database_url.get_secret_value()
            given |= {"REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "k" * 40}
        return given

    def restore(self, file: Path) -> backup.Summary:
        return backup.restore(self.settings, file)

    def write(self, file: Path, **options: Any) -> backup.Summary:
        sink = new_file(file, replace=options.pop("replace", False))
        return backup.write(self.settings, sink, options.pop("act", nullcontext()), **options)

    def roadmap(self, *words: str | Path) -> FinishedCommand:
        """Run a command in this process; its queues are those of the tests."""
        with using(lambda: open_database(self.settings)):
            done = CliRunner().invoke(main, [str(word) for word in words], env=self.environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return FinishedCommand(done.exit_code, done.stdout, done.stderr)

    @contextmanager
    def serving(self) -> Iterator[TestClient]:
        """Let the application of this process work on it, in immediate mode."""
        with using(lambda: open_database(self.settings)):
            ensure_local_owner()
            content_queue.immediate = logs_queue.immediate = True
            try:
                with TestClient(app, base_url="http://127.0.0.1") as client:
                    yield client
                execution_log.buffer.flush()
            finally:
                content_queue.immediate = logs_queue.immediate = False

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        return answer_of(self.settings, query)

    def tables(self) -> set[str]:
        if self.settings.embedded and not (self.settings.data_dir / "roadmap.db").exists():
            return set()
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        if self.settings.embedded:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in self.asked(query)}


def answer_of(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """Ask a database past the application."""
    if settings.embedded:
        with closing(sqlite3.connect(settings.data_dir / "roadmap.db", timeout=HANG)) as file:
            return list(file.execute(query))
    assert settings.database_url
    with (
        closing(psycopg2.connect(settings.database_url.get_secret_value())) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchall()


def ready_in(data_dir: Path) -> bool:
    mine = own_settings.model_copy(update={"data_dir": data_dir, "database_url": None})
    return answer_of(mine, "SELECT status FROM roadmap") == [("ready",)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Callable[[str], Place]:
    """Make an empty database, without tables, of either kind."""

    def make(mode: str) -> Place:
        given: dict[str, Any] = {"data_dir": tmp_path_factory.mktemp(mode), "database_url": None}
        if mode == "server":
            given["database_url"] = SecretStr(postgres.create_database(f"empty{new_id().hex}"))
        return Place(own_settings.model_copy(update=given))

    return make


def post_goal(client: TestClient, **request: Any) -> str:
    answer = client.post("/api/v1/roadmaps", json={"goal": GOAL, **request})
    assert client.get(answer.headers["location"]).json()["status"] == "ready"
    return answer.headers["location"]


@pytest.fixture(scope="module")
def made(schema: None, place: Any) -> dict[str, tuple[Place, Path]]:
    """By mode: a database with a roadmap, and a backup of it."""
    found = {}
    for mode in MODES:
        source = place(mode)
        migrate(source.settings)
        with source.serving() as client:
            path = post_goal(client)
            concept = client.get(path).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
            answer = client.put(f"{path}/concepts/{concept}/progress", json={"progress": "done"})
            assert answer.is_success, answer.text
            add("me@example.org", PASSWORD, is_admin=True)
        file = source.settings.data_dir / "backup.gz"
        source.write(file)
        found[mode] = (source, file)
    return found


@pytest.mark.parametrize("target", MODES)
@pytest.mark.parametrize("source", MODES)
def test_every_row_comes_back_in_either_kind_of_database(
    made: Any, place: Any, tmp_path: Path, source: str, target: str
) -> None:
    _, file = made[source]
    restored = place(target)
    body = restored.roadmap("restore", file, "--json").data
    before = tables_of(file)
    assert body["rows"] == {name: len(rows) for name, rows in before.items()}
    assert body["rows"]["content_version"] > 50
    restored.write(tmp_path / "again.gz")
    assert tables_of(tmp_path / "again.gz") == before
    assert restored.asked("SELECT name FROM schema_migration ORDER BY name") == [
        (name,) for name in known()
    ]


def test_restored_services_go_on_where_the_old_ones_were(
    postgres: Postgres, module_broker: Redis, tmp_path: Path
) -> None:
    """With the same key, a session still holds. The messages are lost; rescue sends new ones."""

    def server(name: str, **own: str) -> Stack:
        own["DATABASE_URL"] = postgres.create_database(f"{name}{new_id().hex}")
        (tmp_path / name).mkdir()
        return server_stack(tmp_path / name, postgres, module_broker, **own)

    file = tmp_path / "b.gz"
    source = server("source")
    with running(source, "api"):
        path = source.create(**SMALL)
        body = succeeded(source.environment, "backup", file, "--json").data
        assert body["waiting"]["content"] == 1
        again = succeeded(source.environment, "backup", file, "--force")
        assert "content: 1" in again.output
        away = {**source.environment, "REDIS_URL": "redis://127.0.0.1:1/0"}
        body = succeeded(away, "backup", tmp_path / "away.gz", "--json").data
        assert body["waiting"] is None  # it is made all the same
    module_broker.client().flushall()

    (tmp_path / "embedded").mkdir()
    restored = server("restored", SECRET_KEY=source.environment["SECRET_KEY"])
    restored.headers = source.headers
    for stack in (restored, embedded_stack(tmp_path / "embedded")):
        succeeded(stack.environment, "restore", file)
        with running(stack):
            if stack.mode == "server":
                assert stack.finished(path)["status"] == "ready"
            else:
                wait_until(partial(ready_in, stack.folder / "data"), reason="it is made")
        refused = roadmap(stack.environment, "restore", file)
        assert (refused.code, "not empty" in refused.sentence) == (1, True)


@pytest.mark.parametrize("mode", MODES)
def test_a_backup_is_of_one_moment_while_the_service_works(
    schema: None, place: Any, tmp_path: Path, mode: str
) -> None:
    source = place(mode)
    migrate(source.settings)
    with source.serving() as client:
        post_goal(client, **SMALL)
        execution_log.buffer.flush()
        source.write(tmp_path / "before.gz")

        @contextmanager
        def meanwhile() -> Iterator[None]:
            post_goal(client, **SMALL)  # all of it between the snapshot and the first row
            execution_log.buffer.flush()
            yield

        source.write(tmp_path / "during.gz", act=meanwhile())
        source.write(tmp_path / "after.gz")
    before, during, after = (
        tables_of(tmp_path / f"{name}.gz") for name in ("before", "during", "after")
    )
    assert during == before
    assert (len(before["roadmap"]), len(after["roadmap"])) == (1, 2)


def test_it_can_be_made_without_the_log(made: Any, place: Any, tmp_path: Path) -> None:
    source, _ = made["embedded"]
    body = source.roadmap("backup", tmp_path / "b.gz", "--no-logs", "--json").data
    assert body["left_out"] == ["execution_log", "log_source"]
    restored = place("embedded")
    output = restored.roadmap("restore", tmp_path / "b.gz").output
    assert "Not in the backup: execution_log" in output
    assert restored.asked("SELECT count(*) FROM execution_log") == [(0,)]
    assert restored.asked("SELECT count(*) FROM roadmap") == [(1,)]


def test_only_its_owner_may_read_it_and_nothing_is_replaced_unasked(
    made: Any, tmp_path: Path
) -> None:
    source, _ = made["embedded"]
    file = tmp_path / "b.gz"
    file.write_text("something else")
    refused = source.roadmap("backup", file)
    assert refused.code == 1
    assert "--force" in refused.sentence
    assert file.read_text() == "something else"
    assert source.roadmap("backup", file, "--force").code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("mode", MODES)
def test_that_it_was_made_is_in_the_audit_log(made: Any, tmp_path: Path, mode: str) -> None:
    source, _ = made[mode]
    file = tmp_path / "b.gz"
    assert source.roadmap("backup", file, "--no-logs").code == 0
    assert source.roadmap("backup", file).code == 1
    query = "SELECT actor, outcome, details FROM audit_record WHERE action = 'backup.make' "
    done, refused = source.asked(f"{query} AND target = '{file}' ORDER BY id")
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
        "nested": gzip.compress(b"[" * 100_000 + b"]" * 100_000 + b"\n"),
        "many lists": gzip.compress(
            b"%s\n%s\n[%s[]]\n" % (first, rest.partition(b"\n")[0], b"[]," * MOST_NODES)
        ),
        "codes of a terminal": gzip.compress(re.sub(rb'("made_at":")', rb"\1\\u001b]0;a", plain)),
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
    "nested": "not a backup",
    "many lists": "damaged",
    "codes of a terminal": "first line is damaged",
    "newer format": "newer version",
    "newer version": "9999_the_future",
}


@pytest.mark.parametrize(
    ("mode", "kinds"), [("embedded", REASONS), ("server", ["cut short"])], ids=MODES
)
def test_a_file_that_is_not_whole_changes_nothing(
    made: Any, place: Any, tmp_path: Path, mode: str, kinds: Iterable[str]
) -> None:
    """It is read to its end before the database is asked anything, whichever that is."""
    file, whole = tmp_path / "spoiled.gz", made["embedded"][1].read_bytes()
    target = place(mode)
    for kind in kinds:
        file.write_bytes(spoiled(kind, whole))
        result = target.roadmap("restore", file)
        assert result.code == 1, kind
        assert re.search(REASONS[kind], result.sentence), (kind, result)
        assert "Nothing was changed" in result.sentence, kind
        assert target.tables() == set(), kind


@pytest.mark.parametrize("mode", MODES)
def test_a_database_with_rows_is_refused_and_keeps_them(made: Any, place: Any, mode: str) -> None:
    target = place(mode)
    migrate(target.settings)
    with using(lambda: open_database(target.settings)):
        add("mine@example.org", PASSWORD)
    result = target.roadmap("restore", made[mode][1])
    assert result.code == 1
    assert "not empty" in result.sentence
    assert target.asked("SELECT email FROM account") == [("mine@example.org",)]


def test_a_row_that_is_written_while_a_restore_begins_is_not_lost(made: Any, place: Any) -> None:
    target = place("server")
    migrate(target.settings)
    columns = "id, email, name, password_hash, is_admin, created_at"
    insert = f"INSERT INTO account ({columns}) VALUES (gen_random_uuid(), %s, '', '', false, now())"
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass"
    with (
        closing(psycopg2.connect(target.environment["DATABASE_URL"])) as writer,
        ThreadPoolExecutor() as others,
    ):
        writer.cursor().execute(insert, ["me@example.org"])
        restored = others.submit(target.restore, made["server"][1])
        wait_until(
            lambda: restored.done() or target.asked(waits) == [(1,)],
            reason="the restore waits for the row",
        )
        writer.commit()
        with pytest.raises(Conflict, match="not empty: there are rows in account"):
            restored.result(HANG)
    assert target.asked("SELECT email FROM account") == [("me@example.org",)]


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_is_migrated_and_empty_takes_it(made: Any, place: Any, mode: str) -> None:
    target = place(mode)
    migrate(target.settings)
    target.restore(made[mode][1])
    assert target.asked("SELECT count(*) FROM roadmap") == [(1,)]


ID, THEN = "01a2159fb8507da6a4d36cf261638ef6", "2026-01-01 00:00:00.000000"
SPENDING = {"owner_id": "uuid", "month": "text", "amount": "integer"}


@pytest.mark.parametrize("mode", MODES)
def test_a_backup_of_an_older_version_is_migrated(place: Any, tmp_path: Path, mode: str) -> None:
    """As one of the version of 0004 would have been written."""
    columns = {
        **{"id": "uuid", "email": "text", "name": "text", "password_hash": "text"},
        **{"created_at": "time", "is_admin": "boolean"},
    }
    head = {**ANYTHING, "migrations": known()[:4], "tables": [table("account", columns)]}
    write(tmp_path / "old.gz", head, {"account": [[ID, "old@example.org", "", "", THEN, True]]})
    target = place(mode)
    assert target.restore(tmp_path / "old.gz").migrated == known()[4:]
    assert target.asked("SELECT email, is_admin, is_observer FROM account") in (
        [("old@example.org", 1, 0)],
        [("old@example.org", True, False)],
    )


class TwiceTheSame(dict[str, str]):
    """Names each of its columns twice."""

    def items(self) -> Any:
        return [*super().items()] * 2


BROKEN: dict[str, tuple[str, dict[str, str], list[Any]]] = {
    "a table that is not there": ("nothing", {"id": "uuid"}, [ID]),
    "a column that is not there": ("account", {"id; DROP": "uuid"}, [ID]),
    "a kind that is not there": ("account", {"id": "python"}, [ID]),
    "a value that does not fit": ("spending", SPENDING, ["x", "2026-01", 1]),
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
        [ID, ID, THEN, THEN, THEN, "", ""],
    ),
}


OF_THE_DATABASE = ("nothing where something must be", "a row that refers to nothing")


@pytest.mark.parametrize(
    ("mode", "cases"),
    [("embedded", BROKEN), ("server", ["a text with NUL", *OF_THE_DATABASE])],
    ids=MODES,
)
def test_rows_that_do_not_fit_are_refused_as_a_whole(
    place: Any, tmp_path: Path, mode: str, cases: Iterable[str]
) -> None:
    """The file is whole, as who forges one can make it: a good table is before the bad one."""
    target = place(mode)
    for case in cases:
        name, columns, row = BROKEN[case]
        rows = {"spending": [[ID, "2025-01", 1]], name: [row]}
        tables = [
            *([table("spending", SPENDING)] if name != "spending" else []),
            table(name, columns),
        ]
        write(tmp_path / "broken.gz", {**ANYTHING, "migrations": known(), "tables": tables}, rows)
        result = target.roadmap("restore", tmp_path / "broken.gz")
        assert result.code == 1, (case, result)
        assert "cannot be restored" in result.sentence, (case, result)
        assert "Nothing was changed" in result.sentence, (case, result)
        assert target.tables() <= {"sqlite_sequence"}, case


def table(name: str, columns: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "columns": [{"name": column, "kind": kind} for column, kind in columns.items()],
    }


def write(file: Path, head: dict[str, Any], rows: dict[str, list[Any]]) -> None:
    """Write a file with the right sum."""
    lines = [head]
    for name, of_table in rows.items():
        lines += [{"table": name}, *of_table]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {
        "rows": {name: len(of_table) for name, of_table in rows.items()},
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    file.write_bytes(gzip.compress(body + json.dumps({"end": end}).encode() + b"\n"))


@contextmanager
def full_beyond(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_of_a_backup(made: Any, tmp_path: Path) -> None:
    source, file = made["server"]  # whose own files are not those of this process
    before = file.stat().st_size
    assert before > 40_000
    with full_beyond(40_000):
        result = source.roadmap("backup", tmp_path / "b.gz")
        replaced = source.roadmap("backup", file, "--force")
    assert (result.code, replaced.code) == (1, 1)
    assert "not enough space" in result.sentence
    assert list(tmp_path.iterdir()) == []
    assert file.stat().st_size == before


def test_what_is_no_file_is_not_replaced_by_one(made: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = made["embedded"][0].roadmap("backup", tmp_path / "pipe", "--force")
    assert (result.code, "no file" in result.sentence) == (1, True)
    assert (tmp_path / "pipe").is_fifo()
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_full_disk_ends_a_restore_with_nothing_changed(made: Any, place: Any) -> None:
    target = place("embedded")
    with full_beyond(200_000):
        result = target.roadmap("restore", made["embedded"][1])
    assert result.code == 1
    assert "disk" in result.sentence
    assert target.tables() == set()
    target.restore(made["embedded"][1])
    assert target.asked("SELECT count(*) FROM roadmap") == [(1,)]


def test_before_the_first_start_there_is_nothing(place: Any, tmp_path: Path) -> None:
    result = place("embedded").roadmap("backup", tmp_path / "b.gz")
    assert (result.code, "nothing to back up" in result.sentence) == (1, True)
    assert list(tmp_path.glob("*.gz")) == []
