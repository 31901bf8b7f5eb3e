"""Reviews and the part of a concept for today, the week so far, and the next lessons.

The home page reads them whenever they have changed: in a few queries, and of each concept only what
is needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock
from core.db import database, is_postgres, session
from core.json_types import LazyModel
from models.accounts import Account
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.accounts.access import LAST, newest_of
from roadmap.accounts.zones import zone_named, zone_of
from roadmap.learning import learning_days, reviews
from roadmap.learning.learning_days import MOST_DAYS
from roadmap.learning.progress import WeeklyGoal, parts_of
from roadmap.learning.reviews import DUE, due_keys
from roadmap.learning.schedule import Schedule, monday, schedule_of
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from roadmap.plan.views import (
    TEST_AFTER,
    ConceptNode,
    ContentState,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
    next_of,
)

LOOKED_AT = 500  # newest roadmaps of an account; no others are shown
BEGUN = 60  # of those, last learned
NEWEST = 20  # of the others
AT_ONCE = 3  # roadmaps that are read together: as many as home shows
OPEN = (ConceptProgress.todo, ConceptProgress.learning)
FINISHED = ((ConceptProgress.skipped, 0), (ConceptProgress.done, 1))  # others are open: 2
# A content that can be read, whatever it is.
SOMETHING = {ContentKind.tutorial: ContentState(status=ContentStatus.ready, version=1, error="")}
# Of a concept, for its schedule and the choice of the next one.
FACTS = ("id", "title", "hours", "progress_at", "studied")
# The state of the home page, for each visit, in SQL: peewee writes a statement more slowly than it
# is run. RECENT has bounds on all columns of an index, and their order: see in_order_of_id.
RECENT = """FROM roadmap r WHERE r.owner_id >= ? AND (r.owner_id, r.id) < (?, ?)
    AND r.trashed_at IS NULL ORDER BY r.owner_id DESC, r.id DESC"""
LEARNED_AT = """SELECT max(n.progress_at) FROM concept n
    WHERE n.roadmap_id = r.id AND n.progress_at IS NOT NULL"""
ORDER = f"""SELECT string_agg(id || ready || coalesce(at, ''), ' ') FROM (
    SELECT CAST(r.id AS text) AS id, CAST(r.contents_ready > 0 AS text) AS ready,
    CAST(({LEARNED_AT}) AS text) AS at {RECENT} LIMIT {LOOKED_AT}) AS recent"""
PROGRESS = """SELECT
    string_agg(n.id || n.progress || n.studied || ' ' || n.spent ||
    coalesce(CAST(n.progress_at AS text), ''), ' ')
    FROM concept n WHERE n.roadmap_id = r.id"""
LEARNED_ON = f"""SELECT count(*) || ' ' || sum(seconds) || ' ' || max(day) FROM (
    SELECT CAST(day AS text) AS day, seconds FROM learning_day WHERE account_id = ?
    ORDER BY learning_day.day DESC LIMIT {MOST_DAYS}) AS days"""
STATE = f"""SELECT
    (SELECT coalesce(CAST(a.profile AS text), '') || coalesce(CAST(a.weekly_goal AS text), '') ||
    a.explains_hours FROM account a WHERE a.id = ?), ({LEARNED_ON}), {DUE}, ({ORDER}),
    (SELECT string_agg(r, ' ') FROM (SELECT <r> AS r {RECENT} LIMIT ?) AS latest),
    (SELECT string_agg(<r> || coalesce(({PROGRESS}), ''), ' ') FROM roadmap r
    WHERE r.id IN (<ids>))"""
COLUMNS = " || ".join(f"quote(r.{field.column_name})" for field in Roadmap._meta.sorted_fields)


@dataclass(frozen=True, slots=True)
class NextLesson:
    """A roadmap with its next concept and its schedule."""

    id: UUID
    title: str
    goal: str
    created_at: datetime
    language: str
    next_id: UUID
    next_title: str
    schedule: Schedule


@session()
def find_lessons(owner_id: UUID, *, limit: int) -> tuple[list[NextLesson], list[UUID]]:
    """Return the next lessons, and the IDs of all roadmaps that were read for them."""
    found, read = list[NextLesson](), list[UUID]()
    zone = zone_of(owner_id)
    for ids in _candidates(owner_id):
        found += _read(ids, zone)
        read += ids
        if len(found) >= limit:
            break
    return found[:limit], read


def home_state(owner_id: UUID, at: datetime, *, latest: int, read: Sequence[UUID]) -> bytes:
    """Return a hash of what the home page shows at a time.

    That is the profile, the day, the days of learning, the number of due questions, the latest
    roadmaps and the next lessons.
    `read` are the roadmaps that were read for these; of the others only their order counts. A plan,
    and what can be read of it, change with the row of their roadmap.
    """
    owner, last = Roadmap.owner.db_value(owner_id), Roadmap.id.db_value(LAST)
    ids = [Roadmap.id.db_value(each) for each in read]
    statement = STATE.replace("<ids>", ", ".join("?" * len(ids)) or "NULL")
    if is_postgres():
        statement = statement.replace("<r>", "r::text").replace("?", "%s")
    else:
        statement = statement.replace("<r>", COLUMNS).replace("string_agg(", "group_concat(")
    recent = (owner, owner, last)
    with session():
        now = at.astimezone(zone_of(owner_id))
        due = due_keys(owner_id, now)
        row = database.execute_sql(
            statement, (owner, owner, *due, *recent, *recent, latest, *ids)
        ).fetchone()
    return sha256(f"{row} {now.date()} {now.tzinfo}".encode()).digest()


def _candidates(owner_id: UUID) -> Iterator[Sequence[UUID]]:
    """Yield roadmaps that may have a next lesson: the last learned ones, then the newest others.

    Concepts are read along an index for each of the newest roadmaps, and no others.
    """
    newest = newest_of(owner_id).columns(Roadmap.id, Roadmap.contents_ready)
    recent = newest.limit(LOOKED_AT).alias("recent")
    learned_at = (
        Concept.select(Concept.progress_at)
        .where(Concept.roadmap == recent.c.id, Concept.progress_at.is_null(False))
        .order_by(Concept.progress_at.desc())
        .limit(1)
    )
    written = (
        Roadmap.select(recent.c.id, learned_at.alias("at"))
        .from_(recent)
        .where(recent.c.contents_ready > 0)
        .order_by(recent.c.id.desc())
    )
    rows = [(Roadmap.id.python_value(id_), at) for id_, at in written.tuples()]
    begun = sorted((row for row in rows if row[1] is not None), key=itemgetter(1), reverse=True)
    others = [row for row in rows if row[1] is None]
    ids = [id_ for id_, _ in (*begun[:BEGUN], *others[:NEWEST])]
    yield from peewee.chunked(ids, AT_ONCE)


def _read(ids: Sequence[UUID], zone: tzinfo) -> list[NextLesson]:
    """Return the next lessons of those roadmaps that have one, in two queries."""
    readable = Roadmap.select().where(Roadmap.id.in_(ids), Roadmap.contents_ready > 0)
    rows = {row.id: row for row in readable}
    written = Content.select(Content.concept).where(
        Content.roadmap.in_(list(rows)), Content.version > 0
    )
    planned = (
        Concept.select(
            Concept.roadmap,
            Stage.id,
            Stage.title,
            Concept.id.in_(written),
            Concept.prerequisites,
            Concept.progress,
            Concept.spent,
            *[getattr(Concept, name) for name in FACTS],
        )
        .join(Module)
        .join(Stage)
        .where(Concept.roadmap.in_(list(rows)), ~Concept.removed)
        .order_by(Stage.position, Stage.id, Module.position, Concept.position)
    )
    concepts = list(planned.tuples())
    return [
        lesson
        for id_ in ids
        if id_ in rows
        and (lesson := _lesson(rows[id_], [each for each in concepts if each[0] == id_], zone))
    ]


def _lesson(row: Roadmap, concepts: Sequence[tuple[Any, ...]], zone: tzinfo) -> NextLesson | None:
    """Return the next lesson; None if there is nothing to read that is not learned.

    The tree has only the fields that the schedule needs.
    """
    tree: RoadmapTree = _part(
        RoadmapTree,
        hours_per_week=row.hours_per_week,
        deadline=row.deadline,
        begins_on=row.begins_on or row.created_at.astimezone(zone).date(),
        stages=[
            _part(
                StageNode,
                id=id_,
                title=title,
                modules=[_part(ModuleNode, concepts=[_concept(*each[3:]) for each in inside])],
            )
            for (id_, title), inside in groupby(concepts, key=lambda concept: concept[1:3])
        ],
    )
    nodes = {node.id: node for node in concepts_of(tree)}
    next_id = next_of(list(nodes.values()))
    if next_id is None:
        return None
    return NextLesson(
        id=row.id,
        title=row.title,
        goal=row.goal,
        created_at=row.created_at,
        language=row.language,
        next_id=next_id,
        next_title=nodes[next_id].title,
        schedule=schedule_of(tree, clock.now().astimezone(zone).date(), zone),
    )


def _concept(
    readable: bool | int, needs: list[str], progress: str, spent: int, *values: Any
) -> Any:
    return _part(
        ConceptNode,
        **dict(zip(FACTS, values, strict=True)),
        progress=ConceptProgress(progress),
        spent_minutes=spent // 60,
        prerequisites=[UUID(each) for each in needs],
        contents=SOMETHING if readable else {},
    )


def _part(model: type[BaseModel], **fields: Any) -> Any:
    """Return a model with some of its fields only."""
    return model.model_construct(**fields)


class NextPart(LazyModel):
    """Part of a concept: a sitting of at most half an hour. The last one ends with the quiz."""

    roadmap_id: UUID
    concept_id: UUID
    concept_title: str = Field(description="Title of the concept.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    section: str = Field(description="Heading where the part begins; empty: the introduction.")
    part: int = Field(description="Number of the part, from 1.")
    parts: int = Field(description="Number of parts of the concept.")
    minutes: int = Field(description="Minutes to read it, by its words and code.")
    practice_minutes: int = Field(
        description="Estimated minutes to practise the concept, beside reading."
    )


class Today(LazyModel):
    """Reviews and the next part for today, in the time zone of the account, and the week so far."""

    today: date = Field(description="The day.")
    time_zone: str = Field(description="Time zone of the account.")
    due: int = Field(description=f"Number of due questions, counted up to {reviews.MOST_COUNTED}.")
    review_minutes: int = Field(description="Estimated time for them.")
    next: NextPart | None = Field(description="The next part; null: nothing is left to learn.")
    days: int = Field(description="Days of this week with learning; weeks begin on Monday.")
    minutes: int = Field(
        description="Minutes spent this week on lessons, quizzes and reviews, within the plan."
    )
    goal: WeeklyGoal | None = Field(
        description="Goal of the profile, or the hours per week of the roadmap of `next`."
    )
    explains_hours: bool = Field(
        description="Whether hours changed from those of the plan to time spent, and the note "
        "about it was not dismissed."
    )
    streak: int = Field(
        description="Days of learning up to today; one missed day in 7 does not end them."
    )
    test_of: UUID | None = Field(
        description="A roadmap whose test of all concepts is due; null: none."
    )


def read_today(owner_id: UUID) -> Today:
    """Return what to learn today."""
    return today_with(owner_id, next(iter(find_lessons(owner_id, limit=1)[0]), None))


def today_with(owner_id: UUID, lesson: NextLesson | None) -> Today:
    """Return what to learn today, of which the lesson to continue with is known."""
    with session():
        stored = Account.select(Account.time_zone, Account.weekly_goal, Account.explains_hours)
        zone, goal, explains = stored.where(Account.id == owner_id).tuples().get()
        now = clock.now().astimezone(zone_named(zone))
        today = now.date()
        due = reviews.count_due(owner_id, now)
        days = learning_days.read(owner_id)
        part = None if lesson is None else _next_part(lesson)
        newest = newest_of(owner_id).columns(Roadmap.id).limit(LOOKED_AT)
        test_of = (
            Concept.select(Concept.roadmap)
            .where(
                Concept.roadmap.in_(newest.where(Roadmap.test["taken_at"].is_null())),
                ~Concept.removed,
            )
            .group_by(Concept.roadmap)
            .having(
                peewee.fn.MAX(peewee.Case(Concept.progress, FINISHED, 2)) == 1,
                peewee.fn.MAX(Concept.progress_at) <= now - TEST_AFTER,
            )
            .scalar()
        )
    if goal is None and lesson is not None:
        goal = {"amount": lesson.schedule.hours_per_week, "unit": "hours"}
    week = [days[day] for day in days if monday(day) == monday(today)]
    return Today(
        today=today,
        time_zone=zone or "UTC",
        due=due,
        review_minutes=-(-due * reviews.SECONDS_A_REVIEW // 60),
        next=part,
        days=len(week),
        minutes=sum(week) // 60,
        goal=goal and WeeklyGoal.model_validate(goal),
        explains_hours=explains,
        streak=learning_days.streak(days, today),
        test_of=test_of,
    )


def _next_part(lesson: NextLesson) -> NextPart:
    hours, studied = (
        Concept.select(Concept.hours, Concept.studied)
        .where(Concept.id == lesson.next_id)
        .tuples()
        .get()
    )
    parts = parts_of(lesson.next_id)
    part = next((each for each in parts if each.end > studied), parts[-1])
    return NextPart(
        roadmap_id=lesson.id,
        concept_id=lesson.next_id,
        concept_title=lesson.next_title,
        language=lesson.language,
        section=part.title,
        part=part.number,
        parts=len(parts),
        minutes=part.end - part.begin,
        practice_minutes=max(hours * 60 - parts[-1].end, 0),
    )
