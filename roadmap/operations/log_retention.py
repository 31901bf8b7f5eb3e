"""Retention of the execution log, by LOG_RETENTION_DAYS, and its partitions.

On PostgreSQL each month has a partition, made ahead and dropped as a whole. Records without a
partition go to the default one: those of processes whose clock is wrong, and those of a month that
was not made in time. They move to their month when it is made.

Sources that have ended are summed up.

Upkeep calls it each minute, in any number of processes at once.
"""

import logging
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import peewee

from core import clock
from core.db import (
    StatementTimeout,
    database,
    is_postgres,
    limited,
    read_database_time,
    session,
    skip_locked,
    transaction,
)
from core.ids import first_id
from models.bulk import delete_batches
from models.records import ExecutionLog, ExpiredLogRecord, LogSource
from roadmap.operations.execution_log import month_after, month_of, oldest_kept

logger = logging.getLogger(__name__)

AT_ONCE, ROUNDS = 1_000, 10  # deleted rows of one transaction, and transactions of one run
NOTED = timedelta(days=1)  # for which a record that came too late is known, in case it repeats
# A source that is silent for so long has ended: its process renews it daily.
ENDED = timedelta(days=7)
LOST = timedelta(days=365)  # after which missing records cannot come, not even from dead letters
FARTHEST_APART = 3600.0  # seconds between two clocks that are trusted to delete
FIRST = "0" * 32  # the lowest id
SUM = UUID(FIRST)  # id of the row with the sums of ended sources

DEFAULT = "execution_log_default"
LOCK_SECONDS = 2  # writers and readers wait behind a waiting lock: not for longer than this
MOVE_SECONDS = 8  # for one statement
MOVED_AT_ONCE = 10_000  # rows of one statement
PARTITIONS = """SELECT quote_ident(c.relname), pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'execution_log'::regclass ORDER BY c.relname"""
BOUNDS = re.compile(
    r"FOR VALUES FROM \((?:MINVALUE|'(?P<lower>[0-9a-f-]+)')\) TO \('(?P<upper>[0-9a-f-]+)'\)"
)
MOVE = """WITH moved AS (DELETE FROM {default} WHERE id IN
    (SELECT id FROM {default} WHERE id >= %s AND id < %s ORDER BY id LIMIT %s) RETURNING *)
    INSERT INTO {month} SELECT * FROM moved"""


@dataclass(frozen=True, slots=True)
class Partition:
    """Ids from `lower` to below `upper`."""

    name: str
    lower: UUID
    upper: UUID


def rotate_partitions() -> None:
    """Make the partitions of coming months, and delete old ones. Raises Unavailable."""
    make_ahead()
    if (oldest := oldest_kept()) is not None and _agrees_about_time():
        drop_before(oldest)
        # Records without a partition of their own; on SQLite all.
        _delete(ExecutionLog, ExecutionLog.id < oldest)
    _delete(ExpiredLogRecord, ExpiredLogRecord.counted_at < clock.now() - NOTED)


@transaction()
def sum_up_sources() -> None:
    """Join the rows of ended processes into one, some hundreds at a time.

    `ledger()` stays the same. To be called only when no batch waits in the queue: one of a source
    that is summed up would count twice. Raises Unavailable.
    """
    now = clock.now()
    written = LogSource.stored + LogSource.expired
    is_over = (LogSource.updated_at < now - ENDED) & (
        (written >= LogSource.last_seq) | (LogSource.updated_at < now - LOST)
    )
    query = LogSource.select().where(is_over, LogSource.id != SUM).order_by(LogSource.updated_at)
    rows = list(skip_locked(query.limit(AT_ONCE)))
    if not rows:
        return
    LogSource.delete().where(LogSource.id.in_([row.id for row in rows])).execute()
    sums = {
        "stored": sum(row.stored for row in rows),
        "expired": sum(row.expired for row in rows),
        "dropped": sum(row.dropped for row in rows),
        "last_seq": sum(max(row.last_seq, row.stored + row.expired) for row in rows),
    }
    is_missing = sums["last_seq"] > sums["stored"] + sums["expired"]
    since = now - ENDED if is_missing else None
    change = {
        **{getattr(LogSource, name): getattr(LogSource, name) + sums[name] for name in sums},
        LogSource.behind_since: peewee.fn.COALESCE(
            LogSource.behind_since, peewee.EXCLUDED.behind_since
        ),
        LogSource.updated_at: now,
    }
    row = LogSource.insert(id=SUM, service="ended", **sums, behind_since=since, updated_at=now)
    row.on_conflict(conflict_target=[LogSource.id], update=change).execute()


