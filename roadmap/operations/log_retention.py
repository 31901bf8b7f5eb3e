"""How long the execution log is kept: whole months, by LOG_RETENTION_DAYS. And the books of those who wrote it, summed up.

What upkeep calls, each minute. All of it can be done by any number of processes at once.
"""

import logging
import time
from datetime import timedelta
from uuid import UUID

import peewee

from core import clock
from core.db import database, is_postgres, session, skip_locked, transaction
from models.logs import ExecutionLog, ExpiredLogRecord, LogSource
from roadmap.operations import log_partitions
from roadmap.operations.log_months import oldest_kept

logger = logging.getLogger(__name__)

AT_ONCE, ROUNDS = 1_000, 10  # rows that are deleted in one transaction, and how often in a minute
NOTED = timedelta(days=1)  # for which a record that came too late is known, if it comes twice
ENDED = timedelta(days=7)  # a source that is silent for so long has ended: it is one for a day
LOST = timedelta(
    days=365
)  # and what is missing of it will not come any more, not even from the dead letters
FARTHEST_APART = 3600.0  # seconds between two clocks of which one may be trusted to delete
SUM = UUID(int=0)  # id of the row with the sums of those that have ended


def rotate_partitions() -> None:
    """Make the months to come, and delete those that are over. Raises Unavailable."""
    log_partitions.make_ahead()
    oldest = oldest_kept()
    if oldest is not None and _agrees_about_time():
        log_partitions.drop_before(oldest)
        _delete(
            ExecutionLog, ExecutionLog.id < oldest
        )  # what is in no month of its own, and all of it on SQLite
    _delete(ExpiredLogRecord, ExpiredLogRecord.counted_at < clock.now() - NOTED)


def sum_up_sources() -> None:
    """Join the rows of processes that have ended into one, some hundreds at a time. `ledger()` stays what it is.

    Only when no batch waits in the queue: one that was numbered by a source that is summed up would count twice.
    Raises Unavailable.
    """
    now = clock.now()
    written = LogSource.stored + LogSource.expired
    is_over = (LogSource.updated_at < now - ENDED) & (
        (written >= LogSource.last_seq) | (LogSource.updated_at < now - LOST)
    )
    with transaction():
        query = (
            LogSource.select()
            .where(is_over, LogSource.id != SUM)
            .order_by(LogSource.updated_at)
            .limit(AT_ONCE)
        )
        rows = list(skip_locked(query))
        if not rows:
            return
        LogSource.delete().where(LogSource.id.in_([row.id for row in rows])).execute()
        sums = {
            name: sum(getattr(row, name) for row in rows)
            for name in ("stored", "expired", "dropped")
        }
        sums["last_seq"] = sum(max(row.last_seq, row.stored + row.expired) for row in rows)
        is_missing = sums["last_seq"] > sums["stored"] + sums["expired"]
        since = {"behind_since": now - ENDED if is_missing else None, "updated_at": now}
        added = {
            getattr(LogSource, name): getattr(LogSource, name) + value
            for name, value in sums.items()
        }
        behind = {
            LogSource.behind_since: peewee.fn.COALESCE(
                LogSource.behind_since, peewee.EXCLUDED.behind_since
            )
        }
        row = {"id": SUM, "service": "ended", **sums, **since}
        change = {**added, **behind, LogSource.updated_at: now}
        LogSource.insert(row).on_conflict(conflict_target=[LogSource.id], update=change).execute()


def _agrees_about_time() -> bool:
    """A machine whose clock is months ahead would delete all months; the server's clock has to say much the same."""
    if not is_postgres():
        return True
    with session():
        (ahead,) = database.execute_sql(
            "SELECT %s - extract(epoch FROM clock_timestamp())::float", (time.time(),)
        ).fetchone()
    if abs(ahead) > FARTHEST_APART:
        logger.warning(
            "no month of the log is deleted: the clock here and that of the database are %.0f s apart",
            abs(ahead),
        )
    return bool(abs(ahead) <= FARTHEST_APART)


def _delete(table: type[ExecutionLog] | type[ExpiredLogRecord], old: peewee.Expression) -> None:
    for _ in range(ROUNDS):
        with transaction():
            ids = [
                id_
                for (id_,) in skip_locked(
                    table.select(table.id).where(old).order_by(table.id).limit(AT_ONCE)
                ).tuples()
            ]
            if ids:
                table.delete().where(table.id.in_(ids)).execute()
        if len(ids) < AT_ONCE:
            return
