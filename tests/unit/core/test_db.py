"""Errors of a database that cannot do its work."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.testclient import TestClient

from core import db
from core.connection_errors import database_trouble
from core.db import database, session, settings, transaction
from core.errors import Unavailable

INSERT = (
    "INSERT INTO measure (name, minute, labels, part, value) "
    "VALUES ('x', 1, hex(zeroblob(1000000)), '', 1)"
)


@contextmanager
def full() -> Iterator[None]:
    """Let the database not grow, as on a full disk: SQLite itself ends a transaction then."""
    database.execute_sql("VACUUM")  # what earlier tests have deleted is room
    (most,) = database.execute_sql("PRAGMA max_page_count").fetchone()
    database.execute_sql("PRAGMA max_page_count = 1")  # or as many as there are
    try:
        yield
    finally:
        database.execute_sql(f"PRAGMA max_page_count = {most}")


def store(depth: int) -> None:
    """In so many transactions, one in the other."""
    with session(), full(), ExitStack() as opened:
        for _ in range(depth):
            opened.enter_context(transaction())
        database.execute_sql(INSERT)


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_error_names_a_full_disk_and_not_its_consequences(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, depth: int
) -> None:
    monkeypatch.setattr(db, "outage", db.Outage())
    with pytest.raises(Unavailable, match="disk of the database is full") as refused:
        store(depth)
    assert isinstance(refused.value.__cause__, Exception)
    assert (
        database_trouble(refused.value.__cause__, settings).fix
        == "free space on the disk of DATA_DIR"
    )
    assert "database or disk is full" in caplog.text
    with session():
        assert database.execute_sql("SELECT count(*) FROM measure WHERE name = 'x'").fetchone() == (
            0,
        )


def test_with_a_full_disk_the_service_is_not_ready_until_a_write_succeeds(
    client: TestClient,
) -> None:
    with pytest.raises(Unavailable):
        store(1)
    refused = client.get("/health/ready")
    assert (refused.status_code, refused.json()["detail"]) == (503, db.DISK_FULL)
    with transaction():
        pass
    assert client.get("/health/ready").status_code == 200
