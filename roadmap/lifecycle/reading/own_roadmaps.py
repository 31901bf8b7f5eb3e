"""List of an account's roadmaps: filtered, sorted, paged.

A page ends at a key and an id, and the next one continues behind these, so that rows that are
added, deleted or renamed meanwhile move no others. The newest and the oldest are read along an
index. For other orders and for words all roadmaps of the account may have to be read; that ends
after `SEARCH_SECONDS`.
"""

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import peewee

from core.db import StatementTimeout, limited, session, snapshot
from core.errors import FieldError, Invalid
from core.json_types import Page
from core.sanitize import strip_nul
from models.roadmaps import Roadmap
from roadmap.accounts.access import in_order_of_id
from roadmap.lifecycle.reading import queries
from roadmap.plan.statuses import RoadmapStatus
from roadmap.plan.views import RoadmapSummary

SEARCH_SECONDS = 3.0
LONGEST_KEY = 60  # characters of a title by which it is sorted
OTHER_ORDER = "is not the `next_cursor` of a page with this sort order"


class Order(StrEnum):
    newest = "newest"
    oldest = "oldest"
    by_title = "title"  # or by goal, if there is no title yet
    changed = "changed"  # the last change comes first


@dataclass(frozen=True, slots=True)
class RoadmapFilter:
    """Filter and order of a list; empty: all roadmaps. `text`: words in any order."""

    statuses: Sequence[RoadmapStatus] = ()
    text: str = ""
    order: Order = Order.newest

    @property
    def conditions(self) -> list[Any]:
        return [
            Roadmap.goal.contains(word) | Roadmap.title.contains(word)
            for word in dict.fromkeys(self.text.split())
        ]


TITLE = peewee.Case(None, [(Roadmap.title == "", Roadmap.goal)], Roadmap.title)
KEYS: dict[Order, Any] = {
    Order.by_title: peewee.fn.LOWER(peewee.fn.SUBSTR(TITLE, 1, LONGEST_KEY)),
    Order.changed: Roadmap.updated_at,
}


def list_own(
    owner_id: UUID, wanted: RoadmapFilter, *, after: str | None, limit: int
) -> Page[RoadmapSummary]:
    """Return a page behind cursor `after`. Raises Invalid, Unavailable."""
    place = None if after is None else _parse_cursor(after, wanted.order)
    if wanted.order is Order.newest and not wanted.text and len(wanted.statuses) < 2:
        return queries.list_roadmaps(
            owner_id,
            limit=limit,
            before=place and place[0],
            status=next(iter(wanted.statuses), None),
        )
    is_slow = bool(wanted.text) or wanted.order in KEYS
    bounds = limited(statement=SEARCH_SECONDS, lock=SEARCH_SECONDS) if is_slow else session()
    try:
        # One snapshot: a roadmap that changes state between two queries would come twice or never.
        with snapshot(), bounds:
            read = _by_key if wanted.order in KEYS else _by_id
            rows = read(owner_id, wanted, place, limit)
    except StatementTimeout:
        rule = f"takes longer than {SEARCH_SECONDS:g} s: omit it, or sort by `newest`"
        raise Invalid(
            "The search takes too long.",
            fields=(FieldError("?q" if wanted.text else "?sort", rule),),
        ) from None
    return Page(
        items=[queries.summary_of(row) for row in rows[:limit]],
        next_cursor=_cursor(wanted.order, rows[limit - 1]) if len(rows) > limit else None,
    )


def _by_id(
    owner_id: UUID, wanted: RoadmapFilter, place: tuple[UUID, Any] | None, limit: int
) -> list[Roadmap]:
    """Read each status along its index, since together they would have to be sorted."""
    oldest_first, beyond = wanted.order is Order.oldest, place and place[0]
    pages = [
        in_order_of_id(owner_id, beyond=beyond, status=status, oldest_first=oldest_first)
        .where(Roadmap.trashed_at.is_null(), *wanted.conditions)
        .limit(limit + 1)
        for status in dict.fromkeys(wanted.statuses) or (None,)
    ]
    return list(heapq.merge(*pages, key=lambda row: row.id, reverse=not oldest_first))[: limit + 1]


def _by_key(
    owner_id: UUID, wanted: RoadmapFilter, place: tuple[UUID, Any] | None, limit: int
) -> list[Roadmap]:
    key, is_title = KEYS[wanted.order], wanted.order is Order.by_title
    query = Roadmap.select(Roadmap, key.alias("sort_key")).where(
        Roadmap.owner == owner_id, Roadmap.trashed_at.is_null(), *wanted.conditions
    )
    if wanted.statuses:
        query = query.where(Roadmap.status.in_(list(wanted.statuses)))
    if place is not None:
        there = peewee.Tuple(place[1], peewee.Value(place[0], Roadmap.id.db_value))
        here = peewee.Tuple(key, Roadmap.id)
        query = query.where(here > there if is_title else here < there)
    order = (key, Roadmap.id) if is_title else (key.desc(), Roadmap.id.desc())
    return list(query.order_by(*order).limit(limit + 1))


def _cursor(order: Order, row: Any) -> str:
    """Return the id for the newest first, as in other lists; else add order and key."""
    if order is Order.newest:
        return str(row.id)
    key = row.sort_key if order is Order.by_title else row.updated_at.isoformat()
    text = f"{order}:{key if order in KEYS else ''}"
    return f"{row.id}.{urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def _parse_cursor(cursor: str, order: Order) -> tuple[UUID, peewee.Value]:
    """Return the id and the key behind which a page begins. Raises Invalid."""
    id_, dot, encoded = cursor.partition(".")
    with suppress(ValueError, OverflowError):
        of, _, key = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().partition(":")
        if (of if dot else Order.newest) == order:
            if order is not Order.changed:
                return UUID(id_), peewee.Value(strip_nul(key))
            return UUID(id_), peewee.Value(
                datetime.fromisoformat(strip_nul(key)).astimezone(UTC), Roadmap.updated_at.db_value
            )
    raise Invalid(
        "The cursor is not valid. Start again without `cursor`.",
        fields=(FieldError("?cursor", OTHER_ORDER),),
    )
