"""Rescue of overdue work: what is not claimed, or whose lease has expired.

The database is the ledger, the queue a hint. A job that is returned here may be in the queue
already; running it twice does no harm. `due_at` moves on with each rescue, so that a long queue is
not filled with the same messages over and over.
"""

from datetime import timedelta
from uuid import UUID

from core import clock, tracing
from core.db import settings, skip_locked, transaction
from roadmap.lifecycle.making.leases import (
    BUILDING,
    DELIVERING,
    EXPORTING,
    JUDGING,
    PLANNING,
    LeaseKind,
)
from roadmap.plan.statuses import Job

MOST_AT_ONCE = 500  # of each kind
FEW = 50  # the same while many messages wait
MANY, TOO_MANY = 500, 5000  # messages waiting
CONTENT_PATIENCE = 8  # contents wait in line behind each other, outlines and deliveries do not


def overdue(waiting: int = 0) -> list[Job]:
    """Return jobs for rows that were not claimed for RESCUE_AFTER_SECONDS.

    At most 500 each of roadmaps, contents, deliveries, exports and judgements. `waiting` is the
    number of messages in the content queue. When there are none, the messages of overdue rows are
    surely lost. When there are many, they are probably among them: few contents are added, and none
    to a queue that does not seem to move, because they would fill the broker.
    """
    if waiting >= TOO_MANY:
        return []
    most = FEW if waiting >= MANY else MOST_AT_ONCE
    return [
        *_overdue(PLANNING),
        *_overdue(DELIVERING),
        *_overdue(EXPORTING),
        *_overdue(JUDGING),
        *_overdue(BUILDING, most, CONTENT_PATIENCE if waiting else 1),
    ]


@transaction()
def _overdue(work: LeaseKind, most: int | None = None, patience: int = 1) -> list[Job]:
    table, now = work.table, clock.now()
    late = table.due_at < now - timedelta(seconds=settings.rescue_after_seconds * patience)
    abandoned = (table.status == work.held) & (table.lease_until < now)
    query = (
        table.select(table.id)
        .where(late, (table.status == work.waiting) | abandoned, work.among)
        .order_by(table.due_at, table.id)
        .limit(most or MOST_AT_ONCE)
    )
    # Two rescuers share the work.
    ids: list[UUID] = [row.id for row in skip_locked(query)]
    if ids:
        table.update(due_at=now).where(table.id.in_(ids)).execute()
    # The request that it came from is not known any more: each begins a trace.
    return [Job(work.job, id_, trace=tracing.new_trace()) for id_ in ids]
