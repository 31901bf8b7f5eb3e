"""Execution log: records are buffered, sent in batches and stored once.

`record()` appends to the buffer; a thread turns what is there into documents and sends them in
batches; `store_batch` writes them.

A record keeps its id in every batch that it is sent in, so that it is stored once. Each process
numbers its records and sends the number along, so that records lost by the broker are counted:
`ledger()`. Records whose month is deleted already (`log_retention.py`) are counted and not stored.
"""

import atexit
import json
import logging
import marshal
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock, metric_counters
from core.db import database, is_postgres, session, settings, transaction
from core.ids import EPOCH, first_id, new_hex, new_id
from core.json_types import LazyModel
from core.metric_definitions import LOG_ACCEPTED
from core.sanitize import strip_nul, strip_nul_json
from core.tracing import TraceContext, current
from models.bulk import insert_rows
from models.records import ExecutionLog, ExpiredLogRecord, LogSource

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 0.25  # the oldest record waits no longer than this
BATCH = 500
# Of records that wait while the sink is away; further ones are dropped
CAPACITY, CAPACITY_BYTES = 100_000, 16 * 2**20
# After a day a process becomes another source with numbers of its own: old ones can be summed up.
RENEWED = timedelta(days=1)
SETTLED = timedelta(minutes=1)  # records that are missing for longer are not on their way
# Written out: building it with Peewee takes as long as a hundred records do.
UPDATE_SOURCE = """
INSERT INTO log_source AS known
    (id, service, last_seq, dropped, stored, expired, behind_since, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    last_seq = CASE
        WHEN known.last_seq < EXCLUDED.last_seq THEN EXCLUDED.last_seq ELSE known.last_seq
    END,
    dropped = CASE
        WHEN known.dropped < EXCLUDED.dropped THEN EXCLUDED.dropped ELSE known.dropped
    END,
    stored = known.stored + EXCLUDED.stored,
    expired = known.expired + EXCLUDED.expired,
    behind_since = CASE
        WHEN known.stored + EXCLUDED.stored + known.expired + EXCLUDED.expired
            < CASE
                WHEN known.last_seq < EXCLUDED.last_seq THEN EXCLUDED.last_seq ELSE known.last_seq
            END
        THEN COALESCE(known.behind_since, EXCLUDED.updated_at)
    END,
    updated_at = EXCLUDED.updated_at
"""
SIMPLE = (str, int, bool, type(None))  # as they are in JSON
Document = dict[str, Any]
# Nanoseconds, level, category, step, message, details, duration_ms, and the ids of roadmap, concept
# and trace
Entry = tuple[int, str, str, str, str, Any, int | None, str | None, str | None, str | None]
# Takes records and their source, or raises any error when it refuses them
Sink = Callable[[list[Document], Document], None]


