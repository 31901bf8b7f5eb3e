"""The second net: work that nobody has taken, or whose holder is silent, is enqueued again.

The database is the ledger, the queue a hint. What is returned here may be in the queue already; running it twice does
no harm. `due_at` moves on with each rescue, so that a long queue is not filled with the same messages over and over.
"""

from uuid import UUID

import peewee

from core import clock
from core.runtime import transaction
from models.roadmaps import Content, Roadmap
from roadmap.attempts import CONTENT_PATIENCE, overdue_from
from roadmap.statuses import ContentStatus, RoadmapStatus
from roadmap.steps import Step, StepName

MOST_AT_ONCE = 500
MANY_CONTENTS, MANY_PLANS = 500, 5000  # messages waiting, beyond which nothing is added


def overdue(waiting: int = 0) -> list[Step]:
    """Steps for at most 500 roadmaps and 500 contents whose time has come.

    `waiting` is the number of messages in the content queue: what is overdue is probably among them when there are many,
    and adding to a queue that nobody works on would fill the broker.
    """
    plans = _overdue(Roadmap, RoadmapStatus.queued, RoadmapStatus.planning, patience=1) if waiting < MANY_PLANS else []
    builds = (
        _overdue(Content, ContentStatus.pending, ContentStatus.building, patience=CONTENT_PATIENCE)
        if waiting < MANY_CONTENTS
        else []
    )
    return [Step(StepName.plan_roadmap, id_) for id_ in plans] + [Step(StepName.build_content, id_) for id_ in builds]


def _overdue(table: type[Roadmap] | type[Content], waiting: str, held: str, patience: int) -> list[UUID]:
    now = clock.now()
    lost = table.status == waiting
    abandoned = (table.status == held) & (table.lease_until < now)
    with transaction():
        query = table.select(table.id).where(table.due_at < now, lost | abandoned).order_by(table.due_at).limit(MOST_AT_ONCE)
        if isinstance(table._meta.database.obj, peewee.PostgresqlDatabase):
            query = query.for_update("FOR UPDATE SKIP LOCKED")  # two rescuers share the work
        ids = [id_ for (id_,) in query.tuples()]
        if ids:
            table.update(due_at=overdue_from(now, patience=patience)).where(table.id.in_(ids)).execute()
    return ids
