"""Whose a roadmap is. What belongs to others does not exist."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import lock_for_update
from core.errors import Conflict, InTrash, NotFound
from models.roadmaps import Roadmap

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)  # before and after every id


def newest_of(
    owner_id: UUID,
    *,
    before: UUID | None = None,
    status: str | None = None,
    with_trash: bool = False,
) -> Any:
    """The roadmaps of an account, the newest first, below an id."""
    query = in_order_of_id(owner_id, beyond=before, status=status)
    return query if with_trash else query.where(Roadmap.trashed_at.is_null())


def in_order_of_id(
    owner_id: UUID, *, beyond: UUID | None, status: str | None, oldest_first: bool = False
) -> Any:
    """The roadmaps of an account beyond an id: along the index of owner, or of owner and status, and id.

    Said by equality alone, PostgreSQL may go along the key instead and pass over all that others have made since, which takes
    longer with each of theirs. Bounds of all columns of an index, and their order, leave it no other way.
    """
    fixed = [(Roadmap.owner, owner_id), *([(Roadmap.status, status)] if status is not None else [])]
    columns, values = (
        [column for column, _ in fixed],
        [peewee.Value(value, column.db_value) for column, value in fixed],
    )
    of_them, given = peewee.Tuple(*columns), peewee.Tuple(*values)
    place = peewee.Value(beyond or (FIRST if oldest_first else LAST), Roadmap.id.db_value)
    here, there = peewee.Tuple(*columns, Roadmap.id), peewee.Tuple(*values, place)
    if oldest_first:
        return Roadmap.select().where(of_them <= given, here > there).order_by(*columns, Roadmap.id)
    order = (column.desc() for column in (*columns, Roadmap.id))
    return Roadmap.select().where(of_them >= given, here < there).order_by(*order)


def get_owned(owner_id: UUID, roadmap_id: UUID, *, with_trash: bool = False) -> Roadmap:
    """Raises NotFound, also while it is in the trash; `with_trash` is for operators and exports, which see what is there."""
    row: Roadmap | None = Roadmap.get_or_none(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)
    if row is None:
        raise NotFound("There is no such roadmap.")
    if row.trashed_at is not None and not with_trash:
        raise InTrash("This roadmap is in the trash. Restore it first.")
    return row


def lock_owned(owner_id: UUID, roadmap_id: UUID) -> None:
    """Hold its row until the commit, and leave it as it is. Needs a transaction. Raises NotFound."""
    lock_for_update(
        Roadmap.select(Roadmap.id).where(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)
    ).execute()
    get_owned(owner_id, roadmap_id)


def transition(
    owner_id: UUID, roadmap_id: UUID, among: Collection[str], verb: str, **changes: Any
) -> Roadmap:
    """Change a roadmap whose status is one of those, and hold its row until the commit.

    Raises NotFound, and Conflict when its status does not allow what the verb says.
    """
    mine = (Roadmap.id == roadmap_id) & (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null()
    update = Roadmap.update({**changes, "updated_at": clock.now()}).where(
        mine & Roadmap.status.in_(list(among))
    )
    rows: list[Roadmap] = list(update.returning(Roadmap).execute())
    if rows:
        return rows[0]
    status = get_owned(owner_id, roadmap_id).status
    raise Conflict(
        f"A roadmap that is {status} cannot be {verb}; only one that is {' or '.join(sorted(among))}."
    )
