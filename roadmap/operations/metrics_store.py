"""Store of metrics.

A thread of each process adds its counts to the table `measure`.

That is every few seconds, and at the end. Each process numbers its batches, and writes the number
in the same transaction: a batch whose commit was not answered is tried again and added once. What
the database does not take stays for the next time.
"""

import atexit
import logging
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import Any

import peewee

from core import clock, metric_counters
from core.db import database, session, settings, transaction
from core.errors import Unavailable
from core.ids import new_id
from core.metric_counters import Gauges, MetricDelta
from core.metric_definitions import (
    CONNECTIONS,
    CPU,
    LOG_WAITING,
    MEMORY,
    METRICS,
    MOST_CONNECTIONS,
    STARTED,
)
from models.records import MetricValue, ProcessMetrics
from roadmap.operations.execution_log import buffer

logger = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two saves
HEARTBEAT = 20.0  # seconds between two signs of life, with nothing to save
PRESENT = timedelta(seconds=60)  # a process without a sign of life for longer is gone
FORGOTTEN = timedelta(hours=1)  # after which its row is deleted
KEPT = timedelta(hours=25)  # for which there are rows by the minute
MINUTES_AT_ONCE = 120  # whose rows are deleted in one transaction
ROWS_AT_ONCE = 500  # of one statement
TOTAL = 0  # the minute of the rows of all time
STATM = Path("/proc/self/statm")  # without it, the memory is unknown

Row = dict[str, Any]
Statement = tuple[str, list[Any]]
_started = time.time()


@dataclass(frozen=True, slots=True)
class Process:
    """Process of any service, as of the last minute. `name` is its host and pid."""

    service: str
    name: str
    facts: Gauges


class Saver:
    """Saver of this process's metrics.

    It saves regularly from `start()`, and once more at `stop()` or the end.
    """

    def __init__(self) -> None:
        self.id = new_id()
        self._saving = threading.Lock()
        self._number = 0
        self._batch: list[Statement] | None = None  # the one of this number, not known to be stored
        self._saved_at = float("-inf")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def reset_after_fork(self) -> None:
        """Become a process of its own, after a fork, with batches numbered from 1."""
        self.id, self._number, self._batch, self._thread = new_id(), 0, None, None

    def start(self) -> None:
        with self._saving:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="Measures", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._saving:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        thread.join()
        try:
            self.save()
            self.save()  # what came while an older batch waited
            with transaction():
                ProcessMetrics.delete().where(ProcessMetrics.id == self.id).execute()
        except Unavailable as error:
            logger.warning("the metrics of the last seconds are not saved: %s", error)

    def save(self) -> None:
        """Add the counts to the table.

        Raises Unavailable, and then they stay for the next time.
        """
        with self._saving:
            if self._batch is None:
                buffer.update_metric()
                taken = metric_counters.taken()
                if not taken and monotonic() - self._saved_at < HEARTBEAT:
                    return
                minute = minute_of(clock.now())
                rows = [
                    *(_row(each, TOTAL) for each in taken),
                    *(_row(each, minute) for each in taken if METRICS[each.name].charted),
                ]
                sums = {MetricValue.value: MetricValue.value + peewee.EXCLUDED.value}
                self._number, self._batch = self._number + 1, _storing(rows, sums)
            with transaction():
                if self._register():
                    _execute(self._batch)
            self._batch, self._saved_at = None, monotonic()

    def _register(self) -> bool:
        """Write this process with the number of its batch; False if that was added before."""
        row = {
            "service": settings.service_type,
            "process": _process_name(),
            "last_batch": self._number,
            "facts": gauges(),
            "updated_at": clock.now(),
        }
        is_new = ProcessMetrics.last_batch < peewee.EXCLUDED.last_batch
        insert = ProcessMetrics.insert(**row, id=self.id)
        update = {getattr(ProcessMetrics, name): getattr(peewee.EXCLUDED, name) for name in row}
        key = [ProcessMetrics.id]
        upsert = insert.on_conflict(conflict_target=key, update=update, where=is_new)
        return bool(upsert.as_rowcount().execute())

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.save()
            except Unavailable as error:  # core/db.py logs that the database is away
                logger.debug("metrics will be saved later: %s", error)
            except Exception:  # an edge: the next time may be better
                logger.exception("metrics will be saved later")


