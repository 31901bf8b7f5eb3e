"""One's own roadmaps in an order, of some states, with some words; page after page.

A page ends at a key and an id, and the next one goes on behind these, so that what is added, deleted or renamed meanwhile moves
nothing else. The newest and the oldest are read along an index. For other orders and for words all roadmaps of the account may
have to be read, and that is given up after `SEARCH_SECONDS`.
"""

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import AbstractContextManager
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
from roadmap.lifecycle import queries
from roadmap.lifecycle.queries import summary_of
from roadmap.plan.statuses import RoadmapStatus
from roadmap.plan.views import RoadmapSummary

SEARCH_SECONDS = 3.0
LONGEST_KEY = 60  # characters of a title by which it is sorted
OTHER_ORDER = "is not the `next_cursor` of a page in this order"


class Order(StrEnum):
    newest = "newest"
    oldest = "oldest"
    by_title = "title"  # of what has none yet: the goal
    changed = "changed"  # last comes first


@dataclass(frozen=True, slots=True)
class RoadmapFilter:
    """What a roadmap must be to be listed; empty: all are. `text`: words in any order, each wherever it stands."""

    statuses: Sequence[RoadmapStatus] = ()
    text: str = ""
    order: Order = Order.newest

    @property
    def is_usual(self) -> bool:
        return self.order is Order.newest and not self.text and len(self.statuses) < 2

    @property
    def needs_reading(self) -> bool:
        """Whether no index has it."""
        return bool(self.text) or self.order in KEYS

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
    """`after` is the `next_cursor` of the page before. Raises Invalid, Unavailable."""
    if wanted.is_usual:
        before = None if after is None else _place(after, wanted.order)[0]
        return queries.list_roadmaps(
            owner_id, limit=limit, before=before, status=next(iter(wanted.statuses), None)
        )
    try:
        # Of one moment: what gets another state between two queries would come twice or never.
        with snapshot(), _bounded(wanted):
            rows = (
                _by_key(owner_id, wanted, after, limit)
                if wanted.order in KEYS
                else _by_id(owner_id, wanted, after, limit)
            )
    except StatementTimeout:
        rule = f"takes longer than {SEARCH_SECONDS:g} s: leave it out, or sort by `newest`"
        raise Invalid(
            "The search takes too long.",
            fields=(FieldError("?q" if wanted.text else "?sort", rule),),
        ) from None
    more = len(rows) > limit
    cursor = _cursor(wanted.order, rows[limit - 1]) if more else None
    return Page(items=[summary_of(row) for row in rows[:limit]], next_cursor=cursor)


def _bounded(wanted: RoadmapFilter) -> AbstractContextManager[None]:
    return (
        limited(statement=SEARCH_SECONDS, lock=SEARCH_SECONDS)
        if wanted.needs_reading
        else session()
    )


def _by_id(owner_id: UUID, wanted: RoadmapFilter, after: str | None, limit: int) -> list[Roadmap]:
    oldest_first = wanted.order is Order.oldest
    beyond = None if after is None else _place(after, wanted.order)[0]
    pages = []
    for status in dict.fromkeys(wanted.statuses) or (
        None,
    ):  # each along its index: together they would have to be sorted
        query = in_order_of_id(owner_id, beyond=beyond, status=status, oldest_first=oldest_first)
        pages.append(
            list(query.where(Roadmap.trashed_at.is_null(), *wanted.conditions).limit(limit + 1))
        )
    return list(heapq.merge(*pages, key=lambda row: row.id, reverse=not oldest_first))[: limit + 1]


def _by_key(owner_id: UUID, wanted: RoadmapFilter, after: str | None, limit: int) -> list[Roadmap]:
    key, is_title = KEYS[wanted.order], wanted.order is Order.by_title
    query = Roadmap.select(Roadmap, key.alias("sort_key")).where(
        Roadmap.owner == owner_id, Roadmap.trashed_at.is_null()
    )
    if wanted.statuses:
        query = query.where(Roadmap.status.in_(list(wanted.statuses)))
    if after is not None:
        roadmap_id, text = _place(after, wanted.order)
        there = peewee.Tuple(
            _value(wanted.order, text), peewee.Value(roadmap_id, Roadmap.id.db_value)
        )
        here = peewee.Tuple(key, Roadmap.id)
        query = query.where(here > there if is_title else here < there)
    ordered = (
        query.order_by(key, Roadmap.id)
        if is_title
        else query.order_by(key.desc(), Roadmap.id.desc())
    )
    return list(ordered.where(True, *wanted.conditions).limit(limit + 1))


def _cursor(order: Order, row: Any) -> str:
    """The id alone for the newest first, as other lists have it; else the order and its key behind it."""
    if order is Order.newest:
        return str(row.id)
    key = row.sort_key if order is Order.by_title else row.updated_at.isoformat()
    text = f"{order}:{key if order in KEYS else ''}"
    return f"{row.id}.{urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def _place(cursor: str, order: Order) -> tuple[UUID, str]:
    """The id and the key. Raises Invalid."""
    id_, dot, encoded = cursor.partition(".")
    try:
        of, _, key = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().partition(":")
        if (of if dot else Order.newest) == order:
            return UUID(id_), strip_nul(key)
    except ValueError:
        pass
    raise _of_another_order()


def _value(order: Order, text: str) -> Any:
    """Raises Invalid."""
    if order is Order.by_title:
        return peewee.Value(text)
    try:
        return peewee.Value(
            datetime.fromisoformat(text).astimezone(UTC), Roadmap.updated_at.db_value
        )
    except (ValueError, OverflowError):
        raise _of_another_order() from None


def _of_another_order() -> Invalid:
    return Invalid("The cursor does not fit.", fields=(FieldError("?cursor", OTHER_ORDER),))
