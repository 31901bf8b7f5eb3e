"""What every process counts, saved together: a thread adds it to the table `measure` every few seconds, and at the end.

Each process numbers its batches and notes with each, in the same transaction, which it has added: one whose commit was
answered by nobody is tried again and added once. What the database does not take stays for the next time.
"""

import atexit
import logging
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    LOG_WAITING,
    MEMORY,
    METRICS,
    MOST_CONNECTIONS,
    STARTED,
)
from models.metrics import MetricValue, ProcessMetrics
from roadmap.operations.execution_log import buffer

logger = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two saves
TELL_EVERY = 20.0  # seconds after which a process says that it is there, with nothing to save
PRESENT = timedelta(
    seconds=60
)  # who has not said so for longer than this is gone, or cannot be believed
FORGOTTEN = timedelta(hours=1)  # and its row goes
KEPT = timedelta(hours=25)  # for which there are rows by the minute
MINUTES_AT_ONCE = 120  # whose rows are deleted in one go
ROWS_AT_ONCE = 500  # of one statement
TOTAL = 0  # the minute of the rows of all time
STATM = Path("/proc/self/statm")  # where there is none, the memory is not told

Row = dict[str, Any]
Statement = tuple[str, list[Any]]
_started = time.time()


@dataclass(frozen=True, slots=True)
class Process:
    """A process of any service, as it was at most a minute ago. `name` is its host and pid."""

    service: str
    name: str
    facts: Gauges


class Saver:
    """`start()`, and it saves by itself, also when the process ends; `stop()` saves what is left."""

    def __init__(self) -> None:
        self.id = new_id()
        self._saving = threading.Lock()
        self._number = 0
        self._batch: list[Statement] | None = None  # the one of this number, not known to be stored
        self._told_at = float("-inf")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def begin_anew(self) -> None:
        """As a process of its own, after a fork: its batches are numbered by themselves."""
        self.id, self._number, self._batch, self._thread = new_id(), 0, None, None

    def start(self) -> None:
        """Once for all who ask."""
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
            logger.warning("what was counted in the last seconds is not saved: %s", error)

    def save(self) -> None:
        """Add what was counted to what all have counted. Raises Unavailable, and then nothing is added, and nothing forgotten."""
        with self._saving:
            if self._batch is None:
                buffer.count()
                taken = metric_counters.taken()
                if not taken and monotonic() - self._told_at < TELL_EVERY:
                    return
                self._number, self._batch = self._number + 1, _adding(_rows(taken))
            with transaction():
                if self._note():
                    _execute(self._batch)
            self._batch, self._told_at = None, monotonic()

    def _note(self) -> bool:
        """That this process is there, and adds this batch; False when it has been added before."""
        row = {
            "service": settings.service_type,
            "process": _process_name(),
            "last_batch": self._number,
        }
        row |= {"facts": gauges(), "updated_at": clock.now()}
        is_new = ProcessMetrics.last_batch < peewee.EXCLUDED.last_batch
        insert = ProcessMetrics.insert(**row, id=self.id)
        update = {getattr(ProcessMetrics, name): getattr(peewee.EXCLUDED, name) for name in row}
        said = insert.on_conflict(conflict_target=[ProcessMetrics.id], update=update, where=is_new)
        return bool(said.as_rowcount().execute())

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.save()
            except Unavailable as error:
                logger.debug(
                    "what was counted is saved later: %s", error
                )  # who says that the database is away is core/db.py
            except Exception:  # an edge: the next time may be better
                logger.exception("what was counted is saved later")


saver = Saver()
atexit.register(saver.stop)
os.register_at_fork(after_in_child=saver.begin_anew)


def gauges() -> Gauges:
    """What this process is just now."""
    return {name: value for read in metric_counters.gauges for name, value in read().items()}


def me() -> Process:
    """This process, as it is now."""
    return Process(settings.service_type, _process_name(), gauges())


