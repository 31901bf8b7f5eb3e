"""Roadmaps of all accounts for operators: search, details of the work, commands.

Never the notes or answers of a learner. A search reads along an index, newest first, and stops when
the page is full: by status, owner, generator, budget or error it reads little more than it shows.
Words are found by the full-text index of PostgreSQL. Other parts of a text have no index, so that
such a search may have to read many rows; it ends after `SEARCH_SECONDS`.
"""

import heapq
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial, reduce
from operator import and_
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core.db import StatementTimeout, database, is_postgres, limited, session
from core.errors import FieldError, Invalid, required
from core.ids import first_id
from core.json_types import LazyModel, Page, from_row, page_of
from models.accounts import Account
from models.roadmaps import Concept, Content, Roadmap
from roadmap.accounts.access import LAST, account_id, newest_of
from roadmap.budget.budget import money
from roadmap.lifecycle import commands
from roadmap.lifecycle.making import completion
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.operations.execution_log import record
from roadmap.operations.search_filters import RoadmapSearch
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import Owner, RoadmapFields

SLOW = "The search takes too long."
SEARCH_SECONDS = 3.0
RARE = 2000  # roadmaps with the words, at most, for which their index is used
LATE = timedelta(hours=1)  # by which the clock of an id and the time of its row may differ
MOST_PARTS = 300  # of a roadmap, not ready
OVER_BUDGET = peewee.SQL("over_budget")  # the text of the index, which SQLite compares
HAS_ERROR = peewee.SQL("error <> ''")
WORD = re.compile(r"[A-Za-z0-9]+")
DECISIONS: Mapping[Action, Callable[[UUID, UUID], commands.CommandResult]] = {
    Action.roadmap_cancel: commands.cancel,
    Action.roadmap_retry: commands.retry,
}
WORDS = peewee.SQL("to_tsvector('simple', goal || ' ' || title)")


class AdminRoadmap(RoadmapFields):
    """A roadmap in the list for operators."""

    owner: Owner = Field(description="Owner of the roadmap.")
    attempts: int = Field(
        description="Attempts at the plan that ended normally, and the current one."
    )
    interruptions: int = Field(
        description="Attempts at the plan that ended because their worker died."
    )
    trashed_at: datetime | None = Field(
        description="Since when it is in the trash; null: it is not."
    )


class PartLedger(LazyModel):
    """An unfinished part, with the state of the work on it."""

    concept_id: UUID
    concept: str = Field(description="Title of the concept.")
    kind: ContentKind = Field(description="Part of the concept.")
    status: ContentStatus
    attempts: int = Field(description="Attempts that ended normally, and the current one.")
    interruptions: int = Field(description="Attempts that ended because their worker died.")
    lease_until: datetime | None = Field(description="End of the lease; null: no worker.")
    due_at: datetime = Field(description="Due time of the next step.")
    error: str = Field(description="Last error; empty: none.")


class AdminRoadmapDetail(AdminRoadmap):
    """A roadmap with the state of the work on it."""

    revision: int = Field(description="Number of the current plan; 0: none yet.")
    review: bool = Field(description="Whether the plan needs approval before contents are built.")
    weeks: int = Field(description="Planned weeks.")
    hours: int = Field(description="Hours of all concepts.")
    lease_until: datetime | None = Field(
        description="End of the lease on the plan; null: no worker."
    )
    challenged_at: datetime | None = Field(
        description="When rescue found the lease expired; null: it has not."
    )
    due_at: datetime = Field(description="Due time of the next step.")
    last_seq: int = Field(description="Number of the newest event.")
    parts: list[PartLedger] = Field(
        description="Unfinished parts, at most 300, those with errors first."
    )


def search(criteria: RoadmapSearch, *, before: UUID | None, limit: int) -> Page[AdminRoadmap]:
    """Return a page, newest first; `before` is the last id of the previous page.

    Raises Invalid for a search that takes too long, and Unavailable.
    """
    try:
        with limited(statement=SEARCH_SECONDS, lock=SEARCH_SECONDS):
            if is_postgres():
                # Compilation takes longer than these searches.
                database.execute_sql("SET LOCAL jit = off")
            owner_id = account_id(criteria.owner) if criteria.owner else None
            if criteria.owner and owner_id is None:
                return Page(items=[], next_cursor=None)
            conditions = list(_conditions(criteria))  # once: a search for words is one of them
            # Each status along its index: together they would have to be sorted.
            pages = [
                list(_query(conditions, owner_id, before, status).limit(limit + 1))
                for status in dict.fromkeys(criteria.statuses) or (None,)
            ]
            rows = list(heapq.merge(*pages, key=lambda row: row.id, reverse=True))[: limit + 1]
            # Not by a join, which a wrong guess of the planner makes slow.
            emails = dict(
                Account.select(Account.id, Account.email)
                .where(Account.id.in_(list({row.owner_id for row in rows})))
                .tuples()
            )
    except StatementTimeout:
        rule = (
            f"takes longer than {SEARCH_SECONDS:g} s: narrow it by owner, status or time, "
            "or search for whole words"
        )
        raise Invalid(SLOW, fields=(FieldError("?text", rule),)) from None
    items = [
        from_row(AdminRoadmap, row, **_computed(row, emails.get(row.owner_id, ""))) for row in rows
    ]
    return page_of(items, limit)


