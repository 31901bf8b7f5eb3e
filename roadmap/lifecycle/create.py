"""Accept roadmaps, many requests in one transaction; limit the roadmaps that are being made."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import peewee

from core import clock, tracing
from core.db import session, settings, transaction
from core.errors import RateLimited, Unauthenticated, Unavailable
from core.ids import new_id
from core.tracing import TraceContext
from models.accounts import Account
from models.bulk import insert_rows
from models.roadmaps import Roadmap
from roadmap.accounts import idempotency_store
from roadmap.accounts.idempotency_store import StoredAnswer
from roadmap.accounts.identity import IdempotencyKey
from roadmap.lifecycle import events
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import RoadmapStatus

COME_BACK = 30  # seconds, when too many wait for a worker
UNDER_WAY = peewee.SQL(
    "status IN ('queued', 'planning', 'building')"
)  # in the words of the index, which SQLite compares


@dataclass(frozen=True, slots=True)
class NewRoadmap:
    """An accepted request on its way into the database."""

    owner_id: UUID
    request: RoadmapRequest
    id: UUID
    answer: StoredAnswer | None = None  # to keep, when the request has a name
    trace: TraceContext | None = field(
        default_factory=tracing.current, compare=False
    )  # of its request: it is made there


def new_roadmap(owner_id: UUID, request: RoadmapRequest) -> NewRoadmap:
    return NewRoadmap(owner_id=owner_id, request=request, id=new_id())


def create_many(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    """Commit all of them together; a row that breaks the batch is tried alone, so that it fails alone.

    A request that was answered before gets that answer.
    """
    try:
        room, before = _insert(batch)
    except peewee.IntegrityError:
        if len(batch) == 1:
            return [
                Unauthenticated("The account of this token does not exist any more. Log in again.")
            ]
        return [result for new in batch for result in create_many([new])]
    except Unavailable as error:
        return [error] * len(batch)
    return [_result(new, room, before) for new in batch]


def count_queued(most: int, *conditions: Any) -> int:
    """Roadmaps that wait for a worker; counted no further than to `most`."""
    waiting = (
        Roadmap.select(peewee.SQL("1"))
        .where(Roadmap.status == RoadmapStatus.queued, *conditions)
        .limit(most)
    )
    with session():
        return int(waiting.count())


def check_room(owner_id: UUID, roadmap_id: UUID) -> None:
    """Raise TooMany or Unavailable unless this roadmap may be made beside the others.

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
    """Check that there is room for one more, in the transaction that starts its work.

    The account's row is written: another decision with an older snapshot (If-Match) would not count
    this roadmap, and fails at that row instead. New roadmaps do not write it.
    """
    check_room(owner_id, roadmap_id)
    Account.update(name=Account.name).where(Account.id == owner_id).execute()


def too_long_a_queue(waiting: int) -> Unavailable:
    return Unavailable(
        f"{waiting} roadmaps wait for a worker already. Try again later.", retry_after=COME_BACK
    )


def _insert(batch: Sequence[NewRoadmap]) -> tuple[set[UUID], dict[str, StoredAnswer]]:
    """Those for which there was room: no account may have more than so many under way; and what was answered before."""
    now = clock.now()
    common = {
        "status": RoadmapStatus.queued,
        "due_at": now,
        "last_seq": 1,
        "created_at": now,
        "updated_at": now,
    }
    named = [new for new in batch if new.answer is not None]
    before: dict[str, StoredAnswer] = {}
    with transaction():
        fit = _fitting(list(_first_of_each(batch)))
        kept = idempotency_store.store_all(_answers(fit))
        made = [
            new for new in fit if new.answer is None or _hash(new) in kept
        ]  # whose answer is kept is made, whatever follows
        if len(made) < len(
            fit
        ):  # some were answered before: these need no room, and others may have theirs
            known = idempotency_store.find(_names(named))
            before = {
                key_hash: answer for key_hash, answer in known.items() if key_hash not in kept
            }
            ids = {new.id for new in made}
            others = [
                new
                for new in _first_of_each(batch)
                if new.id not in ids and _hash(new) not in before
            ]
            more = _fitting(others, beside=made)
            kept = idempotency_store.store_all(_answers(more))
            made += [new for new in more if new.answer is None or _hash(new) in kept]
        fit = made
        insert_rows(
            Roadmap,
            [{**new.request.model_dump(), "id": new.id, "owner": new.owner_id} for new in fit],
            common=common,
        )
        events.append_first([new.id for new in fit], EventType.queued)
        ids = {new.id for new in fit}
        late = [new for new in named if new.id not in ids and _hash(new) not in before]
        before |= idempotency_store.find(
            _names(late)
        )  # of what came twice at once, here or in another process
    return ids, before


def _first_of_each(batch: Iterable[NewRoadmap]) -> Iterator[NewRoadmap]:
    """Without those that have the name of an earlier one."""
    seen = set()
    for new in batch:
        if new.answer is None or _hash(new) not in seen:
            seen.add(_hash(new))
            yield new


def _answers(batch: Iterable[NewRoadmap]) -> list[StoredAnswer]:
    return [new.answer for new in batch if new.answer is not None]


def _names(batch: Iterable[NewRoadmap]) -> list[IdempotencyKey]:
    return [new.answer.name for new in batch if new.answer is not None]


def _result(
    new: NewRoadmap, room: set[UUID], before: Mapping[str, StoredAnswer]
) -> Job | StoredAnswer | Exception:
    if new.id in room:
        return Job(JobName.plan_roadmap, new.id, trace=new.trace)
    return before.get(_hash(new)) or _too_many()


def _hash(new: NewRoadmap) -> str:
    return new.answer.name.key_hash if new.answer is not None else ""


def _fitting(batch: Sequence[NewRoadmap], beside: Sequence[NewRoadmap] = ()) -> list[NewRoadmap]:
    """Those for which there is room `beside` others. Processes that commit at once may each let in a batch more."""
    owners = {new.owner_id for new in batch}
    mine = Roadmap.select(Roadmap.owner, peewee.fn.COUNT(Roadmap.id)).where(
        Roadmap.owner.in_(list(owners)), UNDER_WAY
    )
    under_way = Counter(dict(mine.group_by(Roadmap.owner).tuples()))
    under_way.update(new.owner_id for new in beside)
    fit = []
    for new in batch:
        if under_way[new.owner_id] < settings.most_unfinished_roadmaps:
            under_way[new.owner_id] += 1
            fit.append(new)
    return fit


def _too_many() -> RateLimited:
    most = settings.most_unfinished_roadmaps
    return RateLimited(
        f"{most} of your roadmaps are being made already. Wait until one is finished, or cancel one.",
        retry_after=60,
    )
