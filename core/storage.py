"""The one place that opens the backends: turns settings into a database and queues.

Server mode is PostgreSQL and Redis; embedded mode is two SQLite files in DATA_DIR.
"""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

import peewee
import psycopg2
from playhouse.pool import PooledSqliteDatabase
from psycopg2.extensions import parse_dsn

from core import clock
from core.logging_setup import say
from core.postgres import MIGRATION_SECONDS, LimitedPool, limit_waiting
from core.settings import ServiceType, Settings
from core.version import VERSION
from delivery.queue import Baggage, ReliableQueue
from delivery.redis_storage import ReliableRedisStorage
from delivery.sqlite_storage import ReliableSqliteStorage

POOL_WAIT = 2  # seconds that a request waits for a connection before it is told to come back
API_HANDLERS = 4  # threads that run handlers; more did worse than four on two cores
PUBLIC_HANDLERS = 2  # threads beside them for whoever has no account: all share one interpreter
HASHES_AT_ONCE = 2  # threads that hash passwords, 19 MiB each
API_CONNECTIONS = (
    API_HANDLERS + PUBLIC_HANDLERS + HASHES_AT_ONCE + 5
)  # and the writers of roadmaps and counts, the readers of events, logins and the backlog
# A server that has gone silent is given up after about 10 s, a transaction that waits or idles before that.
KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
# A process that is paused or cut off in the middle of a transaction must not hold its locks for ever. A transaction pooler
# takes no such options; DIRECT_DATABASE_URL tells that there is one, and deploy/pgbouncer.ini sets them there.
# Statements outside a transaction must see what others have done meanwhile, whatever the database has by default.
SESSION_LIMITS = r"-c idle_in_transaction_session_timeout=5s -c lock_timeout=8s -c default_transaction_isolation=read\ committed"
# Said with each transaction, so that it holds behind a pooler and for migrations, too.
ISOLATION = "READ COMMITTED"
SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "busy_timeout": 5000,
}


FROM_HEX = "from_hex"  # a function in SQL: SQLite has one of its own since 3.41 only


class _EndsItself:
    """SQLite ends a transaction by itself when the disk is full. The driver's complaint that there is none to roll back
    would take the place of that.
    """

    def rollback(self) -> None:
        if self.connection().in_transaction:  # type: ignore[attr-defined]
            super().rollback()  # type: ignore[misc]


class _File(_EndsItself, peewee.SqliteDatabase):  # type: ignore[misc]
    pass


class _PooledFile(_EndsItself, PooledSqliteDatabase):  # type: ignore[misc]
    pass


def open_database(settings: Settings) -> peewee.Database:
    """The application's database, pooled, not yet connected. Nothing connects by itself."""
    if settings.database_url is not None:
        limit_waiting()
        url = settings.database_url.get_secret_value()
        limits = (
            {}
            if settings.direct_database_url
            else {"options": f"{_own_options(url)} {SESSION_LIMITS}".strip()}
        )
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
    _make_folder(settings.data_dir)
    file = _PooledFile(
        str(settings.data_dir / "roadmap.db"),
        pragmas=SQLITE_PRAGMAS,
        lock_type="IMMEDIATE",
        max_connections=most_connections(settings),
        timeout=POOL_WAIT,
        autoconnect=False,
        check_same_thread=False,
    )
    file.register_function(_from_hex, FROM_HEX, 1)
    return file


def open_migration_database(settings: Settings) -> peewee.Database:
    """A single connection past any transaction pooler, whose limits are not for migrations. For a process that does only this."""
    if settings.database_url is not None:
        limit_waiting(MIGRATION_SECONDS)
        url = settings.direct_database_url or settings.database_url
        return peewee.PostgresqlDatabase(
            url.get_secret_value(), autoconnect=False, connect_timeout=5, isolation_level=ISOLATION
        )
    _make_folder(settings.data_dir)
    return _File(str(settings.data_dir / "roadmap.db"), pragmas=SQLITE_PRAGMAS, autoconnect=False)


def make_queue(settings: Settings, name: str, *, baggage: Baggage | None = None) -> ReliableQueue:
    """The Huey instance of that name, on Redis or on SQLite."""
    common = {
        "baggage": baggage,
        "say": say,
        "about": {"version": VERSION, "service": str(settings.service_type)},
        "keys": signing_keys(settings),
        "heartbeat": settings.heartbeat_seconds,
        "ttl": settings.heartbeat_ttl_seconds,
        "now": clock.now,
    }
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        return ReliableQueue(name, storage_class=ReliableRedisStorage, url=url, **common)  # type: ignore[arg-type]
    _make_folder(settings.data_dir)
    filename = str(settings.data_dir / "queue.db")
    return ReliableQueue(name, storage_class=ReliableSqliteStorage, filename=filename, **common)  # type: ignore[arg-type]


def signing_keys(settings: Settings) -> tuple[str, ...]:
    """SECRET_KEY, or in embedded mode a key of this folder, made at the first start and readable by its owner only."""
    if settings.secret_keys:
        return settings.secret_keys
    _make_folder(settings.data_dir)
    path = settings.data_dir / "secret_key"
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(dir=settings.data_dir)  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(
                FileExistsError
            ):  # another process was quicker: its key counts
                os.link(draft, path)
        finally:
            os.unlink(draft)
    return (path.read_text().strip(),)


def _own_options(url: str) -> str:
    """What an address says to the server's sessions, as `-c search_path=...`."""
    try:
        return str(parse_dsn(url).get("options", ""))
    except psycopg2.ProgrammingError:  # who connects is told
        return ""


def _from_hex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def most_connections(settings: Settings) -> int:
    """That a process of this service may have to the database at once."""
    return {
        ServiceType.api: API_CONNECTIONS,
        ServiceType.huey_logs: settings.logs_workers
        + 2,  # and what saves counts and the last records
        ServiceType.huey_content: settings.content_workers
        + 3,  # and what saves counts, renews leases and hands them back
        ServiceType.all: max(
            API_CONNECTIONS, settings.content_workers + 3, settings.logs_workers + 2
        ),
    }[settings.service_type]


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
