"""Errors of the backends that cannot go on."""

from collections.abc import Callable
from pathlib import Path

import peewee
import pytest

from core.backends import open_database, open_migration_database
from core.settings import Settings, from_environment


@pytest.mark.parametrize("opened", [open_database, open_migration_database])
def test_a_full_disk_is_called_a_full_disk(
    tmp_path: Path, opened: Callable[[Settings], peewee.Database]
) -> None:
    """SQLite has rolled back by itself then; that nothing is left to roll back is no news."""
    settings = from_environment({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})
    database = opened(settings)
    with database.connection_context():
        database.execute_sql("CREATE TABLE page (text TEXT)")
        database.execute_sql("PRAGMA max_page_count = 5")
        with pytest.raises(peewee.OperationalError, match="full"):
            fill(database, 10, "x" * 4096)
        assert (database.transaction_depth(), pages(database)) == (0, 0)
        database.execute_sql("PRAGMA max_page_count = 1000")  # there is room again
        fill(database, 1, "x")
        with pytest.raises(ZeroDivisionError):  # what is under way is still taken back
            fill(database, 1, "y", then=lambda: 1 / 0)
        assert pages(database) == 1


def fill(
    database: peewee.Database, count: int, text: str, then: Callable[[], object] = lambda: None
) -> None:
    with database.atomic():
        for _ in range(count):
            database.execute_sql("INSERT INTO page VALUES (?)", (text,))
        then()


def pages(database: peewee.Database) -> int:
    return int(database.execute_sql("SELECT count(*) FROM page").fetchone()[0])
