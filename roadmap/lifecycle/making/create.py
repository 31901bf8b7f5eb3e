"""Creation of roadmaps, many requests per transaction, within limits of work."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import peewee

from core import clock, tracing
from core.db import PreparedStatement, is_postgres, session, settings, transaction
from core.errors import RateLimited, Unauthenticated, Unavailable
from core.ids import new_id
from models.accounts import Account
from models.bulk import insert_rows
from models.roadmaps import Roadmap, RoadmapEvent
from roadmap.accounts import idempotency_store
from roadmap.accounts.idempotency_store import StoredAnswer
from roadmap.accounts.locks import lock_account
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import EventType, Job, JobName, RoadmapStatus

COME_BACK = 30  # seconds, when too many wait for a worker
COUNTED_FOR = 1.0  # seconds
# A lower limit is exact: the account is locked first. Others may be exceeded by a batch or a tenth
# for each process, for which accepting is several times as fast.
EXACT_BELOW = 100
MOST_COUNTED = 10_000  # accounts
# The text of the index, which SQLite compares.
UNDER_WAY = peewee.SQL("status IN ('queued', 'planning', 'building')")
# Counts what is under way, then inserts keys, roadmaps and their first events: one round trip, for
# PostgreSQL. What does not fit, and what has a key that is known, is left out.
INSERT_AT_ONCE = PreparedStatement(
    "insert_roadmaps",
    ("json", "bigint", "timestamp", "text"),
    """
