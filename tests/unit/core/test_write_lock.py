"""Waits for the write lock of an SQLite file."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import get_ident

import peewee
import pytest

from core.backends import DATABASE_FILE, open_database, open_migration_database
from core.settings import Settings, from_environment
from testing.waiting import BRIEF, HANG, wait_until


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    return from_environment({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})


def test_one_thread_at_a_time_asks_for_the_write_lock(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite lets new writers overtake one that has waited, up to `database is locked`."""
    asked, begin = list[int](), peewee.SqliteDatabase.begin

    def observed(self: peewee.Database, lock_type: str | None = None) -> None:
        if lock_type is None:
            asked.append(get_ident())
        begin(self, lock_type)

    def open_transaction(*lock_type: str) -> None:
        with database.connection_context(), database.atomic(*lock_type):
            assert not database.table_exists("page")

    database = open_database(embedded)
    database.timeout = HANG
    with ThreadPoolExecutor() as pool, database.connection_context():
        with database.atomic():
            monkeypatch.setattr(peewee.SqliteDatabase, "begin", observed)
            writing = [pool.submit(open_transaction) for _ in range(3)]
            wait_until(lambda: len(asked) > 3, reason="one looks again and again")
            pool.submit(open_transaction, "DEFERRED").result(HANG)
            assert len({*asked}) == 1
            assert not any(each.done() for each in writing)
        for each in writing:
            each.result(HANG)
    assert len({*asked}) > 1


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
