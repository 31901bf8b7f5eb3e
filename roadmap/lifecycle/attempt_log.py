"""What the log says of tries: that one is begun, has failed, or is put off. Timelines (`roadmap/lifecycle/timeline/`) are made of it."""

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
MOST_HELD_UP = 10_000  # rows of which it is known how often they found no room


class AttemptMark(StrEnum):
    """What a record says of a try, in its details as `try`."""

    begun = "begun"
    failed = "failed"
    put_off = "put_off"


class RateLimitDelays:
    """How often a row found no room, until it is claimed: of that no row is written. Thread-safe; the oldest are forgotten."""

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
        """By cause; empty when it found room at once, in this process."""
        with self._lock:
            return dict(self._counts.pop(row_id, {}))


held_up = RateLimitDelays()


def worker_name() -> str:
    """This process, by the end of the id of its log source."""
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
    """A worker has claimed it. `due_at` is since when it could have been."""
    details: dict[str, Any] = {
        "try": AttemptMark.begun,
        "attempt": attempt,
        "due_at": due_at.isoformat(),
        "worker": worker_name(),
    }
    if found_no_room := held_up.take(row_id):
        details["held_up"] = found_no_room
    message = f"Begins the {step} (try {attempt})"
    record(
        category,
        step,
        message,
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
    """This try failed, and the next one comes in so many seconds."""
    message = f"{fault} Tries again in {wait:.1f} s."
    details = {
        "try": AttemptMark.failed,
        "attempt": attempt,
        "wait": wait,
        "cause": fault.cause,
        "worker": worker_name(),
    }
    record(
        RETRY,
        step,
        message,
        level=LogLevel.warning,
        details=details,
        roadmap_id=roadmap_id,
        concept_id=concept_id,
    )


def log_deferred(
    step: str, fault: RetryLater, *, roadmap_id: UUID, concept_id: UUID | None = None
) -> None:
    """Nothing was tried: there is no room or no money just now."""
    message = f"{fault} It waits for {fault.wait:.1f} s."
    details = {"try": AttemptMark.put_off, "wait": fault.wait, "cause": fault.cause}
    record(WAITING, step, message, details=details, roadmap_id=roadmap_id, concept_id=concept_id)
