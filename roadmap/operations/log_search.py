"""Search in the execution log, for operators.

They read it in pages, follow it, and export it.

Pages go by id, the newest first: records that are written meanwhile move nothing, and a deep page
costs as much as the first. The time of a record is in its id, so that a range of time is a range of
the key. No transaction lasts longer than a page.

A search for text has words, "a phrase", -not this, one or the other. PostgreSQL finds words by an
index (`execution_log_words` of migration 0008), SQLite compares text. A character of Chinese or
Japanese is a word to both, and a name like gpt-5-mini is the phrase of its parts.
"""

import re
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import and_, or_
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import StatementTimeout, database, is_postgres, limited
from core.errors import FieldError, Invalid
from core.ids import first_id, new_id
from core.json_types import Page, page_of
from models.records import ExecutionLog
from models.roadmaps import Concept
from roadmap.operations.execution_log import LogRecord
from roadmap.operations.search_filters import LONGEST_TEXT, LogFilter

SLOW = "The search takes too long."
SEARCH_SECONDS, LOCK_SECONDS = 5.0, 2.0  # for one page
EXPORTED_AT_ONCE = 1_000  # records of one statement
# After it, records of several processes are in order: they are sent after 0.25 s.
SETTLES = timedelta(seconds=2)
MOST_CATEGORIES = 50
PIECE = re.compile(r'(?P<not>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
APART = re.compile(  # as in migration 0008
    r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
SPACES = str.maketrans(string.punctuation, " " * len(string.punctuation))

CATEGORIES = f"""WITH RECURSIVE found AS (
    SELECT min(category) AS category FROM execution_log UNION ALL
    SELECT (SELECT min(category) FROM execution_log WHERE category > found.category)
    FROM found WHERE found.category IS NOT NULL)
    SELECT category FROM found WHERE category IS NOT NULL LIMIT {MOST_CATEGORIES}"""


@dataclass(frozen=True, slots=True)
class Term:
    """Word or phrase that a record must have, or, if it is `unwanted`, must not have."""

    text: str
    unwanted: bool

    @property
    def words(self) -> str:
        return " ".join(APART.sub(r" \1 ", self.text.translate(SPACES)).split())


Wanted = list[list[Term]]  # alternatives, of which one must have all of its terms


class LogEntry(LogRecord):
    """A log record with its roadmap, concept and trace."""

    roadmap_id: UUID | None = Field(description="ID of the roadmap; null: none.")
    trace_id: UUID | None = Field(description="Trace ID, the same in all processes; null: none.")


def search(wanted: LogFilter, *, before: UUID | None = None, limit: int = 50) -> Page[LogEntry]:
    """Return a page, the newest first. Raises Invalid, Unavailable.

    `before` is the id at which the previous page ended.
    """
    with _in_time():
        return page_of(_read(page_query(wanted, before, limit + 1)), limit)


def newer(wanted: LogFilter, after: UUID, limit: int = 100) -> list[LogEntry]:
    """Return records after an id, the oldest first.

    Pass the last id to follow the log.

    It is two seconds behind, so that records of other processes are in order; records that the
    queue delays for longer are left out. Raises Invalid, Unavailable.
    """
    settled = first_id(clock.now() - SETTLES)
    return _following(wanted, {"id__gt": after, "id__lt": settled}, limit)


def export(wanted: LogFilter) -> Iterator[bytes]:
    """Yield all records up to now, the oldest first, as NDJSON, many lines at a time.

    Each step can raise Invalid and Unavailable.
    """
    end, after = new_id(), UUID(int=0)
    while rows := _following(wanted, {"id__gt": after, "id__lte": end}, EXPORTED_AT_ONCE):
        after = rows[-1].id
        yield b"".join(row.model_dump_json().encode() + b"\n" for row in rows)
        if len(rows) < EXPORTED_AT_ONCE:
            return


def categories() -> list[str]:
    """Return the categories of all records, in order. Raises Invalid, Unavailable."""
    with _in_time():
        return [str(category) for (category,) in database.execute_sql(CATEGORIES).fetchall()]


def page_query(wanted: LogFilter, before: UUID | None, limit: int) -> peewee.Select:
    """Return the query of a page, in a session. Raises Invalid."""
    query = _query(wanted, {} if before is None else {"id__lt": before})
    return query.order_by(ExecutionLog.id.desc()).limit(limit)


def parsed(text: str) -> Wanted:
    """Return the terms of a search; empty when it has no word."""
    alternatives: Wanted = [[]]
    for found in PIECE.finditer(text):
        word = found["word"]
        if word is not None and word.lower() == "or" and not found["not"]:
            alternatives.append([])
            continue
        term = Term(found["phrase"] if word is None else word, bool(found["not"]))
        if term.words:
            alternatives[-1].append(term)
    return [terms for terms in alternatives if terms]


def as_websearch(wanted: Wanted) -> str:
    """Return a query for `websearch_to_tsquery`, without signs of its syntax."""
    return " or ".join(
        " ".join(f'{"-" * term.unwanted}"{term.words}"' for term in terms) for terms in wanted
    )


def _query(wanted: LogFilter, between: Mapping[str, UUID]) -> peewee.Select:
    """Return a query, in a session. Raises Invalid."""
    # The index of steps begins with the category, and there is one of roadmaps, not of concepts.
    known = categories() if wanted.step and not wanted.categories else wanted.categories
    roadmap_id = wanted.roadmap_id
    if wanted.concept_id is not None and roadmap_id is None:
        roadmap_id = Concept.select(Concept.roadmap).where(Concept.id == wanted.concept_id).scalar()
    filters = {
        "level__in": wanted.levels,
        "category__in": known,
        "step": wanted.step,
        "concept_id": wanted.concept_id,
        "roadmap_id": roadmap_id,
        "trace_id": wanted.trace_id,
        "id__gte": wanted.since and first_id(wanted.since),
        "id__lt": wanted.until and first_id(wanted.until),
    }
    query = ExecutionLog.select().filter(**between)
    query = query.filter(**{name: value for name, value in filters.items() if value})
    text = _text_condition(wanted.text)
    return query if text is None else query.where(text)


def _following(wanted: LogFilter, between: Mapping[str, UUID], limit: int) -> list[LogEntry]:
    """Return records between ids, the oldest first. Raises Invalid, Unavailable."""
    with _in_time():
        return _read(_query(wanted, between).order_by(ExecutionLog.id).limit(limit))


def _read(query: peewee.Select) -> list[LogEntry]:
    return [LogEntry.model_validate(row, from_attributes=True) for row in query]


@contextmanager
def _in_time() -> Iterator[None]:
    """Transaction for one page. Raises Invalid when the search takes too long."""
    try:
        with limited(statement=SEARCH_SECONDS, lock=LOCK_SECONDS):
            yield
    except StatementTimeout:
        rule = FieldError(
            "?text",
            f"takes longer than {SEARCH_SECONDS:g} s: narrow it by time range, roadmap or trace",
        )
        raise Invalid(SLOW, fields=(rule,)) from None


def _text_condition(text: str) -> Any:
    """Return the condition of a search for text; None: it has no words. Raises Invalid."""
    if len(text) > LONGEST_TEXT:
        rule = FieldError(
            "?text", f"has {len(text)} characters; at most {LONGEST_TEXT} are allowed"
        )
        raise Invalid("The search text is too long.", fields=(rule,))
    wanted = parsed(text)
    if text.strip() and not wanted:
        rule = FieldError("?text", "contains no word, only punctuation")
        raise Invalid("The search text is not valid.", fields=(rule,))
    if not wanted:
        return None
    if is_postgres():
        dictionary = peewee.SQL("'pg_catalog.simple'::regconfig")
        return peewee.Expression(
            peewee.fn.execution_log_words(ExecutionLog.message, ExecutionLog.step),
            "@@",
            peewee.fn.websearch_to_tsquery(dictionary, as_websearch(wanted)),
        )
    return reduce(or_, (reduce(and_, map(_has, terms)) for terms in wanted))


def _has(term: Term) -> Any:
    found = ExecutionLog.message.contains(term.text) | ExecutionLog.step.contains(term.text)
    return ~found if term.unwanted else found
