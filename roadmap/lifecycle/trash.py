"""The trash: a roadmap that its owner has thrown away is there for thirty days, as it was, and then it is gone.

In the trash it does not exist for anything but this (`ownership.py`), and nobody works on it. With its row goes all that hangs
on it: plans, contents, events, progress, notes, attempts, cards, links. What stays is what the service owes to others: the
books of model calls, the execution log and the log of webhooks, each for as long as it is kept.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock
from core.db import database, session, skip_locked, transaction
from core.errors import NotFound
from core.json_types import Page
from models.roadmaps import Roadmap
from roadmap.accounts.access import transition
from roadmap.lifecycle import commands
from roadmap.lifecycle.queries import summary_of
from roadmap.operations.execution_log import record
from roadmap.plan.jobs import Job
from roadmap.plan.statuses import BEING_MADE, RoadmapStatus
from roadmap.plan.views import RoadmapSummary

KEPT = timedelta(days=30)
AT_ONCE, ROUNDS = (
    5,
    10,
)  # roadmaps that are deleted in one transaction, with thousands of rows each, and how often in a minute


class Trashed(BaseModel):
    """A roadmap in the trash."""

    id: UUID
    title: str = Field(description="What it is called; empty: it has no plan.")
    goal: str = Field(description="What the person wanted to be able to do, as it was said.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    trashed_at: datetime = Field(description="Since when it is there.")
    deleted_at: datetime = Field(description="When it will be gone for ever.")


def put(owner_id: UUID, roadmap_id: UUID) -> list[Job]:
    """Into the trash; what is being made is cancelled first, and a plan that waits for approval goes on waiting.

    Raises NotFound, also when it is there already.
    """
    with transaction():
        row = transition(owner_id, roadmap_id, list(RoadmapStatus), "put into the trash")
        steps = commands.cancel(owner_id, roadmap_id).steps if row.status in BEING_MADE else []
        Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == roadmap_id).execute()
        _tell(roadmap_id, "Put into the trash")
    return steps


def list_trash(owner_id: UUID, *, limit: int, before: UUID | None = None) -> Page[Trashed]:
    """What was thrown away last comes first; `before` is the id that the page before ended with. When that is not in the trash
    any more, one begins anew.
    """
    mine = (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null(False)
    query = Roadmap.select().where(mine).order_by(Roadmap.trashed_at.desc(), Roadmap.id.desc())
    with session():
        last = None if before is None else Roadmap.get_or_none(mine, Roadmap.id == before)
        if last is not None:
            there = (Roadmap.trashed_at.db_value(last.trashed_at), Roadmap.id.db_value(last.id))
            query = query.where(peewee.Tuple(Roadmap.trashed_at, Roadmap.id) < peewee.Tuple(*there))
        rows = list(query.limit(limit + 1))
    items = [_trashed(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def restore(owner_id: UUID, roadmap_id: UUID) -> RoadmapSummary:
    """Out of the trash, as it was put there: what was cancelled then can be tried again. Raises NotFound."""
    with transaction():
        update = Roadmap.update(trashed_at=None, updated_at=clock.now()).where(
            _in_trash(owner_id, roadmap_id)
        )
        rows = list(update.returning(Roadmap).execute())
        if not rows:
            raise _not_there()
        _tell(roadmap_id, "Taken out of the trash")
        return summary_of(rows[0])


def delete(owner_id: UUID, roadmap_id: UUID) -> None:
    """For ever. Only what is in the trash. Raises NotFound."""
    with transaction():
        if Roadmap.delete().where(_in_trash(owner_id, roadmap_id)).execute() == 0:
            raise _not_there()
        _tell(roadmap_id, "Deleted for ever by its owner")


def purge_expired() -> int:
    """Delete what has been in the trash for too long, some dozens at a time; how many. Several may do so at once: what one is
    deleting, the others pass over. Raises Unavailable.
    """
    deleted = 0
    for _ in range(ROUNDS):
        with transaction():
            old = (
                Roadmap.select(Roadmap.id)
                .where(Roadmap.trashed_at < clock.now() - KEPT)
                .order_by(Roadmap.trashed_at)
            )
            ids = [id_ for (id_,) in skip_locked(old.limit(AT_ONCE)).tuples()]
            if ids:
                Roadmap.delete().where(Roadmap.id.in_(ids)).execute()
            for id_ in ids:
                _tell(id_, f"Deleted for ever after {KEPT.days} days in the trash")
        deleted += len(ids)
        if len(ids) < AT_ONCE:
            break
    return deleted


def _in_trash(owner_id: UUID, roadmap_id: UUID) -> Any:
    return (
        (Roadmap.id == roadmap_id) & (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null(False)
    )


def _not_there() -> NotFound:
    return NotFound("There is no such roadmap in the trash.")


def _tell(roadmap_id: UUID, message: str) -> None:
    database.after_commit(partial(record, "roadmaps", "trash", message, roadmap_id=roadmap_id))


def _trashed(row: Roadmap) -> Trashed:
    same = {name: getattr(row, name) for name in Trashed.model_fields.keys() - {"deleted_at"}}
    return Trashed(**same, deleted_at=row.trashed_at + KEPT)