WITH asked AS (
    SELECT *, row_number() OVER (PARTITION BY owner ORDER BY id) AS place
    FROM json_to_recordset($1) AS asked(
        id uuid, owner uuid, goal text, level text, hours_per_week integer, deadline date,
        background text, motivation text, preferences text, language text,
        resource_language text, review boolean, clarify boolean, scope text, recent integer,
        key_hash text, fingerprint text, answer_status integer, headers jsonb, content text)
), under_way AS (
    SELECT owner, coalesce(recent, (
        SELECT count(*) FROM roadmap
        WHERE owner_id = owner AND status IN ('queued', 'planning', 'building')
    )) AS number
    FROM (SELECT DISTINCT owner, recent FROM asked) AS owners
), fitting AS (
    SELECT * FROM asked JOIN under_way USING (owner) WHERE place + number <= $2
), key AS (
    INSERT INTO first_answer
        (key_hash, owner_id, fingerprint, status, headers, content, is_repeatable, created_at)
    SELECT key_hash, owner, fingerprint, answer_status, headers, convert_to(content, 'UTF8'), true,
        $3
    FROM fitting WHERE key_hash IS NOT NULL ORDER BY key_hash
    ON CONFLICT DO NOTHING RETURNING key_hash
), made AS (
    INSERT INTO roadmap
        (id, owner_id, goal, level, hours_per_week, deadline, background, motivation,
        preferences, language, resource_language, review, clarify, scope, approved, revision,
        title, generator, weeks, hours, status, error, contents_total, contents_ready,
        contents_failed, spent, over_budget, last_seq, created_at, updated_at, due_at, attempts,
        interruptions)
    SELECT id, owner, goal, level, hours_per_week, deadline, background, motivation,
        preferences, language, resource_language, review, clarify, scope, false, 0, '', '', 0, 0,
        'queued', '', 0, 0, 0, 0, false, 1, $3, $3, $3, 0, 0
    FROM fitting WHERE key_hash IS NULL OR key_hash IN (SELECT key_hash FROM key)
    RETURNING id
), event AS (
    INSERT INTO roadmap_event (roadmap_id, seq, type, data, at)
    SELECT id, 1, $4, '{}', $3 FROM made
)
SELECT id, owner, number FROM made JOIN fitting USING (id)
""",
)


@dataclass(frozen=True, slots=True)
class NewRoadmap:
    """An accepted request on its way into the database."""

    owner_id: UUID
    request: RoadmapRequest
    id: UUID = field(default_factory=new_id)
    answer: StoredAnswer | None = None  # to keep, if the request has an Idempotency-Key
    trace: tracing.TraceContext | None = field(default_factory=tracing.current, compare=False)

    @property
    def key_hash(self) -> str:
        """Hash of its Idempotency-Key, empty if it has none."""
        return self.answer.key.key_hash if self.answer is not None else ""


def create_many(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    """Commit a batch in one transaction, or each alone if one breaks it.

    A request that was answered before gets that answer.
    """
    at_once = is_postgres() and settings.most_unfinished_roadmaps >= EXACT_BELOW
    return _insert_batch_or_each(_insert_at_once if at_once else _insert, batch)


def rehearse(request: RoadmapRequest) -> None:
    """Run what the first request will run, in a transaction that is rolled back."""
    with suppress(_Rehearsed), transaction():
        if (owner_id := Account.select(Account.id).limit(1).scalar()) is not None:
            create_many([NewRoadmap(owner_id, request)])
        raise _Rehearsed


class _Rehearsed(Exception):
    pass


@session()
def count_queued(most: int, *conditions: Any) -> int:
    """Return the number of roadmaps that wait for a worker, at most `most`."""
    waiting = Roadmap.select(peewee.SQL("1")).where(
        Roadmap.status == RoadmapStatus.queued, *conditions
    )
    return int(waiting.limit(most).count())


def check_room(owner_id: UUID, roadmap_id: UUID) -> None:
    """Raise RateLimited or Unavailable unless there is room for this roadmap.

    Exact in a transaction that holds the account's row.
    """
    most, others = settings.most_queued_roadmaps, Roadmap.id != roadmap_id
    if (
        Roadmap.select().where(Roadmap.owner == owner_id, UNDER_WAY, others).count()
        >= settings.most_unfinished_roadmaps
    ):
        raise _too_many()
    if (waiting := count_queued(most, others)) >= most:
        raise too_long_a_queue(waiting)


def take_room(owner_id: UUID, roadmap_id: UUID) -> None:
    """Check that there is room for a roadmap, in the transaction that starts its work.

    The account's row is written: another command with an older snapshot (If-Match) would not count
    this roadmap, and fails at that row instead. New roadmaps do not write it.
    """
    check_room(owner_id, roadmap_id)
    Account.update(name=Account.name).where(Account.id == owner_id).execute()


def too_long_a_queue(waiting: int) -> Unavailable:
    return Unavailable(
        f"{waiting} roadmaps are already waiting for a worker. Try again later.",
        retry_after=COME_BACK,
    )


def _insert_batch_or_each(
    insert: Callable[[Sequence[NewRoadmap]], list[Job | StoredAnswer | Exception]],
    batch: Sequence[NewRoadmap],
) -> list[Job | StoredAnswer | Exception]:
    try:
        return insert(batch)
    except peewee.IntegrityError:
        if len(batch) > 1:
            return [result for new in batch for result in _insert_batch_or_each(insert, [new])]
        return [
            Unauthenticated(
                "The account of this token no longer exists. Log in with another account."
            )
        ]
    except Unavailable as error:
        return [error] * len(batch)


def _insert_at_once(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    """Insert roadmaps in one statement; those that it left out one step after the other."""
    rows: dict[Any, dict[str, Any]] = {}
    recent = _counted_lately(Counter(new.owner_id for new in batch))
    for new in batch:
        row = new.request.model_dump(mode="json")
        row |= {
            "id": new.id.hex,
            "owner": new.owner_id.hex,
            "recent": recent.get(new.owner_id),
        }
        if (answer := new.answer) is not None:
            row |= {
                "key_hash": answer.key.key_hash,
                "fingerprint": answer.key.fingerprint,
                "answer_status": answer.status,
                "headers": answer.headers,
                "content": (answer.content or b"").decode(),
            }
        rows.setdefault(new.key_hash or new.id, row)  # a key may come twice
    values = (
        json.dumps([*rows.values()]),
        settings.most_unfinished_roadmaps,
        clock.now().replace(tzinfo=None),  # as all times are stored, in UTC
        EventType.queued,
    )
    with session():
        inserted = INSERT_AT_ONCE.execute(*values).fetchall()
    made = {id_ for id_, _, _ in inserted}
    _keep_counts(
        {owner: number for _, owner, number in inserted if owner not in recent},
        let_in=[owner for _, owner, _ in inserted],
    )
    left = [new for new in batch if new.id not in made]
    results: list[Job | StoredAnswer | Exception]
    try:
        results = _insert_batch_or_each(_insert, left) if left else []
    except Exception as error:  # an edge: those that were made are committed and are answered so
        results = [error] * len(left)
    others = dict(zip((new.id for new in left), results, strict=True))
    return [
        Job(JobName.plan_roadmap, new.id, trace=new.trace) if new.id in made else others[new.id]
        for new in batch
    ]


def _insert(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    """Insert roadmaps for which there is room, with their first events; return results."""
    now = clock.now()
    with transaction():
        if settings.most_unfinished_roadmaps < EXACT_BELOW:
            for owner_id in sorted({new.owner_id for new in batch}):
                lock_account(owner_id)
        before = _find(batch)
        first: dict[Any, NewRoadmap] = {}  # without requests that repeat a key
        for new in batch:
            if new.key_hash not in before:
                first.setdefault(new.key_hash or new.id, new)
        fit = _fitting(list(first.values()))
        stored = idempotency_store.store_all([new.answer for new in fit if new.answer is not None])
        made = [new for new in fit if new.answer is None or new.key_hash in stored]
        insert_rows(
            Roadmap,
            [{**new.request.model_dump(), "id": new.id, "owner": new.owner_id} for new in made],
            common={
                "status": RoadmapStatus.queued,
                "due_at": now,
                "last_seq": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        insert_rows(
            RoadmapEvent,
            [{"roadmap": new.id} for new in made],
            common={"seq": 1, "type": EventType.queued, "data": {}, "at": now},
        )
        _keep_counts({}, let_in=[new.owner_id for new in made])
        ids = {new.id for new in made}
        # The others may have come twice at once, here or in another process.
        before |= _find([new for new in batch if new.id not in ids and new.key_hash not in before])
    return [
        Job(JobName.plan_roadmap, new.id, trace=new.trace)
        if new.id in ids
        else before.get(new.key_hash) or _too_many()
        for new in batch
    ]


def _find(batch: Sequence[NewRoadmap]) -> dict[str, StoredAnswer]:
    """Return the stored answers of these requests by the hash of their key."""
    return idempotency_store.find([new.answer.key for new in batch if new.answer is not None])


def _fitting(batch: Sequence[NewRoadmap]) -> list[NewRoadmap]:
    """Return those for which their account has room."""
    asked = Counter(new.owner_id for new in batch)
    under_way = Counter(_counted_lately(asked))
    if owners := asked.keys() - under_way.keys():
        query = Roadmap.select(Roadmap.owner, peewee.fn.COUNT(Roadmap.id)).group_by(Roadmap.owner)
        found = query.where(Roadmap.owner.in_(list(owners)), UNDER_WAY).tuples()
        counts = {**dict.fromkeys(owners, 0), **dict(found)}
        _keep_counts(counts)
        under_way.update(counts)
    fit = []
    for new in batch:
        if under_way[new.owner_id] < settings.most_unfinished_roadmaps:
            under_way[new.owner_id] += 1
            fit.append(new)
    return fit


def _counted_lately(asked: Mapping[UUID, int]) -> dict[UUID, int]:
    """Return the roadmaps under way of accounts that are far below their limit.

    To count reads all of them. Up to a tenth of the limit, unless that is exact, a count of the
    last second is enough, to which this process has added what it let in since.
    """
    now, most = monotonic(), settings.most_unfinished_roadmaps
    enough = most // 10 if most >= EXACT_BELOW else 0
    known = {}
    for owner, more in asked.items():
        number, at = _counted.get(owner, (enough, now))
        if number + more < enough and now - at < COUNTED_FOR:
            known[owner] = number
    return known


def _keep_counts(counts: Mapping[UUID, int], *, let_in: Iterable[UUID] = ()) -> None:
    """Keep counts of the database, and add an account for each roadmap that was let in."""
    if len(_counted) > MOST_COUNTED:
        _counted.clear()
    now = monotonic()
    for owner, number in counts.items():
        _counted[owner] = number, now
    for owner in let_in:
        number, at = _counted.get(owner, (0, 0.0))
        _counted[owner] = number + 1, at


_counted: dict[UUID, tuple[int, float]] = {}  # by account: roadmaps under way, and when it was


def _too_many() -> RateLimited:
    return RateLimited(
        f"{settings.most_unfinished_roadmaps} roadmaps of this account are already in "
        "progress. Wait until one is finished, or cancel one.",
        retry_after=60,
    )
