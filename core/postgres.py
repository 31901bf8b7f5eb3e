"""PostgreSQL with a limit for every wait.

psycopg2 has none: a frozen server would hold a thread for ever.
"""

import select
import time
from functools import partial
from typing import Any

import peewee
import psycopg2
from playhouse.pool import PooledPostgresqlDatabase
from psycopg2 import extensions

CONNECT_SECONDS = 5.0
# Longer than the server's own limits in core/backends.py, whose errors name the wait
ANSWER_SECONDS = 10.0
MIGRATION_SECONDS = 600.0  # for one statement of a migration, which may rewrite a table
AWAY_SECONDS = 1.0  # without another attempt to connect


def limit_waiting(answer: float = ANSWER_SECONDS) -> None:
    """Limit every wait of this process, in seconds.

    Past the limit psycopg2 closes the connection and raises OperationalError.
    """
    extensions.set_wait_callback(partial(_wait, answer))


def _wait(answer: float, connection: extensions.connection) -> None:
    limit = CONNECT_SECONDS if connection.status == extensions.STATUS_SETUP else answer
    deadline = time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        left = deadline - time.monotonic()
        if left <= 0:
            raise psycopg2.OperationalError(f"the server has not answered for {limit:g} s")
        _poll(connection, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT, left)


def _poll(connection: extensions.connection, event: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), event)
    return bool(poller.poll(seconds * 1000))


def identity(database: peewee.Database) -> tuple[Any, ...]:
    """Return values that identify server, database and schema; empty for SQLite."""
    if not isinstance(database, peewee.PostgresqlDatabase):
        return ()
    which = (
        "SELECT pg_postmaster_start_time(), oid, current_schema() "
        "FROM pg_database WHERE datname = current_database()"
    )
    return tuple(database.execute_sql(which).fetchone())


class LimitedPool(PooledPostgresqlDatabase):
    """Connection pool that does not wait for a server that is away.

    Peewee's pool sends `SELECT 1` on an idle connection before its use, and lets one thread after
    the other wait for a silent server, each with the lock of the pool. This one looks at the
    socket, and for a second after a failed attempt it fails at once unless a connection is idle.
    """

    _away_until = 0.0

    def _connect(self) -> Any:
        if not self._connections and time.monotonic() < self._away_until:
            raise psycopg2.OperationalError("the server was not there a moment ago")
        try:
            return super()._connect()
        except psycopg2.OperationalError:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise

    def _is_closed(self, connection: extensions.connection) -> bool:
        """Return whether the server has closed it: an idle socket is readable then."""
        return bool(connection.closed) or _poll(connection, select.POLLIN, 0)
