"""Leases: the right of one worker to work on a row and to save it, until a time.

A lease is a token and that time, both in the row itself: who saves must still hold the token. It
lasts for HEARTBEAT_TTL_SECONDS and is renewed with every heartbeat while its work runs,
for LEASE_SECONDS at most. So the row of a dead worker is free soon, and that of a live one is not,
however long its model thinks.

An expired lease is taken over in two steps: the first leaves a challenge in the row, which a
renewal wipes out. After an outage of the database, workers that could not renew thus come before
those that wait for their rows.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import UUID

import peewee

from core import clock
from core.db import settings, skip_locked, transaction
from core.errors import Unavailable
from core.ids import new_id
from models.accounts import AccountExport, WebhookDelivery
from models.roadmaps import Content, Judgement, Roadmap
from roadmap.generation.retry_policy import LeaseLost, StopSignal
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import (
    NO_LEASE,
    OPEN,
    ContentStatus,
    DeliveryStatus,
    ExportStatus,
    Job,
    JobName,
    RoadmapStatus,
)

logger = logging.getLogger(__name__)
Row = TypeVar("Row", Roadmap, Content, WebhookDelivery, AccountExport, Judgement)
LASTS = timedelta(seconds=settings.heartbeat_ttl_seconds)
CHALLENGE = LASTS / 2  # the time that a live worker has to renew an expired lease
AFTER = 0.1  # seconds
SUSPICIOUS = 2  # interruptions


@dataclass(frozen=True, slots=True)
class LeaseKind:
    """Rows that can be leased: their table, waiting and held status, and the job.

    `among` is the condition for rows that may be worked on now.
    """

    table: type[Roadmap | Content | WebhookDelivery | AccountExport | Judgement]
    waiting: str
    held: str
    job: JobName
    among: Any


_being_built = Roadmap.select(Roadmap.id).where(Roadmap.status == RoadmapStatus.building)
_tutorial = Content.alias()
_is_open = _tutorial.select(peewee.SQL("1")).where(
    _tutorial.concept == Content.concept,
    _tutorial.kind == ContentKind.tutorial,
    _tutorial.status.in_(OPEN),
)
PLANNING = LeaseKind(
    Roadmap, RoadmapStatus.queued, RoadmapStatus.planning, JobName.plan_roadmap, among=True
)
BUILDING = LeaseKind(
    Content,
    ContentStatus.pending,
    ContentStatus.building,
    JobName.build_content,
    # A quiz is written from its tutorial, whose end returns its job.
    among=Content.roadmap.in_(_being_built)
    & ((Content.kind != ContentKind.quiz) | ~peewee.fn.EXISTS(_is_open)),
)
DELIVERING = LeaseKind(
    WebhookDelivery,
    DeliveryStatus.pending,
    DeliveryStatus.delivering,
    JobName.deliver_webhook,
    among=True,
)
EXPORTING = LeaseKind(
    AccountExport, ExportStatus.queued, ExportStatus.building, JobName.export_account, among=True
)
JUDGING = LeaseKind(
    Judgement,
    ContentStatus.pending,
    ContentStatus.building,
    JobName.judge_project,
    among=Judgement.roadmap.in_(Roadmap.select(Roadmap.id).where(Roadmap.trashed_at.is_null())),
)


def claim(work: LeaseKind, row_id: UUID, **changes: Any) -> UUID | None:
    """Lease a row that waits or whose holder is gone; return the token, or None.

    Runs in the caller's session. A try that follows an interruption is not counted as another
    attempt.
    """
    table, now, token = work.table, clock.now(), new_id()
    waits = table.status == work.waiting
    is_free = (table.lease_until < now) & (table.challenged_at < now - CHALLENGE)
    changed = (
        table.update(
            {
                **changes,
                "status": work.held,
                "lease_token": token,
                "lease_until": now + LASTS,
                "challenged_at": None,
                "attempts": table.attempts + peewee.Case(None, [(waits, 1)], 0),
                "interruptions": table.interruptions + peewee.Case(None, [(waits, 0)], 1),
            }
        )
        .where(table.id == row_id, waits | (table.status == work.held) & is_free, work.among)
        .execute()
    )
    return token if changed == 1 else None


def recheck(work: LeaseKind, row_id: UUID) -> list[Job]:
    """Challenge an expired lease; return a job for when the row may be free."""
    table, now = work.table, clock.now()
    with transaction():
        row = table.get_or_none(table.id == row_id, table.status == work.held)
        if row is None:
            return []
        if row.lease_until < now and row.challenged_at is None:
            row.challenged_at = now
            table.update(challenged_at=now).where(
                table.id == row_id, table.lease_token == row.lease_token
            ).execute()
    free_at = max(row.lease_until, row.challenged_at + CHALLENGE if row.challenged_at else now)
    if free_at <= now:  # the lease is not what keeps it from being claimed
        free_at = now + LASTS
    return [Job(work.job, row_id, delay=(free_at - now).total_seconds() + AFTER)]


def release(table: type[Row], row_id: UUID, token: UUID, **changes: Any) -> Row:
    """End a lease with these changes and return the row.

    Raises LeaseLost, which has to undo the caller's transaction.
    """
    return save(table, row_id, token, **changes, **NO_LEASE)


def save(table: type[Row], row_id: UUID, token: UUID, **changes: Any) -> Row:
    """Change a row and keep its lease. Raises LeaseLost."""
    update = table.update(changes).where(table.id == row_id, table.lease_token == token)
    rows: list[Row] = list(update.returning(table).execute())
    if not rows:
        raise LeaseLost
    return rows[0]


class Quarantined(Exception):
    """The row waits: another one whose workers died is being worked on."""


_suspicious = threading.Lock()


@contextmanager
def quarantine() -> Iterator[Callable[[Roadmap | Content], None]]:
    """Let this process work on one row at a time whose workers died.

    Yields a function that raises Quarantined if its row is suspicious and another such row is in
    work. So the row that kills its worker does not interrupt others again and again, until all of
    them are given up.
    """
    with ExitStack() as at_the_end:

        def check(row: Roadmap | Content) -> None:
            if row.interruptions >= SUSPICIOUS:
                if not _suspicious.acquire(blocking=False):
                    raise Quarantined
                at_the_end.callback(_suspicious.release)

        yield check


class LeaseKeeper:
    """Renew the leases of all work in this process, one statement per table.

    Its thread starts with the first lease.
    """

    def __init__(self) -> None:
        self._held: dict[UUID, tuple[LeaseKind, StopSignal]] = {}  # by token
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, work: LeaseKind, token: UUID, stop: StopSignal) -> Iterator[None]:
        """Renew this lease while the block runs; signal `stop` when it is lost."""
        with self._lock:
            self._held[token], stop.begun = (work, stop), monotonic()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="LeaseKeeper", daemon=True)
                self._thread.start()
        self._busy.set()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(token, None)

    def hand_back(self) -> int:
        """Return all rows to the queue as the process ends; the number of rows.

        These attempts do not count. Raises Unavailable when the database is away; then the leases
        run out by themselves.
        """
        with self._lock:
            held, self._held = self._held, {}
        returned = 0
        for work, tokens in _by_work({token: work for token, (work, _) in held.items()}):
            update = work.table.update(
                **NO_LEASE,
                status=work.waiting,
                attempts=work.table.attempts - 1,
                due_at=clock.now(),
            )
            with transaction():
                returned += update.where(_held_under(work, tokens)).execute()
        return returned

    def _run(self) -> None:
        missed = 0
        while True:
            self._busy.wait()
            sleep(settings.heartbeat_seconds)
            with self._lock:
                oldest = monotonic() - settings.lease_seconds  # begin of a step that may still run
                running = {
                    token: work for token, (work, stop) in self._held.items() if stop.begun > oldest
                }
                if not self._held:
                    self._busy.clear()
            try:
                self._renew(running, clock.now())
                missed = 0
            except Unavailable as error:
                missed += 1  # a lease lasts several heartbeats: to miss one is nothing
                level = logging.WARNING if missed > 1 else logging.INFO
                logger.log(level, "%d leases cannot be renewed, retrying: %s", len(running), error)
            except Exception:  # an edge: the others' leases must be renewed the next time
                logger.exception("%d leases cannot be renewed, retrying", len(running))

    def _renew(self, running: dict[UUID, LeaseKind], now: datetime) -> None:
        """Renew these leases, then stop work whose lease was cancelled or taken over."""
        for work, tokens in _by_work(running):
            with transaction():
                work.table.update(lease_until=now + LASTS, challenged_at=None).where(
                    _held_under(work, tokens)
                ).execute()
                ours = work.table.select(work.table.lease_token).where(_ours(work, tokens))
                there = {row.lease_token for row in ours}
            for token in set(tokens) - there:
                with self._lock:
                    held = self._held.get(token)
                if held is not None:
                    held[1].stop()


def _held_under(work: LeaseKind, tokens: list[UUID]) -> peewee.Expression:
    """Rows of these leases, without locked ones, for which all others would wait."""
    return work.table.id.in_(
        skip_locked(work.table.select(work.table.id).where(_ours(work, tokens)))
    )


def _ours(work: LeaseKind, tokens: list[UUID]) -> peewee.Expression:
    # The status makes use of an index.
    return (work.table.status == work.held) & work.table.lease_token.in_(tokens)


def _by_work(works: dict[UUID, LeaseKind]) -> Iterator[tuple[LeaseKind, list[UUID]]]:
    for work in {id(work): work for work in works.values()}.values():
        yield work, [token for token, kind in works.items() if kind is work]


keeper = LeaseKeeper()
