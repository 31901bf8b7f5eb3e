"""Log records of attempts: begun, failed, deferred.

Timelines (`roadmap/lifecycle/timeline/`) are made from them.
"""

import threading
from collections import Counter, OrderedDict
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from roadmap.generation.context import GeneratorFault, RetryLater
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.operations.execution_log import LogLevel, buffer, record

RETRY, WAITING = "retry", "waiting"  # categories
MOST_HELD_UP = 10_000  # rows whose delays are counted


class AttemptMark(StrEnum):
    """Kind of a record of an attempt, in its details as `try`."""

    begun = "begun"
    failed = "failed"
    put_off = "put_off"


class RateLimitDelays:
    """Numbers of rate-limit delays of rows that are not claimed yet, by cause.

    Thread-safe; the oldest are dropped.
    """

    def __init__(self, most: int = MOST_HELD_UP) -> None:
        self._counts: OrderedDict[UUID, Counter[str]] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def note(self, row_id: UUID, busy: ProviderRateLimited) -> None:
        with self._lock:
            self._counts.setdefault(row_id, Counter())[busy.cause] += 1
            if len(self._counts) > self._most:
                self._counts.popitem(last=False)

    def take(self, row_id: UUID) -> dict[str, int]:
        """Remove and return the numbers of a row; empty if it was not delayed here."""
        with self._lock:
            return dict(self._counts.pop(row_id, {}))


held_up = RateLimitDelays()


def worker_name() -> str:
    """Return the name of this process: the end of the id of its log source."""
    return buffer.id.hex[-8:]


def log_begun(
    category: str,
    step: str,
    row_id: UUID,
    *,
    attempt: int,
    due_at: datetime,
    roadmap_id: UUID,
    concept_id: UUID | None = None,
) -> None:
    """Record that a worker has claimed a row, which was due at `due_at`."""
    details: dict[str, Any] = {
        "try": AttemptMark.begun,
        "attempt": attempt,
        "due_at": due_at.isoformat(),
        "worker": worker_name(),
    }
    if delays := held_up.take(row_id):
        details["held_up"] = delays
    record(
        category,
        step,
        f"Begins the {step} (try {attempt})",
        level=LogLevel.debug,
        details=details,
        roadmap_id=roadmap_id,
        concept_id=concept_id,
    )


def log_fault(
    step: str,
    fault: GeneratorFault,
    wait: float,
    *,
    attempt: int,
    roadmap_id: UUID,
    concept_id: UUID | None = None,
) -> None:
    """Record a failed attempt; the next one follows in `wait` seconds."""
    record(
        RETRY,
        step,
        f"{fault} Tries again in {wait:.1f} s.",
        level=LogLevel.warning,
        details={
            "try": AttemptMark.failed,
            "attempt": attempt,
            "wait": wait,
            "cause": fault.cause,
            "worker": worker_name(),
        },
        roadmap_id=roadmap_id,
        concept_id=concept_id,
    )


def log_deferred(
    step: str, fault: RetryLater, *, roadmap_id: UUID, concept_id: UUID | None = None
) -> None:
    """Record that an attempt is deferred: no room or no budget at present."""
    message = f"{fault} It waits for {fault.wait:.1f} s."
    record(
        WAITING,
        step,
        message,
        details={"try": AttemptMark.put_off, "wait": fault.wait, "cause": fault.cause},
        roadmap_id=roadmap_id,
        concept_id=concept_id,
    )