saver = Saver()
atexit.register(saver.stop)
os.register_at_fork(after_in_child=saver.reset_after_fork)


def gauges() -> Gauges:
    """Return the gauges of this process."""
    return {name: value for read in metric_counters.gauges for name, value in read().items()}


def this_process() -> Process:
    return Process(settings.service_type, _process_name(), gauges())


@session()
def processes() -> list[Process]:
    """Return all processes with a sign of life within a minute. Raises Unavailable."""
    present = ProcessMetrics.updated_at > clock.now() - PRESENT
    query = ProcessMetrics.select().where(present, ProcessMetrics.id != saver.id)
    rows = list(query.order_by(ProcessMetrics.process))
    return [this_process(), *(Process(row.service, row.process, row.facts) for row in rows)]


@session()
def totals() -> list[MetricDelta]:
    """Return the sums of all time and all processes, sorted. Raises Unavailable."""
    columns = (MetricValue.name, MetricValue.labels, MetricValue.part, MetricValue.value)
    rows = MetricValue.select(*columns).where(MetricValue.minute == TOTAL).tuples()
    return sorted(MetricDelta(*row) for row in rows)


def sample(deltas: Sequence[MetricDelta]) -> None:
    """Store values of this minute; a second sample replaces the first.

    Raises Unavailable.
    """
    statements = _storing(
        [_row(each, minute_of(clock.now())) for each in deltas],
        {MetricValue.value: peewee.EXCLUDED.value},
    )
    with transaction():
        _execute(statements)


@transaction()
def purge_expired() -> None:
    """Delete old minutes, some at a time, and processes that are gone.

    Raises Unavailable.
    """
    now, minute = clock.now(), MetricValue.minute
    old = MetricValue.select(minute).where(minute > TOTAL, minute < minute_of(now - KEPT))
    oldest = old.distinct().order_by(minute).limit(MINUTES_AT_ONCE)
    minutes = [number for (number,) in oldest.tuples()]
    if minutes:
        MetricValue.delete().where(minute.in_(minutes)).execute()
    ProcessMetrics.delete().where(ProcessMetrics.updated_at < now - FORGOTTEN).execute()


def minute_of(moment: datetime) -> int:
    """Return the number of a minute since 1970."""
    return int(moment.timestamp() // 60)


def _row(each: MetricDelta, minute: int) -> Row:
    return {**asdict(each), "minute": minute}


def _storing(rows: Sequence[Row], update: dict[Any, Any]) -> list[Statement]:
    """Return statements that store rows, in the order in which all processes do.

    They are built before the transaction begins, in which SQLite has no other writer.
    """
    key = [MetricValue.name, MetricValue.minute, MetricValue.labels, MetricValue.part]
    rows = sorted(rows, key=itemgetter("name", "minute", "labels", "part"))
    return [
        MetricValue.insert_many(piece).on_conflict(conflict_target=key, update=update).sql()
        for piece in peewee.chunked(rows, ROWS_AT_ONCE)
    ]


def _execute(statements: Sequence[Statement]) -> None:
    for text, values in statements:
        database.execute_sql(text, values)


def _process_name() -> str:
    return f"{platform.node()[:60]}:{os.getpid()}"


def _own_gauges() -> Gauges:
    pool: Any = database.obj
    gauges = {
        STARTED: round(_started, 3),
        CPU: time.process_time(),
        LOG_WAITING: float(len(buffer)),
        f"{CONNECTIONS} in_use": float(len(pool._in_use)),
        f"{CONNECTIONS} idle": float(len(pool._connections)),
        MOST_CONNECTIONS: float(pool._max_connections),
    }
    if STATM.exists():
        gauges[MEMORY] = float(int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return gauges


metric_counters.gauges.append(_own_gauges)
