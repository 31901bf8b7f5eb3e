"""Waits for the write lock of an SQLite file."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import peewee
import pytest

from core.backends import DATABASE_FILE, open_database, open_migration_database
from core.settings import Settings, from_environment
from testing.waiting import BRIEF, HANG, wait_until


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    return from_environment({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})


def test_threads_wait_in_line_for_the_write_lock_and_readers_do_not_wait(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite lets new writers overtake one that has waited, up to `database is locked`."""
    seen, begin = list[str](), peewee.SqliteDatabase.begin

    def observed(self: peewee.Database, lock_type: str | None = None) -> None:
        seen.append(f"asks for {lock_type}")
        begin(self, lock_type)
        seen.append(f"has {lock_type}")

    def open_transaction(*lock_type: str) -> None:
        with database.connection_context(), database.atomic(*lock_type):
            assert not database.table_exists("page")

    database = open_database(embedded)
    database.timeout = HANG
    monkeypatch.setattr(peewee.SqliteDatabase, "begin", observed)
    with ThreadPoolExecutor() as pool, database.connection_context():
        with database.atomic():
            writing = [pool.submit(open_transaction) for _ in range(3)]
            wait_until(lambda: seen.count("asks for None") > 1, reason="one waits")
            with pytest.raises(TimeoutError):
                writing[0].result(BRIEF)
            pool.submit(open_transaction, "DEFERRED").result(HANG)
        for each in writing:
            each.result(HANG)
    waited = ["asks for None", "has None"]
    read = ["asks for DEFERRED", "has DEFERRED"]
    assert seen == [*waited, "asks for None", *read, "has None", *waited, *waited]


@pytest.mark.parametrize("opened", [open_database, open_migration_database])
def test_a_new_file_that_another_process_is_setting_up_is_waited_for(
    embedded: Settings, opened: Callable[[Settings], peewee.Database]
) -> None:
    """SQLite itself does not wait where it sets the journal mode."""
    database = opened(embedded)
    database.timeout = HANG
    with (
        closing(sqlite3.connect(embedded.data_dir / DATABASE_FILE, isolation_level=None)) as other,
        ThreadPoolExecutor() as pool,
        closing(database),
    ):
        other.execute("BEGIN IMMEDIATE")
        opening = pool.submit(database.connect)
        with pytest.raises(TimeoutError):
            opening.result(BRIEF)
        other.execute("COMMIT")
        assert opening.result(HANG)
