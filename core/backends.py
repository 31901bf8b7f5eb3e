"""Backends: open the database and the queues that the settings name.

Server mode is PostgreSQL and Redis; embedded mode is two SQLite files in DATA_DIR.
"""

import contextlib
import os
import secrets
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

import peewee
import psycopg2
from playhouse.pool import PooledSqliteDatabase
from psycopg2.extensions import parse_dsn

from core.postgres import MIGRATION_SECONDS, LimitedPool, limit_waiting
from core.settings import API, CONSUMERS, Settings

POOL_WAIT = 2  # seconds that a request waits for a connection before it answers 503
API_HANDLERS = 4  # threads that run handlers; more did worse than four on two cores
PUBLIC_HANDLERS = 2  # threads beside them for requests without an account
HASHES_AT_ONCE = 2  # threads that hash passwords, 19 MiB each
# With the writers of roadmaps and counts, the readers of events, logins and the backlog
API_CONNECTIONS = API_HANDLERS + PUBLIC_HANDLERS + HASHES_AT_ONCE + 5
# A silent server is given up after about 10 s, a waiting or idle transaction before that.
KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
# A process that is paused or cut off in a transaction must not hold its locks for ever. Transaction
# poolers take no such options: DIRECT_DATABASE_URL says that there is one, and deploy/pgbouncer.ini
# sets them there. Statements outside a transaction must see the commits of others, whatever the
# database has by default.
SESSION_LIMITS = (
    "-c idle_in_transaction_session_timeout=5s -c lock_timeout=8s "
    r"-c default_transaction_isolation=read\ committed"
)
# Set with each transaction, so that it holds behind a pooler and for migrations, too
ISOLATION = "READ COMMITTED"
SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
}
DATABASE_FILE = "roadmap.db"  # of embedded mode, in DATA_DIR
FROM_HEX = "from_hex"  # SQL function: SQLite has one of its own since 3.41 only


database = peewee.DatabaseProxy()  # of this process; core/db.py opens it


class _File(peewee.SqliteDatabase):  # type: ignore[misc]
    """SQLite file whose write lock is waited for in line.

    SQLite has no line for it: who waits looks ten times a second, newcomers look at once, and on a
    busy machine one writer is overtaken until it gives up ("database is locked"). So one thread of
    a process looks at a time, every other millisecond.
    """

    _line = threading.Lock()

    def begin(self, lock_type: str | None = None) -> None:
        if lock_type:  # a reader, which does not wait
            super().begin(lock_type)
            return
        deadline = time.monotonic() + self.timeout
        connection = self.connection()
        is_first = self._line.acquire(timeout=self.timeout)
        try:
            connection.execute("PRAGMA busy_timeout = 2")
            while True:
                try:
                    super().begin()
                    return
                except peewee.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
        finally:
            if is_first:
                self._line.release()
            connection.execute(f"PRAGMA busy_timeout = {self.timeout * 1000:.0f}")

    def rollback(self) -> None:
        # On a full disk SQLite has done it, and the driver's error would replace the first one.
        if self.connection().in_transaction:
            super().rollback()

    def _set_pragmas(self, connection: sqlite3.Connection) -> None:
        try:
            super()._set_pragmas(connection)
        except sqlite3.OperationalError:  # another process sets WAL: SQLite does not wait for it
            connection.execute("BEGIN EXCLUSIVE").execute("COMMIT")
            super()._set_pragmas(connection)


class _PooledFile(PooledSqliteDatabase, _File):  # type: ignore[misc]
    pass


def open_database(settings: Settings) -> peewee.Database:
    """Return the application's database with its pool; it never connects by itself."""
    if settings.database_url is not None:
        limit_waiting()
        url = settings.database_url.get_secret_value()
        limits = {}
        if not settings.direct_database_url:
            own = ""  # such as `-c search_path=...`
            with contextlib.suppress(psycopg2.ProgrammingError):  # the connection reports it
                own = parse_dsn(url).get("options", "")
            limits["options"] = f"{own} {SESSION_LIMITS}".strip()
        return LimitedPool(
            url,
            max_connections=most_connections(settings),
            timeout=POOL_WAIT,
            autoconnect=False,
            connect_timeout=5,
            **KEEPALIVE,
            application_name=f"roadmap-{settings.service_type}",
            isolation_level=ISOLATION,
            **limits,
        )
    make_folder(settings.data_dir)
    file = _PooledFile(
        str(settings.data_dir / DATABASE_FILE),
        pragmas=SQLITE_PRAGMAS,
        lock_type="IMMEDIATE",
        max_connections=most_connections(settings),
        timeout=POOL_WAIT,
        autoconnect=False,
        check_same_thread=False,
    )
    file.register_function(lambda text: None if text is None else bytes.fromhex(text), FROM_HEX, 1)
    return file


def open_migration_database(settings: Settings) -> peewee.Database:
    """Return a database with one connection, for a process that only migrates.

    It goes past any transaction pooler, whose limits are too short.
    """
    if settings.database_url is not None:
        limit_waiting(MIGRATION_SECONDS)
        url = settings.direct_database_url or settings.database_url
        return peewee.PostgresqlDatabase(
            url.get_secret_value(), autoconnect=False, connect_timeout=5, isolation_level=ISOLATION
        )
    make_folder(settings.data_dir)
    return _File(
        str(settings.data_dir / DATABASE_FILE),
        pragmas=SQLITE_PRAGMAS,
        lock_type="IMMEDIATE",
        autoconnect=False,
    )


def signing_keys(settings: Settings) -> tuple[str, ...]:
    """Return SECRET_KEY, or in embedded mode the key that the first start has written."""
    if settings.secret_keys:
        return settings.secret_keys
    make_folder(settings.data_dir)
    path = settings.data_dir / "secret_key"
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(dir=settings.data_dir)  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.link(draft, path)
        finally:
            os.unlink(draft)
    return (path.read_text().strip(),)


def most_connections(settings: Settings) -> int:
    """Return the most connections that a process of this service may have at once."""
    needs = {each.service: each.threads(settings) + each.connections for each in CONSUMERS}
    needs[API] = API_CONNECTIONS
    return needs.get(settings.service_type) or max(needs.values())


def make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
