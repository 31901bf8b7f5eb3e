"""The execution log: `record()` puts into a bounded buffer, a timer thread sends batches, `store_batch` writes them once.

A record has its id and time from the moment it is made, so a batch that is stored twice stores nothing twice.
"""

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from core import clock
from core.ids import new_id
from core.runtime import transaction
from core.text import storable
from models.logs import ExecutionLog

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25  # the oldest record waits no longer than this
BATCH = 500
CAPACITY = 20_000  # records that wait while the sink is away; beyond it the newest are counted and dropped

Document = dict[str, Any]


class LogLevel(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class Buffer:
    """Keeps records until `sink` has taken them. `dropped` counts what found no room."""

    def __init__(self, *, capacity: int = CAPACITY, batch: int = BATCH) -> None:
        self._records: deque[Document] = deque()
        self._capacity, self._batch = capacity, batch
        self._flushing = threading.Lock()
        self._arrived = threading.Event()  # there is something to send
        self._urgent = threading.Event()  # and it should not wait for the timer
        self._timer: threading.Thread | None = None
        self.sink: Callable[[list[Document]], None] | None = None  # wired by tasks/logs.py
        self._refused = False  # by the sink, at the last try; said once
        self.accepted = 0
        self.dropped = 0

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
        with self._flushing:
            while self._records and self.sink is not None:
                batch = [self._records.popleft() for _ in range(min(self._batch, len(self._records)))]
                try:
                    self.sink(batch)
                except Exception as error:  # an edge: the log must not bring down what it tells of
                    self._records.extendleft(reversed(batch))
                    if not self._refused:
                        logger.warning("log records wait, the queue does not take them: %s", error)
                    self._refused = True
                    return
                self._refused = False

    def __len__(self) -> int:
        return len(self._records)

    def _start_timer(self) -> None:
        if self._timer is None or not self._timer.is_alive():  # also after a fork
            self._timer = threading.Thread(target=self._flush_regularly, name="LogFlusher", daemon=True)
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
atexit.register(buffer.flush)


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
    """Note what happened. Never blocks and never fails; an error is sent at once."""
    document = {
        "id": new_id().hex,
        "at": clock.now().isoformat(),
        "level": level.value,
        "category": category,
        "step": step,
        "message": storable(message),
        "details": dict(details) if details else None,
        "duration_ms": duration_ms,
        "roadmap_id": roadmap_id.hex if roadmap_id else None,
        "concept_id": concept_id.hex if concept_id else None,
    }
    buffer.add(document, now=level is LogLevel.error)


def store_batch(records: Sequence[Document]) -> None:
    """Write records in one statement; those that are there already are passed over."""
    rows = [{**record, "at": datetime.fromisoformat(record["at"])} for record in records]
    if rows:
        with transaction():
            ExecutionLog.insert_many(rows).on_conflict_ignore().execute()
