"""Trash: discarded roadmaps, kept for thirty days, then deleted.

A roadmap in the trash does not exist for other modules (`access.py`), and no work runs for it. With
its row goes all that belongs to it: plans, contents, events, progress, notes, attempts, cards,
links. Usage records, the execution log and the log of webhooks stay for as long as they are kept.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import database, session, skip_locked, transaction
from core.errors import NotFound, required
from core.json_types import LazyModel, Page, from_row, page_of
from models.roadmaps import Roadmap
from roadmap.accounts.access import transition
from roadmap.lifecycle.reading.queries import summary_of
from roadmap.operations.execution_log import record
from roadmap.plan.statuses import BEING_MADE, Job, RoadmapStatus
from roadmap.plan.views import RoadmapSummary

KEPT = timedelta(days=30)
NOT_THERE = "This roadmap is not in the trash."
AT_ONCE, ROUNDS = 5, 10  # roadmaps per transaction, with thousands of rows each; transactions


class Trashed(LazyModel):
    """A roadmap in the trash."""

    id: UUID
    title: str = Field(description="What it is called; empty: it has no plan.")
    goal: str = Field(description="The goal, as entered.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    trashed_at: datetime = Field(description="Since when it is in the trash.")
    deleted_at: datetime = Field(description="Time of permanent deletion.")


@transaction()
def put(owner_id: UUID, roadmap_id: UUID) -> list[Job]:
    """Put a roadmap into the trash and cancel its work.

    A plan that waits for approval goes on waiting. Raises NotFound, also when it is there already.
    """
    row = transition(owner_id, roadmap_id, list(RoadmapStatus), "put into the trash")
    steps: list[Job] = []
    if row.status in BEING_MADE:
        from roadmap.lifecycle import commands  # 1 MB, and others empty it each minute

        steps = commands.cancel(owner_id, roadmap_id).steps
    Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == roadmap_id).execute()
    _log(roadmap_id, "Put into the trash")
    return steps


@session()
def list_trash(owner_id: UUID, *, limit: int, before: UUID | None = None) -> Page[Trashed]:
    """Return a page, last discarded first, behind the id `before`.

    When that id is not in the trash any more, the first page is returned.
    """
    mine = (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null(False)
    query = Roadmap.select().where(mine).order_by(Roadmap.trashed_at.desc(), Roadmap.id.desc())
    last = None if before is None else Roadmap.get_or_none(mine, Roadmap.id == before)
    if last is not None:
        there = (Roadmap.trashed_at.db_value(last.trashed_at), Roadmap.id.db_value(last.id))
        query = query.where(peewee.Tuple(Roadmap.trashed_at, Roadmap.id) < peewee.Tuple(*there))
    rows = query.limit(limit + 1)
    items = [from_row(Trashed, row, deleted_at=row.trashed_at + KEPT) for row in rows]
    return page_of(items, limit)


@transaction()
def restore(owner_id: UUID, roadmap_id: UUID) -> RoadmapSummary:
    """Take a roadmap out of the trash; cancelled work can be retried. Raises NotFound."""
    update = Roadmap.update(trashed_at=None, updated_at=clock.now()).returning(Roadmap)
    for row in update.where(_in_trash(owner_id, roadmap_id)).execute():
        _log(roadmap_id, "Taken out of the trash")
        return summary_of(row)
    raise NotFound(NOT_THERE)


@transaction()
def delete(owner_id: UUID, roadmap_id: UUID) -> None:
    """Delete a roadmap in the trash for ever. Raises NotFound."""
    required(Roadmap.delete().where(_in_trash(owner_id, roadmap_id)).execute() or None, NOT_THERE)
    _log(roadmap_id, "Deleted for ever by its owner")


def purge_expired() -> int:
    """Delete expired roadmaps, at most fifty; their number. Raises Unavailable.

    Several processes may do so at once: rows that one is deleting are skipped by the others.
    """
    deleted = 0
    for _ in range(ROUNDS):
        with transaction():
            old = Roadmap.select(Roadmap.id).where(Roadmap.trashed_at < clock.now() - KEPT)
            ids = [row.id for row in skip_locked(old.order_by(Roadmap.trashed_at).limit(AT_ONCE))]
            if ids:
                Roadmap.delete().where(Roadmap.id.in_(ids)).execute()
            for id_ in ids:
                _log(id_, f"Deleted for ever after {KEPT.days} days in the trash")
        deleted += len(ids)
        if len(ids) < AT_ONCE:
            break
    return deleted


def _in_trash(owner_id: UUID, roadmap_id: UUID) -> Any:
    return (
        (Roadmap.id == roadmap_id) & (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null(False)
    )


def _log(roadmap_id: UUID, message: str) -> None:
    database.after_commit(partial(record, "roadmaps", "trash", message, roadmap_id=roadmap_id))
