"""The second net: work that nobody has taken, or whose holder is silent, is enqueued again.

The database is the ledger, the queue a hint. What is returned here may be in the queue already; running it twice does
no harm. `due_at` moves on with each rescue, so that a long queue is not filled with the same messages over and over.
"""

from datetime import timedelta
from uuid import UUID

import peewee

from core import clock
from core.runtime import settings, transaction
from roadmap.leases import BUILDING, PLANNING, Work
from roadmap.steps import Step

MOST_AT_ONCE = 500
MANY_CONTENTS, MANY_PLANS = 500, 5000  # messages waiting, beyond which nothing is added
CONTENT_PATIENCE = 8  # contents wait in line behind each other, outlines do not


def overdue(waiting: int = 0) -> list[Step]:
    """Steps for at most 500 roadmaps and 500 contents that nobody has taken for RESCUE_AFTER_SECONDS.

    `waiting` is the number of messages in the content queue: what is overdue is probably among them when there are many,
    and adding to a queue that nobody works on would fill the broker. When there are none, it is surely lost.
    """
    plans = _overdue(PLANNING, patience=1) if waiting < MANY_PLANS else []
    builds = _overdue(BUILDING, patience=CONTENT_PATIENCE if waiting else 1) if waiting < MANY_CONTENTS else []
    return plans + builds


def _overdue(work: Work, patience: int) -> list[Step]:
    table, now = work.table, clock.now()
    late = table.due_at < now - timedelta(seconds=settings.rescue_after_seconds * patience)
    lost = table.status == work.waiting
    abandoned = (table.status == work.held) & (table.lease_until < now)
    with transaction():
        query = table.select(table.id).where(late, lost | abandoned).order_by(table.due_at).limit(MOST_AT_ONCE)
        if isinstance(table._meta.database.obj, peewee.PostgresqlDatabase):
            query = query.for_update("FOR UPDATE SKIP LOCKED")  # two rescuers share the work
        ids: list[UUID] = [id_ for (id_,) in query.tuples()]
        if ids:
            table.update(due_at=now).where(table.id.in_(ids)).execute()
    return [Step(work.step, id_) for id_ in ids]
