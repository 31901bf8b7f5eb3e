"""Owner-scoped lookups of roadmaps. Those of others are NotFound."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import lock_for_update
from core.errors import Conflict, InTrash, required
from models.accounts import Account
from models.roadmaps import Roadmap

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)  # before and after every id


def newest_of(
    owner_id: UUID,
    *,
    before: UUID | None = None,
    status: str | None = None,
    with_trash: bool = False,
) -> Any:
    """Select the roadmaps of an account below an id, the newest first."""
    query = in_order_of_id(owner_id, beyond=before, status=status)
    return query if with_trash else query.where(Roadmap.trashed_at.is_null())


def in_order_of_id(
    owner_id: UUID, *, beyond: UUID | None, status: str | None, oldest_first: bool = False
) -> Any:
    """Select roadmaps of an account beyond an id by the index of owner, status, id.

    Without a status it is the index of owner and id. With equality alone, PostgreSQL may use the
    primary key instead and read all newer roadmaps of other accounts. Bounds on all columns of an
    index, and their order, leave it no other plan.
    """
    fixed = {Roadmap.owner: owner_id} | ({} if status is None else {Roadmap.status: status})
    columns = (*fixed, Roadmap.id)
    values = [peewee.Value(value, column.db_value) for column, value in fixed.items()]
    place = peewee.Value(beyond or (FIRST if oldest_first else LAST), Roadmap.id.db_value)
    prefix, bound = peewee.Tuple(*fixed), peewee.Tuple(*values)
    here, there = peewee.Tuple(*columns), peewee.Tuple(*values, place)
    if oldest_first:
        return Roadmap.select().where(prefix <= bound, here > there).order_by(*columns)
    order = (column.desc() for column in columns)
    return Roadmap.select().where(prefix >= bound, here < there).order_by(*order)


def get_owned(owner_id: UUID, roadmap_id: UUID, *, with_trash: bool = False) -> Roadmap:
    """Return a roadmap of the owner.

    Raises NotFound, and InTrash while it is in the trash.

    `with_trash` is for operators and exports, which see deleted roadmaps.
    """
    row: Roadmap = required(
        Roadmap.get_or_none(Roadmap.id == roadmap_id, Roadmap.owner == owner_id),
        "This roadmap does not exist.",
    )
    if row.trashed_at is not None and not with_trash:
        raise InTrash("This roadmap is in the trash. Restore it first.")
    return row


def lock_owned(owner_id: UUID, roadmap_id: UUID) -> None:
    """Lock the row of a roadmap until the commit. Needs a transaction.

    Raises NotFound.
    """
    lock_for_update(
        Roadmap.select(Roadmap.id).where(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)
    ).execute()
    get_owned(owner_id, roadmap_id)


def transition(
    owner_id: UUID, roadmap_id: UUID, among: Collection[str], verb: str, **changes: Any
) -> Roadmap:
    """Change a roadmap with a status of `among`, and lock its row until the commit.

    Raises NotFound, and Conflict when the status does not allow what the verb says.
    """
    mine = (Roadmap.id == roadmap_id) & (Roadmap.owner == owner_id) & Roadmap.trashed_at.is_null()
    update = Roadmap.update({**changes, "updated_at": clock.now()})
    changed = update.where(mine, Roadmap.status.in_(list(among))).returning(Roadmap)
    row: Roadmap | None = next(iter(changed.execute()), None)
    if row is not None:
        return row
    status = get_owned(owner_id, roadmap_id).status
    raise Conflict(
        f"A roadmap with status {status} cannot be {verb}. This requires the status "
        f"{' or '.join(sorted(among))}."
    )


def account_id(owner: str) -> UUID | None:
    """Return the account id of an email address or id, or None. Needs a session."""
    try:
        wanted = Account.id == UUID(owner)
    except ValueError:
        wanted = Account.email == owner.strip().lower()
    found: UUID | None = Account.select(Account.id).where(wanted).scalar()
    return found
