"""The pool: a full server spoils no connection that is there, and is not asked by everybody."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import peewee
import psycopg2
import pytest

from core import postgres as pool_module
from core.db import SerializationConflict, database, session, transaction
from core.errors import Unavailable
from core.postgres import LimitedPool
from testing.database import using
from testing.logbook import own_database
from testing.servers import Postgres
from testing.waiting import HANG, wait_until

CUT_OFF = "SELECT pg_terminate_backend(pg_backend_pid())"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'pool_of_two'"


def test_while_no_new_connection_is_tried_those_that_idle_are_used(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "AWAY_SECONDS", 3600.0)
    url = postgres.create_database("pool_of_few")
    limited = LimitedPool(url, max_connections=3, timeout=HANG, autoconnect=False)
    with (
        limited.connection_context(),
        closing(psycopg2.connect(postgres.url())) as admin,
        admin.cursor() as cursor,
    ):
        [name] = limited.execute_sql("SELECT current_database()").fetchone()
        admin.autocommit = True
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        failures: list[Exception] = []

        def another() -> None:
            try:
                limited.connect()
            except peewee.OperationalError as error:
                failures.append(error)

        for _ in range(2):  # refused by the server, then not even asked
            thread = threading.Thread(target=another)
            thread.start()
            thread.join()
        assert len(failures) == 2
        assert "a moment ago" in str(failures[1])
        assert "a moment ago" not in str(failures[0])
    with limited.connection_context():  # the one that idles
        assert limited.execute_sql("SELECT 1").fetchone() == (1,)
    limited.close_all()


@pytest.fixture
def pooled(postgres: Postgres) -> Iterator[None]:
    """The application's database is a PostgreSQL, with a pool of two connections."""
    url = postgres.create_database("pool_of_two")
    with using(lambda: LimitedPool(url, max_connections=2, timeout=HANG, autoconnect=False)):
        yield


def test_when_one_connection_fails_those_that_idle_are_not_trusted(
    pooled: None, postgres: Postgres
) -> None:
    """They lead to the same server, which may be silent, or a standby by now."""
    both = threading.Barrier(2)

    def take_one() -> None:
        with session():
            both.wait(HANG)

    threads = [threading.Thread(target=take_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(psycopg2.connect(postgres.url())) as admin, admin.cursor() as cursor:
        admin.autocommit = True

        def are_open(number: int) -> bool:
            cursor.execute(OPEN)
            return bool(cursor.fetchone() == (number,))

        wait_until(lambda: are_open(2), reason="two connections idle")
        with pytest.raises(Unavailable), session():
            database.execute_sql(CUT_OFF)
        wait_until(lambda: are_open(0), reason="none of them is left")
    with session():
        assert database.execute_sql("SELECT 1").fetchone() == (1,)


def connected_to(settings: Any) -> Any:
    return psycopg2.connect(settings.database_url.get_secret_value())


def test_what_somebody_else_has_changed_since_it_was_read_is_not_overwritten(
    postgres: Postgres, tmp_path: Path
) -> None:
    with (
        own_database(tmp_path, postgres, migrated=False) as mine,
        closing(connected_to(mine)) as other,
    ):
        with transaction():
            database.execute_sql("CREATE TABLE counter AS SELECT 1 AS n")

        @transaction(as_it_was=True)
        def overwrite() -> None:
            assert database.execute_sql("SELECT n FROM counter").fetchone() == (1,)
            with other, other.cursor() as cursor:
                cursor.execute("UPDATE counter SET n = 2")
            database.execute_sql("UPDATE counter SET n = 10")

        with pytest.raises(SerializationConflict):
            overwrite()
        with session():
            assert database.execute_sql("SELECT n FROM counter").fetchone() == (2,)
