"""The pool: a server that takes no more connections does not spoil those that are there, and is not asked by everybody."""

import threading
from contextlib import closing

import peewee
import psycopg2
import pytest

from core import postgres as pool_module
from core.postgres import LimitedPool
from tests.servers import Postgres


def test_while_no_new_connection_is_tried_those_that_idle_are_used(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "AWAY_SECONDS", 3600.0)
    url = postgres.create_database("pool_of_few")
    limited = LimitedPool(url, max_connections=3, timeout=1, autoconnect=False)
    with limited.connection_context(), closing(psycopg2.connect(postgres.url())) as admin, admin.cursor() as cursor:
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
