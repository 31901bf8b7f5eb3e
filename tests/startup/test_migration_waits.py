"""Migrations beside readers of their tables, and beside each other."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

import peewee
import psycopg2
import pytest

from core import migrate
from core.connection_errors import is_away
from core.settings import from_environment
from testing.logbook import own_database
from testing.servers import Postgres
from testing.waiting import HANG, wait_until

FIRST = migrate.known().index("0017_ended_logins")
PENDING = migrate.known()[FIRST:]
PATIENT = "SET lock_timeout = '20s'; SELECT count(*) FROM login_session"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_who_reads_meanwhile_is_not_held_up(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "TABLE_WAIT", 3_000)
    with own_database(tmp_path, postgres, migrated=False) as mine:
        url = mine.database_url.get_secret_value()
        with migrate.connected(mine) as database:
            migrate.apply_pending(database, last=migrate.known()[FIRST - 1])
            assert migrate.pending(database) == PENDING
        with (
            closing(psycopg2.connect(url)) as holder,
            closing(psycopg2.connect(url)) as reader,
            closing(psycopg2.connect(url)) as watcher,
            ThreadPoolExecutor() as beside,
        ):
            watcher.autocommit = True
            holder.cursor().execute(
                "SELECT count(*) FROM login_session"
            )  # a backup: its transaction goes on
            migrated = beside.submit(migrate.migrate, mine)
            wait_until(lambda: _asked(watcher), reason="the migration waits for the table")
            reader.cursor().execute(PATIENT)
            with pytest.raises(peewee.OperationalError) as busy:
                migrated.result(timeout=HANG)
            assert is_away(busy.value)  # so that a service that starts tries again
            holder.rollback()
        with migrate.connected(mine) as database:
            assert migrate.pending(database) == PENDING
        assert migrate.migrate(mine) == PENDING


def _asked(watcher: "psycopg2.extensions.connection") -> bool:
    with watcher.cursor() as cursor:
        cursor.execute(WAITING)
        [(waiting,)] = cursor.fetchall()
    return bool(waiting)


def test_two_first_starts_migrate_one_folder(tmp_path: Path) -> None:
    mine = from_environment({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})
    with ThreadPoolExecutor() as both:
        applied = list(both.map(migrate.migrate, [mine, mine]))
    assert sorted(chain(*applied)) == migrate.known()
