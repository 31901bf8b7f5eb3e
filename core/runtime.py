"""What a process has exactly one of: its settings and its database. It opens them when it is imported."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import peewee
from playhouse.pool import MaxConnectionsExceeded
from psycopg2.errors import LockNotAvailable, QueryCanceled, SerializationFailure

from core import clock
from core.errors import Unavailable
from core.logging_setup import set_up_logging
from core.reaching import AWAY, first_of, is_full
from core.settings import from_environment
from core.storage import open_database

logger = logging.getLogger(__name__)

settings = from_environment(os.environ)
set_up_logging(
    settings.log_level, settings.log_format, settings.service_type, embedded=settings.embedded
)
database = peewee.DatabaseProxy()
database.initialize(open_database(settings))

RETRY_AFTER = 2  # seconds
SAY_AGAIN = 10.0  # seconds


class Overtaken(Exception):
    """Somebody else has changed at the same moment what was to be changed. Look at it anew."""


class TookTooLong(Exception):
    """A statement, or its wait for a lock, has taken longer than its transaction allows. Nothing of it is changed."""


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
    """A session whose block is committed as a whole, or not at all.

    With `as_it_was`, for the outermost one: all that the block reads is of one moment, and it raises Overtaken instead of
    changing what somebody else has changed since. SQLite lets nobody else write meanwhile (BEGIN IMMEDIATE).
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
                raise Overtaken from error
            raise


def after_transaction(do: Callable[[], None]) -> None:
    """Do this when the outermost transaction of this thread has ended, committed or undone; at once when there is none. Not when
    it was overtaken: then all of it is tried again. (`database.after_commit` is for what must not be told of what is undone.)
    """
    waiting: list[Callable[[], None]] | None = getattr(_waiting, "list", None)
    if waiting is None:
        do()
    else:
        waiting.append(do)


_waiting = threading.local()  # as are the connections


@contextmanager
def _ended_later() -> Iterator[None]:
    if getattr(_waiting, "list", None) is not None:  # an outer one sees to it
        yield
        return
    waiting: list[Callable[[], None]] = []
    _waiting.list = waiting
    try:
        yield
    except Overtaken:
        waiting.clear()
        raise
    finally:
        _waiting.list = None
        for do in waiting:
            try:
                do()
            except Exception:  # an edge: the others are done nevertheless, and what the block has raised is what its caller hears
                logger.exception("what was left for the end of a transaction failed")


@contextmanager
def snapshot() -> Iterator[None]:
    """A session in which all that is read is of one moment; inside a transaction, what that sees. Nobody waits for it."""
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
    """A transaction none of whose statements takes longer, or waits for a lock for longer, than that, in seconds.

    Raises TookTooLong. SQLite has no such limits, and it is a mere session there: in a transaction, who only reads for long
    would let nobody write.
    """
    with session():
        if not is_postgres():
            yield
            return
        try:
            with database.atomic():
                limits = [f"{round(seconds * 1000)}ms" for seconds in (statement, lock)]
                sql = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)"
                database.execute_sql(sql, limits)
                yield
        except peewee.OperationalError as error:
            if isinstance(getattr(error, "orig", None), (QueryCanceled, LockNotAvailable)):
                raise TookTooLong from error
            raise


def is_postgres() -> bool:
    return isinstance(database.obj, peewee.PostgresqlDatabase)


def database_time() -> Any:
    """The time of the database as a value of a column: one clock for all processes. SQLite, which one machine uses, has none."""
    return peewee.fn.timezone("UTC", peewee.fn.clock_timestamp()) if is_postgres() else clock.now()


def read_database_time() -> datetime:
    with session():
        if not is_postgres():
            return clock.now()
        (now,) = database.execute_sql("SELECT clock_timestamp()").fetchone()
        return cast(datetime, now)


def skip_locked(query: peewee.Select) -> peewee.Select:
    """The same for update, without the rows that another transaction holds. SQLite, which locks the whole file, needs none."""
    if is_postgres():
        return query.for_update("FOR UPDATE SKIP LOCKED")
    return query


def keep_rows(query: peewee.Select) -> peewee.Select:
    """The same, and none of its rows is deleted before the commit: rows that refer to them can be written."""
    if is_postgres():
        return query.for_update("FOR KEY SHARE")
    return query


def change_rows(query: peewee.Select) -> peewee.Select:
    """The same, and nobody else changes its rows before the commit."""
    if is_postgres():
        return query.for_update("FOR NO KEY UPDATE")
    return query


class Outage:
    """Says why the database is away, but not to everybody who asks meanwhile."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def note(self, error: BaseException) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SAY_AGAIN
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            logger.warning(
                "the database is away or refuses: %s", reason
            )  # drivers name host and user, never the password


outage = Outage()


def _away(error: BaseException) -> Unavailable:
    error = first_of(error)
    outage.note(error)
    if is_full(error):
        return Unavailable(
            "The database has no room left: its disk is full. Make room there, then try again.",
            retry_after=RETRY_AFTER,
        )
    return Unavailable(
        "The database does not answer at the moment. Try again.", retry_after=RETRY_AFTER
    )