def processes() -> list[Process]:
    """All that have said within a minute that they are there, this one as it is now. Raises Unavailable."""
    present = ProcessMetrics.updated_at > clock.now() - PRESENT
    query = ProcessMetrics.select().where(present, ProcessMetrics.id != saver.id)
    with session():
        others = [
            Process(row.service, row.process, row.facts)
            for row in query.order_by(ProcessMetrics.process)
        ]
    return [me(), *others]


def totals() -> list[MetricDelta]:
    """Of all time and all processes, sorted. Raises Unavailable."""
    query = MetricValue.select(
        MetricValue.name, MetricValue.labels, MetricValue.part, MetricValue.value
    ).where(MetricValue.minute == TOTAL)
    with session():
        return sorted(MetricDelta(*row) for row in query.tuples())


def sample(counted: Sequence[MetricDelta]) -> None:
    """What something is at this minute; a second sample of one minute replaces the first. Raises Unavailable."""
    rows = sorted((_row(each, minute_of(clock.now())) for each in counted), key=_place)
    statements = _storing(rows, {MetricValue.value: peewee.EXCLUDED.value})
    with transaction():
        _execute(statements)


def purge_expired() -> None:
    """Minutes of the day before, some at a time, and processes that are gone. Raises Unavailable."""
    now = clock.now()
    old = (MetricValue.minute > TOTAL) & (MetricValue.minute < minute_of(now - KEPT))
    with transaction():
        oldest = (
            MetricValue.select(MetricValue.minute)
            .distinct()
            .where(old)
            .order_by(MetricValue.minute)
            .limit(MINUTES_AT_ONCE)
        )
        minutes = [minute for (minute,) in oldest.tuples()]
        if minutes:
            MetricValue.delete().where(MetricValue.minute.in_(minutes)).execute()
        ProcessMetrics.delete().where(ProcessMetrics.updated_at < now - FORGOTTEN).execute()


def minute_of(moment: datetime) -> int:
    """Counted from 1970."""
    return int(moment.timestamp() // 60)


def _rows(taken: Sequence[MetricDelta]) -> list[Row]:
    """In the order in which all processes take them, so that no two wait for each other."""
    minute = minute_of(clock.now())
    rows = [_row(each, TOTAL) for each in taken]
    rows += [_row(each, minute) for each in taken if METRICS[each.name].charted]
    return sorted(rows, key=_place)


def _row(each: MetricDelta, minute: int) -> Row:
    return {
        "name": each.name,
        "minute": minute,
        "labels": each.labels,
        "part": each.part,
        "value": each.value,
    }


def _place(row: Row) -> tuple[Any, ...]:
    return row["name"], row["minute"], row["labels"], row["part"]


def _adding(rows: Sequence[Row]) -> list[Statement]:
    return _storing(rows, {MetricValue.value: MetricValue.value + peewee.EXCLUDED.value})


def _storing(rows: Sequence[Row], update: dict[Any, Any]) -> list[Statement]:
    """Put into words before the transaction begins: SQLite lets nobody else write during it."""
    key = [MetricValue.name, MetricValue.minute, MetricValue.labels, MetricValue.part]
    pieces = (rows[first : first + ROWS_AT_ONCE] for first in range(0, len(rows), ROWS_AT_ONCE))
    return [
        MetricValue.insert_many(piece).on_conflict(conflict_target=key, update=update).sql()
        for piece in pieces
    ]


def _execute(statements: Sequence[Statement]) -> None:
    for words, values in statements:
        database.execute_sql(words, values)


def _process_name() -> str:
    return f"{platform.node()[:60]}:{os.getpid()}"


def _own_gauges() -> Gauges:
    pool: Any = database.obj
    told = {
        STARTED: round(_started, 3),
        LOG_WAITING: float(len(buffer)),
        f"{CONNECTIONS} in_use": float(len(pool._in_use)),
        f"{CONNECTIONS} idle": float(len(pool._connections)),
        MOST_CONNECTIONS: float(pool._max_connections),
    }
    if STATM.exists():
        told[MEMORY] = float(int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return told


metric_counters.gauges.append(_own_gauges)
