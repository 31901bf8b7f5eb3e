"""The second net: work that nobody has taken, or whose holder is silent, is enqueued again.

The database is the ledger, the queue a hint. What is returned here may be in the queue already; running it twice does
no harm. `due_at` moves on with each rescue, so that a long queue is not filled with the same messages over and over.
"""

from datetime import timedelta
from uuid import UUID

from core import clock, tracing
from core.db import settings, skip_locked, transaction
from roadmap.lifecycle.leases import BUILDING, DELIVERING, EXPORTING, PLANNING, LeaseKind
from roadmap.plan.jobs import Job

MOST_AT_ONCE = 500  # of each kind
FEW = 50  # the same while many messages wait
MANY, TOO_MANY = 500, 5000  # messages waiting
CONTENT_PATIENCE = 8  # contents wait in line behind each other, outlines and deliveries do not


def overdue(waiting: int = 0) -> list[Job]:
    """Steps for at most 500 roadmaps, contents, deliveries and exports each that nobody has taken for RESCUE_AFTER_SECONDS.

    `waiting` is the number of messages in the content queue. When there are none, what is overdue is surely lost. When
    there are many it is probably among them, so that few contents are added, and none to a queue that nobody seems to
    work on: it would fill the broker.
    """
    if waiting >= TOO_MANY:
        return []
    plans = _overdue(PLANNING, MOST_AT_ONCE, patience=1)
    deliveries = _overdue(DELIVERING, MOST_AT_ONCE, patience=1)
    exports = _overdue(EXPORTING, MOST_AT_ONCE, patience=1)
    builds = _overdue(
        BUILDING,
        MOST_AT_ONCE if waiting < MANY else FEW,
        patience=CONTENT_PATIENCE if waiting else 1,
    )
    return plans + deliveries + exports + builds


def _overdue(work: LeaseKind, most: int, patience: int) -> list[Job]:
    table, now = work.table, clock.now()
    late = table.due_at < now - timedelta(seconds=settings.rescue_after_seconds * patience)
    lost = table.status == work.waiting
    abandoned = (table.status == work.held) & (table.lease_until < now)
    with transaction():
        query = (
            table.select(table.id)
            .where(late, lost | abandoned, work.among)
            .order_by(table.due_at)
            .limit(most)
        )
        ids: list[UUID] = [
            id_ for (id_,) in skip_locked(query).tuples()
        ]  # two rescuers share the work
        if ids:
            table.update(due_at=now).where(table.id.in_(ids)).execute()
    return [
        Job(work.step, id_, trace=tracing.begun()) for id_ in ids
    ]  # whose request it was is not known any more
