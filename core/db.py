"""Settings and database of the process, opened by the import of this module."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast
from weakref import WeakSet

import peewee
from playhouse.pool import MaxConnectionsExceeded
from psycopg2.errors import LockNotAvailable, QueryCanceled, SerializationFailure

from core import clock
from core.backends import database as database  # noqa: PLC0414 -- for all others
from core.backends import open_database
from core.connection_errors import AWAY, first_of, is_full
from core.errors import Unavailable
from core.logging_setup import set_up_logging
from core.settings import from_environment

logger = logging.getLogger(__name__)

settings = from_environment(os.environ)
set_up_logging(
    settings.log_level, settings.log_format, settings.service_type, embedded=settings.embedded
)
database.initialize(open_database(settings))

RETRY_AFTER = 2  # seconds
DISK_FULL = "The disk of the database is full. Free space there, then try again."
SAY_AGAIN = 10.0  # seconds


class SerializationConflict(Exception):
    """Another transaction changed the same rows at the same time. Read them again."""


class StatementTimeout(Exception):
    """A statement or its wait for a lock took too long and was rolled back."""


@contextmanager
def session() -> Iterator[None]:
    """Hold a connection for the block; inside another session, share its connection.

    Raises Unavailable when the database is away or busy for longer than the pool waits.
    """
    try:
        opened = database.connect(reuse_if_open=True)
    except (*AWAY, MaxConnectionsExceeded) as error:
        raise _away(error) from error
    if not opened:
        yield
        return
    try:
        yield
    except AWAY as error:
        database.close_idle()  # they lead to the same server
        raise _away(error) from error
    finally:
        database.close()


@contextmanager
def transaction(*, as_it_was: bool = False) -> Iterator[None]:
    """Open a session whose block is committed as a whole, or not at all.

    `as_it_was`, for the outermost one: the block reads a snapshot (REPEATABLE READ) and raises
    SerializationConflict instead of changing rows that others have changed since. SQLite has a
    single writer (BEGIN IMMEDIATE).
    """
    with _ended_later(), session(), database.atomic():
        if not (as_it_was and is_postgres()):
            yield
            return
        database.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        try:
            yield
        except peewee.OperationalError as error:
            if isinstance(getattr(error, "orig", None), SerializationFailure):
                raise SerializationConflict from error
            raise


def after_transaction(do: Callable[[], None]) -> None:
    """Call `do` after the outermost transaction of this thread, if any, or now.

    It is called after a commit and after a rollback, but not after SerializationConflict, when
    the whole transaction is repeated. `database.after_commit` is called after a commit alone.
    """
    waiting: list[Callable[[], None]] | None = getattr(_waiting, "list", None)
    if waiting is None:
        do()
    else:
        waiting.append(do)


_waiting = threading.local()  # as are the connections


@contextmanager
def _ended_later() -> Iterator[None]:
    if getattr(_waiting, "list", None) is not None:  # the outer one does it
        yield
        return
    waiting: list[Callable[[], None]] = []
    _waiting.list = waiting
    try:
        yield
    except SerializationConflict:
        waiting.clear()
        raise
    else:
        outage.is_full = False
    finally:
        _waiting.list = None
        for do in waiting:
            try:
                do()
            except Exception:  # an edge: the others still run, and an error of the block is kept
                logger.exception("a callback after the end of a transaction failed")


@contextmanager
def snapshot() -> Iterator[None]:
    """Open a session that reads a snapshot, or the view of an outer transaction."""
    with session():
        if database.in_transaction():
            yield
            return
        with database.atomic(*([] if is_postgres() else ["DEFERRED"])):
            if is_postgres():
                database.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


@contextmanager
def limited(*, statement: float, lock: float) -> Iterator[None]:
    """Open a transaction with limits, in seconds, for statements and locks.

    Raises StatementTimeout. SQLite has no such limits and gets a mere session: in a transaction a
    long read would block writers.
    """
    with session():
        if not is_postgres():
            yield
            return
        try:
            with database.atomic():
                database.execute_sql(
                    "SELECT set_config('statement_timeout', %s, true), "
                    "set_config('lock_timeout', %s, true)",
                    [f"{round(seconds * 1000)}ms" for seconds in (statement, lock)],
                )
                yield
        except peewee.OperationalError as error:
            if isinstance(getattr(error, "orig", None), (QueryCanceled, LockNotAvailable)):
                raise StatementTimeout from error
            raise


def is_postgres() -> bool:
    return isinstance(database.obj, peewee.PostgresqlDatabase)


def database_time() -> Any:
    """Return the database's clock as an SQL value; for SQLite, this machine's."""
    return peewee.fn.timezone("UTC", peewee.fn.clock_timestamp()) if is_postgres() else clock.now()


@session()
def read_database_time() -> datetime:
    if not is_postgres():
        return clock.now()
    (now,) = database.execute_sql("SELECT clock_timestamp()").fetchone()
    return cast(datetime, now)


def skip_locked(query: peewee.Select) -> peewee.Select:
    """Lock rows for update, but skip locked ones. SQLite locks the whole file."""
    return query.for_update("FOR UPDATE SKIP LOCKED") if is_postgres() else query


def lock_key_share(query: peewee.Select) -> peewee.Select:
    """Lock rows against deletion until the commit, so that others can refer to them."""
    return query.for_update("FOR KEY SHARE") if is_postgres() else query


def lock_for_update(query: peewee.Select) -> peewee.Select:
    """Lock rows against changes until the commit."""
    return query.for_update("FOR NO KEY UPDATE") if is_postgres() else query


class PreparedStatement:
    """Statement of PostgreSQL that each connection plans once; `types` are those of $1, $2 ...

    Behind a transaction pooler it is planned each time: the next one may have another connection.
    """

    def __init__(self, name: str, types: Sequence[str], sql: str) -> None:
        names = [f"%({number})s" for number in range(1, len(types) + 1)]
        self._prepare = f"PREPARE {name} ({', '.join(types)}) AS {sql}"
        self._execute = f"EXECUTE {name} ({', '.join(names)})"
        self._unprepared = re.sub(
            r"\$(\d)", lambda found: f"%({found[1]})s::{types[int(found[1]) - 1]}", sql
        )
        self._connections: WeakSet[Any] = WeakSet()  # those that have planned it

    def execute(self, *values: Any) -> Any:
        """Return the cursor. In the caller's session."""
        named = {str(number): value for number, value in enumerate(values, 1)}
        if settings.direct_database_url:
            return database.execute_sql(self._unprepared, named)
        connection = database.connection()
        if connection not in self._connections:
            database.execute_sql(self._prepare)
            self._connections.add(connection)
        return database.execute_sql(self._execute, named)


class Outage:
    """Logs why the database is away, once in a while."""

    is_full = False  # whether a write has found the disk full; no transaction has succeeded since
    _silent_until = 0.0

    def note(self, error: BaseException) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SAY_AGAIN
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            # Drivers name host and user, never the password.
            logger.warning("the database is away or refuses: %s", reason)


outage = Outage()


def _away(error: BaseException) -> Unavailable:
    error = first_of(error)
    outage.note(error)
    detail = "The database does not respond. Try again later."
    if is_full(error):
        outage.is_full, detail = True, DISK_FULL
    return Unavailable(detail, retry_after=RETRY_AFTER)
