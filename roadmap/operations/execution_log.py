"""The execution log: `record()` puts into a bounded buffer, a timer thread sends batches, `store_batch` writes them once.

A record has its id and time from the moment it is made, so a batch that is stored twice stores nothing twice. Each process
numbers what it records and sends the number along, so that what the broker loses is counted: `ledger()`. What comes after
its month was deleted (`log_retention.py`) is counted and not stored.
"""

import atexit
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock, metric_counters
from core.db import database, is_postgres, session, settings, transaction
from core.ids import new_hex, new_id
from core.metric_definitions import LOG_ACCEPTED
from core.sanitize import strip_nul, strip_nul_json
from core.tracing import current
from models.bulk import insert_rows
from models.logs import ExecutionLog, ExpiredLogRecord, LogSource
from roadmap.operations.log_months import oldest_kept

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 0.25  # the oldest record waits no longer than this
BATCH = 500
CAPACITY = (
    20_000  # records that wait while the sink is away; beyond it the newest are counted and dropped
)
RENEWED = timedelta(
    days=1
)  # after which a process numbers anew, as another source: those of before can be summed up
SETTLED = timedelta(minutes=1)  # what is missing for longer than this is not on its way any more
# Written out, since to make it anew takes as long as a hundred records do.
COUNT = """
INSERT INTO log_source AS known (id, service, last_seq, dropped, stored, expired, behind_since, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    last_seq = CASE WHEN known.last_seq < EXCLUDED.last_seq THEN EXCLUDED.last_seq ELSE known.last_seq END,
    dropped = CASE WHEN known.dropped < EXCLUDED.dropped THEN EXCLUDED.dropped ELSE known.dropped END,
    stored = known.stored + EXCLUDED.stored,
    expired = known.expired + EXCLUDED.expired,
    behind_since = CASE
        WHEN known.stored + EXCLUDED.stored + known.expired + EXCLUDED.expired
            < CASE WHEN known.last_seq < EXCLUDED.last_seq THEN EXCLUDED.last_seq ELSE known.last_seq END
        THEN COALESCE(known.behind_since, EXCLUDED.updated_at)
    END,
    updated_at = EXCLUDED.updated_at
"""
SIMPLE = (str, int, bool, type(None))  # as they are in JSON
Document = dict[str, Any]