class LogLevel(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


@dataclass(frozen=True, slots=True)
class LogLedger:
    """Counts of records of all processes.

    `stored` includes deleted ones; `missing` were numbered and are not there a minute later;
    `dropped` found the buffer full; `expired` came after their month was deleted.
    """

    stored: int
    missing: int
    dropped: int
    expired: int = 0


class Buffer:
    """Buffer of records until `sink` has taken them.

    They wait as bytes: small, of a known size, and not affected by later changes of their details.
    `dropped` counts those it had no room for.
    """

    def __init__(self, *, capacity: int = CAPACITY, batch: int = BATCH) -> None:
        self.id = new_id()
        self._entries: deque[bytes] = deque()
        self._bytes_added = self._bytes_taken = 0
        self._next: list[tuple[Document, str | None]] = []  # to be sent, each with its trace
        self._capacity, self._batch = capacity, batch
        self._flushing = threading.Lock()
        self._arrived = threading.Event()  # there is something to send
        self._urgent = threading.Event()  # and it should not wait for the timer
        self._timer: threading.Thread | None = None
        self.sink: Sink | None = None  # wired by tasks/logs.py
        self._refused = False  # by the sink, at the last try; logged once
        self.accepted = self.sent = self.dropped = 0
        self._metric_lock, self._in_metric = threading.Lock(), 0  # accepted records in the metric
        self._begun = clock.now()  # as the source that it is
        self._sent_before = self._dropped_before = self._dropped_sent = 0

    def renew_source(self) -> None:
        """Become another source, with numbers of its own."""
        self.id, self._begun = new_id(), clock.now()
        self._sent_before, self._dropped_before = self.sent, self._dropped_sent

    def reset_after_fork(self) -> None:
        """Become another source, and leave to the parent what waits."""
        self._entries.clear()
        self._next.clear()
        self._bytes_taken, self.accepted, self._timer = self._bytes_added, self.sent, None
        self._flushing, self._metric_lock = threading.Lock(), threading.Lock()
        self._arrived, self._urgent = threading.Event(), threading.Event()
        self.renew_source()

    def add(self, entry: Entry, *, now: bool) -> None:
        waiting = len(self._entries)
        if waiting > self._capacity * 3 // 4 and not waiting % 16 and not self._refused:
            time.sleep(0)  # offers the interpreter to the thread that sends
        if (
            len(self._entries) >= self._capacity
            or self._bytes_added - self._bytes_taken >= CAPACITY_BYTES
        ):
            self.dropped += 1
            return
        try:
            packed = marshal.dumps(entry)
        except ValueError:  # something in it is of no built-in type
            at, level, category, step, message, details, *rest = entry
            texts = map(str, (level, category, step, message))
            packed = marshal.dumps((at, *texts, details and _plain(details), *rest))
        self._entries.append(packed)
        self.accepted += 1
        self._bytes_added += len(packed)
        if not self._arrived.is_set():
            self._arrived.set()
            if self._timer is None or not self._timer.is_alive():
                flush = self._flush_regularly
                self._timer = threading.Thread(target=flush, name="LogFlusher", daemon=True)
                self._timer.start()
        if (now or waiting + 1 >= self._batch) and not self._urgent.is_set():
            self._urgent.set()

    def flush(self) -> None:
        """Send all buffered records. Those that the sink refuses stay for the next flush."""
        self.update_metric()
        if self.sink is not None:
            with self._flushing:
                self._send(self.sink)

    def close(self) -> None:
        """Send or store all records before the process ends, or log their loss."""
        self.flush()
        with self._flushing:
            try:
                self._send(store_batch)
            finally:
                if lost := len(self):
                    logger.error(
                        "%d log records are lost: neither the queue nor the database accepts them",
                        lost,
                    )

    def _send(self, sink: Sink) -> None:
        while len(self):
            # Before a batch, since sources that were silent for long are summed up; but not while
            # one is refused, which may be on its way under the current id.
            if not self._refused and clock.now() - self._begun > RENEWED:
                self.renew_source()
            # What there is room for beside the documents that the sink has refused
            for _ in range(min(self._batch - len(self._next), len(self._entries))):
                packed = self._entries.popleft()
                self._bytes_taken += len(packed)
                self._next.append(_unpacked(packed))
            records, traces = map(list, zip(*self._next, strict=True))
            dropped = self.dropped - self._dropped_before
            source: Document = {
                "id": self.id.hex,
                "service": settings.service_type,
                "last_seq": self.sent - self._sent_before + len(records),
                "dropped": dropped,
                # Not in the records: an older version stores these as they come, without a trace.
                "traces": traces,
            }
            try:
                sink(records, source)
            except Exception as error:  # an edge: the log must not break what it records
                if not self._refused:
                    logger.warning("log records are waiting, since they cannot be sent: %s", error)
                self._refused = True
                return
            self._refused = False
            self._next.clear()
            self.sent += len(records)
            self._dropped_sent = self._dropped_before + dropped

    def update_metric(self) -> None:
        """Add accepted records to the metric: many at once, before metrics are saved."""
        with self._metric_lock:
            accepted = self.accepted
            if accepted > self._in_metric:
                metric_counters.count(LOG_ACCEPTED, accepted - self._in_metric)
                self._in_metric = accepted

    def __len__(self) -> int:
        return len(self._next) + len(self._entries)

    def _flush_regularly(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self._urgent.wait(FLUSH_SECONDS)
            self._urgent.clear()
            self.flush()
            if len(self):  # refused by the sink: try again
                self._arrived.set()


buffer = Buffer()
atexit.register(buffer.close)
os.register_at_fork(after_in_child=buffer.reset_after_fork)


def record(
    category: str,
    step: str,
    message: str,
    *,
    level: LogLevel = LogLevel.info,
    roadmap_id: UUID | None = None,
    concept_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
    duration_ms: int | None = None,
    trace: TraceContext | None = None,
) -> None:
    """Log an event, with its trace or that of this thread, without blocking.

    Errors are sent at once.
    """
    trace = trace or current()
    entry = (
        clock.time_ns(),
        level.value,
        category,
        step,
        message,
        details,
        duration_ms,
        roadmap_id.hex if roadmap_id else None,
        concept_id.hex if concept_id else None,
        trace.id if trace else None,
    )
    buffer.add(entry, now=level is LogLevel.error)


def _unpacked(packed: bytes) -> tuple[Document, str | None]:
    """Return the document of an entry, with a new id, and its trace."""
    (at, level, category, step, message, details, duration, roadmap_id, concept_id, trace_id) = (
        marshal.loads(packed)
    )
    text = str(message)
    document = {
        "id": new_hex(at),
        "at": f"{_to_the_second(at // 10**9)}.{at // 1000 % 10**6:06d}+00:00",
        "level": level,
        "category": category,
        "step": step,
        "message": text if text.isprintable() else strip_nul(text),
        "details": _plain(details) if details else None,
        "duration_ms": duration,
        "roadmap_id": roadmap_id,
        "concept_id": concept_id,
    }
    return document, trace_id


@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(details: Mapping[Any, Any]) -> Document:
    """Return details with types of JSON.

    A record that cannot be sent would hold up all others.
    """
    if all(type(name) is str and type(value) in SIMPLE for name, value in details.items()):
        return {
            strip_nul(name): strip_nul(value) if type(value) is str else value
            for name, value in details.items()
        }
    try:
        text = json.dumps(details, default=str, skipkeys=True, allow_nan=False, ensure_ascii=False)
        plain: Document = json.loads(strip_nul_json(text))
    except (ValueError, RecursionError) as error:  # not a number, or a circle
        return {"unstorable": f"{type(error).__name__}: {error}"}
    return plain


def month_of(moment: datetime) -> datetime:
    """Return the first moment of a month (UTC)."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    return month_of(month_of(month) + timedelta(days=31))


def oldest_kept() -> UUID | None:
    """Return the first id whose month is kept by LOG_RETENTION_DAYS; None: all are.

    A record belongs to the month of the time in its id.
    """
    days = settings.log_retention_days
    return first_id(month_of(max(clock.now() - timedelta(days=days), EPOCH))) if days else None


def store_batch(records: Sequence[Document], source: Mapping[str, Any] | None = None) -> None:
    """Write records in one statement, passing over those that are stored already.

    Records whose month is deleted count as expired.
    """
    if not records:
        return
    # Batches of older versions have neither traces nor, the first of them, a source.
    traces = (source or {}).get("traces") or [None] * len(records)
    rows = [{**record, "trace_id": trace} for record, trace in zip(records, traces, strict=True)]
    first = oldest_kept()
    oldest = "" if first is None else first.hex  # the form of a record's id, which sorts alike
    late = [row for row in rows if row["id"] < oldest]
    kept = [row for row in rows if row["id"] >= oldest] if late else rows
    expired = 0
    with transaction():
        stored = insert_rows(ExecutionLog, kept, pass_over=True, are_json=True)
        if late:
            ids, common = [{"id": row["id"]} for row in late], {"counted_at": clock.now()}
            expired = insert_rows(ExpiredLogRecord, ids, common=common, pass_over=True)
        if source is not None:
            _update_source(source, stored, expired)


def _update_source(source: Mapping[str, Any], stored: int, expired: int) -> None:
    """Add what was stored to the row of the process that numbered the records."""
    now = clock.now()
    row = {
        "id": source["id"],
        "service": source["service"],
        "last_seq": source["last_seq"],
        "dropped": source["dropped"],
        "stored": stored,
        "expired": expired,
        "behind_since": now if stored + expired < source["last_seq"] else None,
        "updated_at": now,
    }
    values = [
        None if value is None else LogSource._meta.fields[name].db_value(value)
        for name, value in row.items()
    ]
    database.execute_sql(
        UPDATE_SOURCE.replace("?", "%s") if is_postgres() else UPDATE_SOURCE, values
    )


@session()
def ledger() -> LogLedger:
    """Return the counts of all records that processes have numbered.

    Raises Unavailable.
    """
    settled = LogSource.behind_since < clock.now() - SETTLED
    behind = LogSource.last_seq - LogSource.stored - LogSource.expired
    missing = peewee.Case(None, [(settled, behind)], 0)
    columns = (LogSource.stored, missing, LogSource.dropped, LogSource.expired)
    sums = (peewee.fn.COALESCE(peewee.fn.SUM(column), 0) for column in columns)
    return LogLedger(*map(int, LogSource.select(*sums).tuples().get()))


class LogRecord(LazyModel):
    id: UUID
    at: datetime
    level: LogLevel = Field(description="Level.")
    category: str = Field(description="Category: part of the service.")
    step: str = Field(description="Step.")
    message: str = Field(description="Message.")
    details: dict[str, Any] | None = Field(description="Additional data.")
    duration_ms: int | None = Field(description="Duration in milliseconds.")
    concept_id: UUID | None = Field(description="ID of the concept; null: none.")
