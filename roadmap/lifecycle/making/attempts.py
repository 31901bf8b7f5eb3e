"""Attempts at a plan or a part: their log records, and what follows a fault.

Timelines (`roadmap/lifecycle/timeline/`) are made from the records.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from core import clock
from core.db import settings, transaction
from core.ids import first_id
from models.roadmaps import Content, Judgement, Roadmap
from roadmap.generation.context import GeneratorFault, RetryLater, UnknownHere
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import backoff
from roadmap.lifecycle.making import leases
from roadmap.operations.execution_log import LogLevel, buffer, record
from roadmap.plan.statuses import AttemptMark, Job

RETRY, WAITING = "retry", "waiting"  # categories
UPGRADE = timedelta(minutes=15)  # in which a worker of an older version may get a new row
MOST_HELD_UP = 10_000  # rows whose delays are counted


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


def place_of(row: Roadmap | Content | Judgement) -> dict[str, Any]:
    """Return the ids with which a log record names a plan, a part or a judgement."""
    if isinstance(row, Content):
        return {"roadmap_id": row.roadmap_id, "concept_id": row.concept_id}
    return {"roadmap_id": row.id if isinstance(row, Roadmap) else row.roadmap_id}


def log_begun(category: str, step: str, row: Roadmap | Content | Judgement) -> None:
    """Record that a worker has claimed a row, and when that was due."""
    details: dict[str, Any] = {
        "try": AttemptMark.begun,
        "attempt": row.attempts,
        "due_at": row.due_at.isoformat(),
        "worker": _worker_name(),
    }
    if delays := held_up.take(row.id):
        details["held_up"] = delays
    record(
        category,
        step,
        f"Started the {step} (attempt {row.attempts})",
        level=LogLevel.debug,
        details=details,
        **place_of(row),
    )


def after_fault(
    work: leases.LeaseKind,
    step: str,
    row: Roadmap | Content | Judgement,
    token: UUID,
    fault: GeneratorFault,
    *,
    paid: bool,
    give_up: Callable[[str], list[Job]],
    **changes: Any,
) -> list[Job]:
    """Defer, retry or give up; a retry saves `changes` as well. Raises LeaseLost.

    After a `paid` call whose answer is not saved, a wait counts as an attempt: the next one pays
    for the call once more.
    """
    has_waited = isinstance(fault, UnknownHere) and row.id < first_id(clock.now() - UPGRADE)
    if isinstance(fault, RetryLater) and not (paid or has_waited):
        category, level, text, wait = WAITING, LogLevel.info, "It waits for", fault.wait
        changes = {"attempts": work.table.attempts - 1}  # this one does not count
        details: dict[str, Any] = {"try": AttemptMark.put_off}
    elif fault.lasting or row.attempts >= settings.max_attempts:
        return give_up(str(fault))
    else:
        category, level, text = RETRY, LogLevel.warning, "Tries again in"
        wait = backoff(row.attempts, fault)
        changes["error"] = str(fault)
        details = {"try": AttemptMark.failed, "attempt": row.attempts, "worker": _worker_name()}
    with transaction():
        leases.release(
            work.table,
            row.id,
            token,
            status=work.waiting,
            due_at=clock.now() + timedelta(seconds=wait),
            **changes,
        )
    record(
        category,
        step,
        f"{fault} {text} {wait:.1f} s.",
        level=level,
        details={**details, "wait": wait, "cause": fault.cause},
        **place_of(row),
    )
    return [Job(work.job, row.id, delay=wait)]


def _worker_name() -> str:
    """Return the name of this process: the end of the id of its log source."""
    return buffer.id.hex[-8:]