@session()
def partitions() -> list[Partition]:
    """Return all partitions but the default one. Raises Unavailable."""
    rows = database.execute_sql(PARTITIONS).fetchall()
    return [
        Partition(name, UUID(found["lower"] or FIRST), UUID(found["upper"]))
        for name, bounds in rows
        if (found := BOUNDS.fullmatch(bounds)) is not None
    ]


def make_ahead() -> None:
    """Make the partitions of this month and the next, in any process.

    While the table is in use for too long, that is left to the next call. Raises Unavailable.
    """
    if not is_postgres():
        return
    this = month_of(clock.now())
    for month in (this, month_after(this)):
        try:
            if not _is_there(month):
                _make(month)
        except StatementTimeout:
            logger.warning(
                "the log partition for %s will be created later: the table is in use",
                f"{month:%Y-%m}",
            )


def drop_before(oldest: UUID) -> None:
    """Drop the partitions all of whose ids are below `oldest`. Raises Unavailable.

    One that is in use for too long is left to the next call.
    """
    if not is_postgres():
        return
    for partition in partitions():
        if partition.upper <= oldest:
            try:
                with limited(statement=MOVE_SECONDS, lock=LOCK_SECONDS):
                    # Another process may have dropped it.
                    database.execute_sql(f"DROP TABLE IF EXISTS {partition.name}")
            except StatementTimeout:
                logger.warning("%s will be dropped later: the table is in use", partition.name)


def _is_there(month: datetime) -> bool:
    return any(each.lower <= first_id(month) < each.upper for each in partitions())


def _make(month: datetime) -> None:
    """Make a partition. Raises StatementTimeout, and then nothing is changed."""
    lower, upper = first_id(month), first_id(month_after(month))
    name = f"execution_log_{month:%Y%m}"
    with limited(statement=MOVE_SECONDS, lock=LOCK_SECONDS):
        # Writers wait until their partition is there, and so do others that make it. Readers go on.
        database.execute_sql("LOCK TABLE ONLY execution_log IN SHARE ROW EXCLUSIVE MODE")
        if _is_there(month):
            return
        database.execute_sql(
            f"CREATE TABLE {name} (LIKE execution_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        move = MOVE.format(default=DEFAULT, month=name)
        while database.execute_sql(move, (str(lower), str(upper), MOVED_AT_ONCE)).rowcount:
            pass
        database.execute_sql(
            f"ALTER TABLE execution_log ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{lower}') TO ('{upper}')"
        )


def _agrees_about_time() -> bool:
    """Compare the clock with the database's.

    A clock that is months ahead would delete all months.
    """
    if not is_postgres():
        return True
    apart = abs(time.time() - read_database_time().timestamp())
    if apart > FARTHEST_APART:
        logger.warning(
            "no month of the log is deleted: the clocks of this machine and of the "
            "database differ by %.0f s",
            apart,
        )
    return apart <= FARTHEST_APART


def _delete(table: type[ExecutionLog] | type[ExpiredLogRecord], old: peewee.Expression) -> None:
    query = table.select(table.id).where(old).order_by(table.id)
    delete_batches(table.id, query, size=AT_ONCE, batches=ROUNDS)