class LogLevel(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


@dataclass(frozen=True, slots=True)
class LogBatchSource:
    """Who sends a batch: a process, by a random id, the number of the batch's last record, and how many found no room.

    `traces`, one for each record, travel here: the version before stores records as they come, and knows no such column.
    """

    id: str
    service: str
    last_seq: int
    dropped: int
    traces: list[str | None]


@dataclass(frozen=True, slots=True)
class LogLedger:
    """Records of all processes: stored (deleted ones as well), numbered but not there a minute later, dropped for want of room,
    and come so late that their month was deleted already.
    """

    stored: int
    missing: int
    dropped: int
    expired: int = 0


class Buffer:
    """Keeps records until `sink` has taken them. `dropped` counts what found no room."""

    def __init__(self, *, capacity: int = CAPACITY, batch: int = BATCH) -> None:
        self.id = new_id()
        self._records: deque[Document] = deque()
        self._capacity, self._batch = capacity, batch
        self._flushing = threading.Lock()
        self._arrived = threading.Event()  # there is something to send
        self._urgent = threading.Event()  # and it should not wait for the timer
        self._timer: threading.Thread | None = None
        self.sink: Callable[[list[Document], Document], None] | None = (
            None  # wired by tasks/logs.py
        )
        self._refused = False  # by the sink, at the last try; said once
        self.accepted = 0
        self.sent = 0
        self.dropped = 0
        self._counting, self._counted = threading.Lock(), 0  # of those that were accepted
        self._begun = clock.now()  # as the source that it is
        self._sent_before = self._dropped_before = self._dropped_told = 0

    def begin_anew(self) -> None:
        """As another source, whose records are numbered by themselves: also after a fork, before which there are none."""
        self.id, self._begun = new_id(), clock.now()
        self._sent_before, self._dropped_before = self.sent, self._dropped_told

    def add(self, record: Document, *, now: bool) -> None:
        if len(self._records) >= self._capacity:
            self.dropped += 1
            return
        self._records.append(record)
        self.accepted += 1
        self._start_timer()
        if not self._arrived.is_set():
            self._arrived.set()
        if now or len(self._records) >= self._batch:
            self._urgent.set()

    def flush(self) -> None:
        """Send everything that is buffered. What the sink refuses stays for the next flush."""
        self.count()
        if self.sink is not None:
            with self._flushing:
                self._send(self.sink)

    def close(self) -> None:
        """Before the process ends: what the queue does not take is stored from here; what cannot be stored is said."""
        self.flush()
        with self._flushing:
            try:
                self._send(store_batch)
            finally:
                if self._records:
                    logger.error(
                        "%d log records are lost: neither the queue nor the database takes them",
                        len(self._records),
                    )

    def _send(self, sink: Callable[[list[Document], Document], None]) -> None:
        while self._records:
            self._renew()
            batch = [self._records.popleft() for _ in range(min(self._batch, len(self._records)))]
            last_seq, dropped = (
                self.sent - self._sent_before + len(batch),
                self.dropped - self._dropped_before,
            )
            traces = [record.get("trace_id") for record in batch]
            source = LogBatchSource(self.id.hex, settings.service_type, last_seq, dropped, traces)
            try:
                sink([_without_trace(record) for record in batch], asdict(source))
            except Exception as error:  # an edge: the log must not bring down what it tells of
                self._records.extendleft(reversed(batch))
                if not self._refused:
                    logger.warning("log records wait, they are not taken: %s", error)
                self._refused = True
                return
            self._refused = False
            self.sent += len(batch)
            self._dropped_told = self._dropped_before + dropped

    def count(self) -> None:
        """Those that were accepted, many at once: one by one would cost as much as to take it. Who saves counts asks for it."""
        with self._counting:
            accepted = self.accepted
            if accepted > self._counted:
                metric_counters.count(LOG_ACCEPTED, accepted - self._counted)
                self._counted = accepted

    def _renew(self) -> None:
        """Before a batch, since the books of who was silent for long are closed; but not while one is refused, which may be
        on its way under the id of before.
        """
        if not self._refused and clock.now() - self._begun > RENEWED:
            self.begin_anew()

    def __len__(self) -> int:
        return len(self._records)

    def _start_timer(self) -> None:
        if self._timer is None or not self._timer.is_alive():  # also after a fork
            self._timer = threading.Thread(
                target=self._flush_regularly, name="LogFlusher", daemon=True
            )
            self._timer.start()

    def _flush_regularly(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self._urgent.wait(FLUSH_SECONDS)
            self._urgent.clear()
            self.flush()
            if self._records:  # the sink refused: try again
                self._arrived.set()


buffer = Buffer()
atexit.register(buffer.close)
os.register_at_fork(after_in_child=buffer.begin_anew)


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
) -> None:
    """Note what happened, as of the trace of this thread. Never blocks and never fails; an error is sent at once."""
    trace = current()
    document = {
        "id": new_hex(),
        "at": clock.now().isoformat(),
        "level": level.value,
        "category": category,
        "step": step,
        "message": strip_nul(str(message)),
        "details": _plain(details) if details else None,
        "duration_ms": duration_ms,
        "roadmap_id": roadmap_id.hex if roadmap_id else None,
        "concept_id": concept_id.hex if concept_id else None,
        "trace_id": trace.id if trace else None,
    }
    buffer.add(document, now=level is LogLevel.error)


def _without_trace(record: Document) -> Document:
    sent = record.copy()
    sent.pop("trace_id", None)
    return sent


def _plain(details: Mapping[str, Any]) -> Document:
    """What JSON has no type for as text: one record that cannot be sent would hold up all that follow it."""
    if all(type(value) in SIMPLE for value in details.values()) and all(
        type(name) is str for name in details
    ):
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


def store_batch(records: Sequence[Document], source: Mapping[str, Any] | None = None) -> None:
    """Write records in one statement; those that are there already are passed over, and only new ones count as stored. Those
    whose month is over and deleted count as expired.
    """
    if not records:
        return
    traces = (source or {}).get("traces") or [None] * len(
        records
    )  # those of the version before this one have none
    rows = [{**record, "trace_id": trace} for record, trace in zip(records, traces, strict=True)]
    first_kept = oldest_kept()
    oldest = (
        "" if first_kept is None else first_kept.hex
    )  # as records have theirs, and so sorted as the ids are
    late = [row for row in rows if row["id"] < oldest]
    kept = [row for row in rows if row["id"] >= oldest] if late else rows
    with transaction():
        stored = insert_rows(ExecutionLog, kept, pass_over=True, are_json=True)
        expired = _note_expired(late) if late else 0
        if source is not None:  # the first versions sent none
            _count(source, stored, expired)


def _note_expired(rows: Sequence[Document]) -> int:
    """How many are seen for the first time."""
    return insert_rows(
        ExpiredLogRecord,
        [{"id": row["id"]} for row in rows],
        common={"counted_at": clock.now()},
        pass_over=True,
    )


def _count(source: Mapping[str, Any], stored: int, expired: int) -> None:
    now = clock.now()
    behind = now if stored + expired < source["last_seq"] else None
    row = {
        "id": source["id"],
        "service": source["service"],
        "last_seq": source["last_seq"],
        "dropped": source["dropped"],
    }
    row |= {"stored": stored, "expired": expired, "behind_since": behind, "updated_at": now}
    values = [
        None if value is None else LogSource._meta.fields[name].db_value(value)
        for name, value in row.items()
    ]
    database.execute_sql(COUNT.replace("?", "%s") if is_postgres() else COUNT, values)


def ledger() -> LogLedger:
    """What became of all records that processes have numbered. Raises Unavailable."""
    total = peewee.fn.COALESCE
    settled = LogSource.behind_since < clock.now() - SETTLED
    missing = peewee.Case(
        None, [(settled, LogSource.last_seq - LogSource.stored - LogSource.expired)], 0
    )
    with session():
        columns = (LogSource.stored, missing, LogSource.dropped, LogSource.expired)
        sums = (total(peewee.fn.SUM(column), 0) for column in columns)
        stored, lost, dropped, expired = LogSource.select(*sums).tuples().get()
    return LogLedger(
        stored=int(stored), missing=int(lost), dropped=int(dropped), expired=int(expired)
    )


class LogRecord(BaseModel):
    id: UUID
    at: datetime
    level: LogLevel = Field(description="How much it matters.")
    category: str = Field(description="Which part of the service says it.")
    step: str = Field(description="What was being done.")
    message: str = Field(description="What has happened, in words.")
    details: dict[str, Any] | None = Field(description="More of it, as data.")
    duration_ms: int | None = Field(description="For how long, in milliseconds.")
    concept_id: UUID | None = Field(description="About which concept; null: about none.")
