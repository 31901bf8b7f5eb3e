"""Whose a roadmap is. What belongs to others does not exist."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from core import clock
from core.errors import Conflict, NotFound
from models.roadmaps import Roadmap


def owned(owner_id: UUID, roadmap_id: UUID) -> Roadmap:
    """Raises NotFound."""
    row: Roadmap | None = Roadmap.get_or_none(Roadmap.id == roadmap_id, Roadmap.owner == owner_id)
    if row is None:
        raise NotFound("There is no such roadmap.")
    return row


def taken(owner_id: UUID, roadmap_id: UUID, among: Collection[str], verb: str, **changes: Any) -> Roadmap:
    """Change a roadmap whose status is one of those, and hold its row until the commit.

    Raises NotFound, and Conflict when its status does not allow what the verb says.
    """
    mine = (Roadmap.id == roadmap_id) & (Roadmap.owner == owner_id)
    update = Roadmap.update({**changes, "updated_at": clock.now()}).where(mine & Roadmap.status.in_(list(among)))
    rows: list[Roadmap] = list(update.returning(Roadmap).execute())
    if rows:
        return rows[0]
    status = owned(owner_id, roadmap_id).status
    raise Conflict(f"A roadmap that is {status} cannot be {verb}; only one that is {' or '.join(sorted(among))}.")
