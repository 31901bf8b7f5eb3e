"""All roadmaps, as operators see them: searched, with the ledger of the work. Never what a learner has noted or answered.

A search goes along an index, newest first, and stops when the page is full: by status, owner, generator, over budget or error
it reads little more than it shows. Words are found by the full-text index of PostgreSQL; for other parts of a text there is
none, so that such a search may have to read many rows, and is given up after `SEARCH_SECONDS`.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial, reduce
from operator import and_
from typing import Any
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core.db import StatementTimeout, database, is_postgres, limited, session
from core.errors import FieldError, Invalid, NotFound
from core.ids import first_id
from models.accounts import Account
from models.logs import ExecutionLog
from models.roadmaps import Concept, Content, Roadmap
from roadmap.accounts.access import newest_of
from roadmap.budget.budget import money
from roadmap.lifecycle import commands
from roadmap.lifecycle.commands import CommandResult
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.operations.execution_log import LogLevel, LogRecord, record
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import Owner, RoadmapFields

SLOW = "The search takes too long."
SEARCH_SECONDS = 3.0
RARE = 2000  # roadmaps that have the words
LATE = timedelta(hours=1)  # by which the clock of an id and the time of its row may differ
MOST_PARTS = 300  # of a roadmap that are not ready
OVER_BUDGET = peewee.SQL("over_budget")  # in the words of the index, which SQLite compares
HAS_ERROR = peewee.SQL("error <> ''")
WORD = re.compile(r"[A-Za-z0-9]+")
WORDS = peewee.SQL("to_tsvector('simple', goal || ' ' || title)")


@dataclass(frozen=True, slots=True)
class RoadmapSearch:
    """What a roadmap must be to be found; empty, all are. `owner` is an e-mail address or an id; `text` is looked for in goal
    and title, `error` in the reason of what went wrong; times are of its creation, `until` is not part of it.
    """

    statuses: tuple[RoadmapStatus, ...] = ()
    owner: str = ""
    text: str = ""
    error: str = ""
    generator: str = ""
    over_budget: bool = False
    since: datetime | None = None
    until: datetime | None = None


class OverseenRoadmap(RoadmapFields):
    """A roadmap with what an operator wants to know of its making."""

    owner: Owner = Field(description="Whose it is.")
    attempts: int = Field(
        description="Tries at its plan that ended by themselves, and the one that runs."
    )
    interruptions: int = Field(description="Tries at its plan that ended with their worker.")
    trashed_at: datetime | None = Field(
        description="Since when it is in its owner's trash; null: it is not."
    )


class OverseenList(BaseModel):
    """The newest first. `next_cursor` is null on the last page."""

    items: list[OverseenRoadmap]
    next_cursor: str | None


class PartLedger(BaseModel):
    """A part that is not ready: the ledger of the work on it."""

    concept_id: UUID
    concept: str = Field(description="What the concept is called.")
    kind: ContentKind = Field(description="Which part of it.")
    status: ContentStatus
    attempts: int = Field(description="Tries that ended by themselves, and the one that runs.")
    interruptions: int = Field(description="Tries that ended with their worker.")
    lease_until: datetime | None = Field(
        description="Until when its worker is trusted to be alive; null: nobody is at it."
    )
    due_at: datetime = Field(description="When its next step should begin, or should have begun.")
    error: str = Field(description="What went wrong the last time; empty: nothing.")


class OverseenDetail(OverseenRoadmap):
    """One roadmap with the ledger of the work on it."""

    revision: int = Field(description="The number of the current plan; 0: there is none yet.")
    review: bool = Field(
        description="Whether its plan waits for approval before contents are written."
    )
    weeks: int = Field(description="How long it takes its learner.")
    hours: int = Field(description="Hours of all concepts.")
    lease_until: datetime | None = Field(
        description="Until when the worker at its plan is trusted to be alive; null: none is."
    )
    challenged_at: datetime | None = Field(
        description="When somebody found that lease run out; null: nobody has."
    )
    due_at: datetime = Field(description="When its next step should begin, or should have begun.")
    last_seq: int = Field(description="The number of its newest event.")
    parts: list[PartLedger] = Field(
        description="Parts that are not ready, at most 300, those with an error first."
    )


def search(sought: RoadmapSearch, *, before: UUID | None, limit: int) -> OverseenList:
    """The newest first; `before` is the id that the page before ended with. Raises Invalid for one that takes too long,
    Unavailable.
    """
    with _limited():
        owner_id = _owner_id(sought.owner) if sought.owner else None
        if sought.owner and owner_id is None:
            return OverseenList(items=[], next_cursor=None)
        statuses = dict.fromkeys(sought.statuses) or (
            None,
        )  # each along its index: together they would have to be sorted
        conditions = list(_conditions(sought))  # once: a search for words is one of them
        pages = [
            list(_page(_query(conditions, owner_id, before, status), limit)) for status in statuses
        ]
        rows = list(heapq.merge(*pages, key=lambda row: row.id, reverse=True))[: limit + 1]
        whose = {
            row.owner_id for row in rows
        }  # not by a join, which a wrong guess of the planner makes slow
        emails = dict(
            Account.select(Account.id, Account.email).where(Account.id.in_(list(whose))).tuples()
        )
    items = [OverseenRoadmap(**_summary(row, emails.get(row.owner_id, ""))) for row in rows[:limit]]
    return OverseenList(items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def detail(roadmap_id: UUID) -> OverseenDetail:
    """Raises NotFound."""
    with session():
        row = (
            Roadmap.select(Roadmap, Account)
            .join(Account)
            .where(Roadmap.id == roadmap_id)
            .get_or_none()
        )
        if row is None:
            raise NotFound("There is no such roadmap.")
        parts = list(_undone(roadmap_id))
    summary = _summary(row, row.owner.email)
    same = OverseenDetail.model_fields.keys() - summary.keys() - {"parts"}
    return OverseenDetail(**summary, **{name: getattr(row, name) for name in same}, parts=parts)


def owner_of(roadmap_id: UUID) -> UUID:
    """On whose behalf an operator decides about it. Raises NotFound."""
    with session():
        owner_id: UUID | None = (
            Roadmap.select(Roadmap.owner).where(Roadmap.id == roadmap_id).scalar()
        )
    if owner_id is None:
        raise NotFound("There is no such roadmap.")
    return owner_id


def cancel(actor: Actor, roadmap_id: UUID) -> CommandResult:
    """Cancel a roadmap of any account. Raises NotFound, Conflict."""
    return _decide(actor, Action.roadmap_cancel, roadmap_id, commands.cancel)


def retry(actor: Actor, roadmap_id: UUID) -> CommandResult:
    """Retry what failed of a roadmap of any account. Raises NotFound, Conflict."""
    return _decide(actor, Action.roadmap_retry, roadmap_id, commands.retry)


def last_records(roadmap_id: UUID, limit: int) -> list[LogRecord]:
    """What was logged of it last, the newest first, without what is of interest for finding faults only."""
    query = ExecutionLog.select().where(
        ExecutionLog.roadmap_id == roadmap_id, ExecutionLog.level != LogLevel.debug
    )
    with session():
        rows = list(query.order_by(ExecutionLog.id.desc()).limit(limit))
    return [LogRecord.model_validate(row, from_attributes=True) for row in rows]


def _decide(
    actor: Actor, action: Action, roadmap_id: UUID, decide: Callable[[UUID, UUID], CommandResult]
) -> CommandResult:
    owner_id = owner_of(roadmap_id)
    with audited(actor, action, str(roadmap_id), {"owner": str(owner_id)}) as act:
        made = decide(owner_id, roadmap_id)
        act.found["status"] = made.status.value
    message = f"An operator decided: {action}; revision {made.revision} is {made.status}"
    database.after_commit(partial(record, "api", "decide", message, roadmap_id=roadmap_id))
    return made


@contextmanager
def _limited() -> Iterator[None]:
    """A transaction for one page. Raises Invalid for what takes too long: asked again it would not be quicker."""
    try:
        with limited(statement=SEARCH_SECONDS, lock=SEARCH_SECONDS):
            if is_postgres():
                database.execute_sql(
                    "SET LOCAL jit = off"
                )  # which takes longer than these searches
            yield
    except StatementTimeout:
        rule = f"takes longer than {SEARCH_SECONDS:g} s: narrow it by owner, status or time, or look for whole words"
        raise Invalid(SLOW, fields=(FieldError("?text", rule),)) from None


def _query(
    conditions: Iterable[Any],
    owner_id: UUID | None,
    before: UUID | None,
    status: RoadmapStatus | None,
) -> Any:
    """Those in one of the states that are sought, or in any; the newest first."""
    if owner_id is not None:
        query = newest_of(owner_id, before=before, status=status, with_trash=True)
    else:
        query = Roadmap.select().order_by(Roadmap.id.desc())
        query = query if before is None else query.where(Roadmap.id < before)
        query = query if status is None else query.where(Roadmap.status == status)
    for condition in conditions:
        query = query.where(condition)
    return query


def _conditions(sought: RoadmapSearch) -> Iterator[Any]:
    if sought.generator:
        yield Roadmap.generator == sought.generator
    if sought.over_budget:
        yield OVER_BUDGET
    if sought.error:
        yield HAS_ERROR
        yield Roadmap.error.contains(sought.error)
    if sought.text:
        yield _says(sought.text)
    if sought.since is not None:  # ids sort by time, and have the index
        yield Roadmap.id >= first_id(sought.since, -LATE)
        yield Roadmap.created_at >= sought.since
    if sought.until is not None:
        yield Roadmap.id < first_id(sought.until, LATE)
        yield Roadmap.created_at < sought.until


def _says(text: str) -> Any:
    """Words in any order: each by its beginning where the full-text index can find it, which is not so in a script without
    spaces; otherwise each wherever it stands.
    """
    query = " & ".join(_found_as(piece) for piece in text.split() if WORD.search(piece))
    if not (is_postgres() and query and text.isascii()):
        parts = (
            Roadmap.goal.contains(part) | Roadmap.title.contains(part) for part in text.split()
        )
        return reduce(and_, parts, peewee.SQL("1 = 1"))
    condition = peewee.Expression(WORDS, "@@", peewee.fn.to_tsquery("simple", query))
    rare = _found_by_words(condition)
    return condition if rare is None else Roadmap.id.in_(rare)


def _found_as(piece: str) -> str:
    """What PostgreSQL looks for. To its parser Node.js and CI/CD are a word each, so that it is asked to parse them as well (in
    quotes); what it takes apart is looked for word by word.
    """
    words = " & ".join(f"{word.lower()}:*" for word in WORD.findall(piece))
    quoted = re.sub(r"['\\]", " ", piece)
    return f"('{quoted}':* | ({words}))"


def _found_by_words(condition: Any) -> list[UUID] | None:
    """By the full-text index; None when there are many: then some of the newest are soon found without it.

    PostgreSQL cannot guess how many have a word with this beginning, and would read all the others.
    """
    database.execute_sql("SET LOCAL enable_seqscan = off")
    found = [id_ for (id_,) in Roadmap.select(Roadmap.id).where(condition).limit(RARE + 1).tuples()]
    database.execute_sql("SET LOCAL enable_seqscan = on")
    return None if len(found) > RARE else found


def _page(query: Any, limit: int) -> Iterable[Any]:
    found: Iterable[Any] = query.limit(limit + 1)
    return found


def _owner_id(owner: str) -> UUID | None:
    """Of an address or an id; None when there is no such account."""
    try:
        wanted = Account.id == UUID(owner)
    except ValueError:
        wanted = Account.email == owner.strip().lower()
    found: UUID | None = Account.select(Account.id).where(wanted).scalar()
    return found


def _summary(row: Roadmap, email: str) -> dict[str, Any]:
    made = {
        "owner": Owner(id=row.owner_id, email=email),
        "progress": Progress(
            ready=row.contents_ready, failed=row.contents_failed, total=row.contents_total
        ),
        "spent": money(row.spent),
    }
    return {
        **{name: getattr(row, name) for name in OverseenRoadmap.model_fields.keys() - made},
        **made,
    }


def _undone(roadmap_id: UUID) -> Iterator[PartLedger]:
    query = (
        Content.select(Content, Concept)
        .join(Concept)
        .where(Content.roadmap == roadmap_id, ~Concept.removed)
    )
    has_no_error = peewee.Case(None, [(Content.error == "", 1)], 0)
    undone = (
        query.where(Content.status != ContentStatus.ready)
        .order_by(has_no_error, Content.id)
        .limit(MOST_PARTS)
    )
    for row in undone:
        same = PartLedger.model_fields.keys() - {"concept_id", "concept"}
        told = {name: getattr(row, name) for name in same}
        yield PartLedger(concept_id=row.concept_id, concept=row.concept.title, **told)
