"""Retention of the execution log: whole months, by LOG_RETENTION_DAYS.

Sources that have ended are summed up.

Upkeep calls it each minute, in any number of processes at once.
"""

import logging
import time
from datetime import timedelta
from uuid import UUID

import peewee

from core import clock
from core.db import database, is_postgres, session, skip_locked, transaction
from models.bulk import delete_batches
from models.logs import ExecutionLog, ExpiredLogRecord, LogSource
from roadmap.operations import log_partitions
from roadmap.operations.log_months import oldest_kept

logger = logging.getLogger(__name__)

AT_ONCE, ROUNDS = 1_000, 10  # deleted rows of one transaction, and transactions of one run
NOTED = timedelta(days=1)  # for which a record that came too late is known, in case it repeats
ENDED = timedelta(
    days=7
)  # a source that is silent for so long has ended: its process renews it daily
LOST = timedelta(days=365)  # after which missing records cannot come, not even from dead letters
FARTHEST_APART = 3600.0  # seconds between two clocks that are trusted to delete
SUM = UUID(int=0)  # id of the row with the sums of ended sources


def rotate_partitions() -> None:
    """Make the partitions of coming months, and delete old ones. Raises Unavailable."""
    log_partitions.make_ahead()
    oldest = oldest_kept()
    if oldest is not None and _agrees_about_time():
        log_partitions.drop_before(oldest)
        # Records without a partition of their own; on SQLite all.
        _delete(ExecutionLog, ExecutionLog.id < oldest)
    _delete(ExpiredLogRecord, ExpiredLogRecord.counted_at < clock.now() - NOTED)


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
    with transaction():
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
        row = {"id": SUM, "service": "ended", **sums, "updated_at": now}
        row["behind_since"] = now - ENDED if is_missing else None
        since = peewee.fn.COALESCE(LogSource.behind_since, peewee.EXCLUDED.behind_since)
        change = {
            **{getattr(LogSource, name): getattr(LogSource, name) + sums[name] for name in sums},
            LogSource.behind_since: since,
            LogSource.updated_at: now,
        }
        LogSource.insert(row).on_conflict(conflict_target=[LogSource.id], update=change).execute()


def _agrees_about_time() -> bool:
    """Compare the clock with the database's.

    A clock that is months ahead would delete all months.
    """
    if not is_postgres():
        return True
    with session():
        (ahead,) = database.execute_sql(
            "SELECT %s - extract(epoch FROM clock_timestamp())::float", (time.time(),)
        ).fetchone()
    if abs(ahead) > FARTHEST_APART:
        logger.warning(
            "no month of the log is deleted: "
            "the clock here and that of the database are %.0f s apart",
            abs(ahead),
        )
    return bool(abs(ahead) <= FARTHEST_APART)


def _delete(table: type[ExecutionLog] | type[ExpiredLogRecord], old: peewee.Expression) -> None:
    query = table.select(table.id).where(old).order_by(table.id)
    delete_batches(table.id, query, size=AT_ONCE, batches=ROUNDS)