@session()
def detail(roadmap_id: UUID) -> AdminRoadmapDetail:
    """Raises NotFound."""
    query = Roadmap.select(Roadmap, Account).join(Account).where(Roadmap.id == roadmap_id)
    parts = (
        completion.parts(roadmap_id, Content, Concept)
        .where(Content.status != ContentStatus.ready)
        .order_by(peewee.Case(None, [(Content.error == "", 1)], 0), Content.id)
        .limit(MOST_PARTS)
    )
    row = required(query.get_or_none(), "This roadmap does not exist.")
    ledgers = [from_row(PartLedger, part, concept=part.concept.title) for part in parts]
    return from_row(AdminRoadmapDetail, row, **_computed(row, row.owner.email), parts=ledgers)


@session()
def owner_of(roadmap_id: UUID) -> UUID:
    """Return the id of the owner. Raises NotFound."""
    owner_id: UUID = required(
        Roadmap.select(Roadmap.owner).where(Roadmap.id == roadmap_id).scalar(),
        "This roadmap does not exist.",
    )
    return owner_id


def decide(actor: Actor, action: Action, roadmap_id: UUID) -> commands.CommandResult:
    """Cancel a roadmap of any account, or retry what failed of it. Raises NotFound, Conflict."""
    owner_id = owner_of(roadmap_id)
    with audited(actor, action, str(roadmap_id), {"owner": str(owner_id)}) as act:
        result = DECISIONS[action](owner_id, roadmap_id)
        act.found["status"] = result.status.value
    database.after_commit(
        partial(
            record,
            "api",
            "decide",
            f"An operator decided: {action}; revision {result.revision} is {result.status}",
            roadmap_id=roadmap_id,
        )
    )
    return result


def _query(
    conditions: Sequence[Any],
    owner_id: UUID | None,
    before: UUID | None,
    status: RoadmapStatus | None,
) -> Any:
    """Select roadmaps of a status, or of any; the newest first."""
    if owner_id is not None:
        query = newest_of(owner_id, before=before, status=status, with_trash=True)
    else:
        query = Roadmap.select().where(Roadmap.id < (before or LAST)).order_by(Roadmap.id.desc())
        query = query if status is None else query.where(Roadmap.status == status)
    return query.where(*conditions)


def _conditions(criteria: RoadmapSearch) -> Iterator[Any]:
    if criteria.generator:
        yield Roadmap.generator == criteria.generator
    if criteria.over_budget:
        yield OVER_BUDGET
    if criteria.error:
        yield HAS_ERROR
        yield Roadmap.error.contains(criteria.error)
    if criteria.text:
        yield _has_words(criteria.text)
    if criteria.since is not None:  # ids sort by time, and have the index
        yield Roadmap.id >= first_id(criteria.since, -LATE)
        yield Roadmap.created_at >= criteria.since
    if criteria.until is not None:
        yield Roadmap.id < first_id(criteria.until, LATE)
        yield Roadmap.created_at < criteria.until


def _has_words(text: str) -> Any:
    """Return the condition for words in any order.

    The full-text index finds words by their beginning, but not in a script without spaces; other
    words are searched anywhere in the text.
    """
    pieces = text.split()
    # To PostgreSQL's parser Node.js and CI/CD are one word each: it gets them in quotes as well.
    query = " & ".join(
        "('{}':* | ({}))".format(
            re.sub(r"['\\]", " ", piece),
            " & ".join(f"{word.lower()}:*" for word in WORD.findall(piece)),
        )
        for piece in pieces
        if WORD.search(piece)
    )
    if not (is_postgres() and query and text.isascii()):
        parts = (Roadmap.goal.contains(part) | Roadmap.title.contains(part) for part in pieces)
        return reduce(and_, parts, peewee.SQL("1 = 1"))
    condition = peewee.Expression(WORDS, "@@", peewee.fn.to_tsquery("simple", query))
    # PostgreSQL cannot guess how many rows have such a word, and would read all the others. If
    # there are many, some of the newest are soon found without the index.
    database.execute_sql("SET LOCAL enable_seqscan = off")
    found = [id_ for (id_,) in Roadmap.select(Roadmap.id).where(condition).limit(RARE + 1).tuples()]
    database.execute_sql("SET LOCAL enable_seqscan = on")
    return condition if len(found) > RARE else Roadmap.id.in_(found)


def _computed(row: Roadmap, email: str) -> dict[str, Any]:
    """Return the fields that are not columns of the roadmap."""
    return {
        "owner": Owner(id=row.owner_id, email=email),
        "progress": Progress(**completion.progress(row)),
        "spent": money(row.spent),
    }
