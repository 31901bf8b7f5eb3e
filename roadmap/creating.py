"""Accept roadmaps, many requests in one transaction; limit the roadmaps that are being made."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import peewee

from core import clock, tracing
from core.errors import TooMany, Unauthenticated, Unavailable
from core.ids import new_id
from core.runtime import is_postgres, session, settings, transaction
from core.tracing import Trace
from models.accounts import Account
from models.bulk import insert_rows
from models.roadmaps import Roadmap
from roadmap import events, first_answers
from roadmap.events import EventType
from roadmap.first_answers import Answered, Name
from roadmap.requests import RoadmapRequest
from roadmap.statuses import RoadmapStatus
from roadmap.steps import Step, StepName

CLOSE = 16  # roadmaps beside half of the limit of an account
COME_BACK = 30  # seconds, when too many wait for a worker
UNDER_WAY = peewee.SQL("status IN ('queued', 'planning', 'building')")  # in the words of the index, which SQLite compares


@dataclass(frozen=True, slots=True)
class NewRoadmap:
    """An accepted request on its way into the database."""

    owner_id: UUID
    request: RoadmapRequest
    id: UUID
    answer: Answered | None = None  # to keep, when the request has a name
    trace: Trace | None = field(default_factory=tracing.current, compare=False)  # of its request: it is made there


def new_roadmap(owner_id: UUID, request: RoadmapRequest) -> NewRoadmap:
    return NewRoadmap(owner_id=owner_id, request=request, id=new_id())


class AccountBusy(Exception):
    """Another transaction holds the row of the account, which is close to its limit.

    The request is to be tried alone, where it may wait.
    """


def create_many(batch: Sequence[NewRoadmap], *, waits: bool = False) -> list[Step | Answered | Exception]:
    """Commit all of them together; a row that breaks the batch is tried alone, so that it fails alone.

    A request that was answered before gets that answer. Without `waits`, requests of an account
    whose row is held elsewhere get AccountBusy instead of making all others wait.
    """
    try:
        room, before, busy = _insert(batch, waits)
    except peewee.IntegrityError:
        if len(batch) == 1:
            return [Unauthenticated("The account of this token does not exist any more. Log in again.")]
        return [result for new in batch for result in create_many([new], waits=waits)]
    except Unavailable as error:
        return [error] * len(batch)
    return [AccountBusy() if new.owner_id in busy else _result(new, room, before) for new in batch]


def count_queued(most: int, *conditions: Any) -> int:
    """Roadmaps that wait for a worker; counted no further than to `most`."""
    waiting = Roadmap.select(peewee.SQL("1")).where(Roadmap.status == RoadmapStatus.queued, *conditions).limit(most)
    with session():
        return int(waiting.count())


def check_room(owner_id: UUID, roadmap_id: UUID) -> None:
    """Raise TooMany or Unavailable unless this roadmap may be made beside the others.

    Exact in a transaction that holds the account's row.
    """
    most, others = settings.most_queued_roadmaps, Roadmap.id != roadmap_id
    if Roadmap.select().where(Roadmap.owner == owner_id, UNDER_WAY, others).count() >= settings.most_unfinished_roadmaps:
        raise _too_many()
    if (waiting := count_queued(most, others)) >= most:
        raise too_long_a_queue(waiting)


def take_room(owner_id: UUID, roadmap_id: UUID) -> None:
    """Check that there is room for one more, in the transaction that starts its work.

    The account's row is written: a transaction with an older snapshot (If-Match) would not count
    this roadmap, and fails at that row instead.
    """
    check_room(owner_id, roadmap_id)
    Account.update(name=Account.name).where(Account.id == owner_id).execute()


def too_long_a_queue(waiting: int) -> Unavailable:
    return Unavailable(f"{waiting} roadmaps wait for a worker already. Try again later.", retry_after=COME_BACK)


def _insert(batch: Sequence[NewRoadmap], waits: bool) -> tuple[set[UUID], dict[str, Answered], set[UUID]]:
    """Insert those for which there is room in their account's limit.

    Return their ids, what was answered before, and the accounts that are busy, for which nothing
    was done.
    """
    now = clock.now()
    common = {"status": RoadmapStatus.queued, "due_at": now, "last_seq": 1, "created_at": now, "updated_at": now}
    before: dict[str, Answered] = {}
    with transaction():
        under_way, busy = _counted(batch, waits)
        batch = [new for new in batch if new.owner_id not in busy]
        named = [new for new in batch if new.answer is not None]
        fit = _fitting(_first_of_each(batch), under_way)
        kept = first_answers.keep_all(_answers(fit))
        made = [new for new in fit if new.answer is None or _hash(new) in kept]  # whose answer is kept is made, whatever follows
        if len(made) < len(fit):  # some were answered before: these need no room, and others may have theirs
            known = first_answers.earlier(_names(named))
            before = {key_hash: answer for key_hash, answer in known.items() if key_hash not in kept}
            ids = {new.id for new in made}
            others = [new for new in _first_of_each(batch) if new.id not in ids and _hash(new) not in before]
            more = _fitting(others, under_way, beside=made)
            kept = first_answers.keep_all(_answers(more))
            made += [new for new in more if new.answer is None or _hash(new) in kept]
        fit = made
        insert_rows(Roadmap, [{**new.request.model_dump(), "id": new.id, "owner": new.owner_id} for new in fit], common=common)
        events.append_first([new.id for new in fit], EventType.queued)
        ids = {new.id for new in fit}
        late = [new for new in named if new.id not in ids and _hash(new) not in before]
        before |= first_answers.earlier(_names(late))  # of what came twice at once, here or in another process
    return ids, before, busy


def _first_of_each(batch: Iterable[NewRoadmap]) -> Iterator[NewRoadmap]:
    """Without those that have the name of an earlier one."""
    seen = set()
    for new in batch:
        if new.answer is None or _hash(new) not in seen:
            seen.add(_hash(new))
            yield new


def _answers(batch: Iterable[NewRoadmap]) -> list[Answered]:
    return [new.answer for new in batch if new.answer is not None]


def _names(batch: Iterable[NewRoadmap]) -> list[Name]:
    return [new.answer.name for new in batch if new.answer is not None]


def _result(new: NewRoadmap, room: set[UUID], before: Mapping[str, Answered]) -> Step | Answered | Exception:
    if new.id in room:
        return Step(StepName.plan_roadmap, new.id, trace=new.trace)
    return before.get(_hash(new)) or _too_many()


def _hash(new: NewRoadmap) -> str:
    return new.answer.name.key_hash if new.answer is not None else ""


def _fitting(batch: Iterable[NewRoadmap], counted: Counter[UUID], beside: Sequence[NewRoadmap] = ()) -> list[NewRoadmap]:
    """Those for which there is room `beside` others and what was counted."""
    under_way = counted + Counter(new.owner_id for new in beside)
    fit = []
    for new in batch:
        if under_way[new.owner_id] < settings.most_unfinished_roadmaps:
            under_way[new.owner_id] += 1
            fit.append(new)
    return fit


def _counted(batch: Iterable[NewRoadmap], waits: bool) -> tuple[Counter[UUID], set[UUID]]:
    """Count what each account has under way; also return the accounts that are busy.

    Exact for accounts that are close to their limit: their rows are held. For others, processes
    that commit at once do not count each other's, and three that each bring a third of the limit
    could exceed it.
    """
    asked, most = Counter(new.owner_id for new in batch), settings.most_unfinished_roadmaps
    under_way = _under_way(asked)
    close = {id_ for id_ in asked if under_way[id_] < most < 2 * (under_way[id_] + asked[id_] + CLOSE)}
    if not (close and is_postgres()):  # SQLite lets nobody else write meanwhile
        return under_way, set()
    taken = _take(close, waits)
    again = _under_way(taken)
    under_way.update({id_: again[id_] - under_way[id_] for id_ in taken})
    return under_way, close - taken


def _take(owners: Collection[UUID], waits: bool) -> set[UUID]:
    """Hold the rows of these accounts and return their ids; without `waits`, skip the rows that are held elsewhere."""
    rows = Account.select(Account.id).where(Account.id.in_(list(owners)))
    rows = rows.for_update("FOR NO KEY UPDATE" if waits else "FOR NO KEY UPDATE SKIP LOCKED")
    changed = Account.update(name=Account.name).where(Account.id.in_(rows)).returning(Account.id)  # as `take_room` does
    return {account.id for account in changed.execute()}


def _under_way(owners: Collection[UUID]) -> Counter[UUID]:
    mine = Roadmap.select(Roadmap.owner, peewee.fn.COUNT(Roadmap.id)).where(Roadmap.owner.in_(list(owners)), UNDER_WAY)
    return Counter(dict(mine.group_by(Roadmap.owner).tuples()))


def _too_many() -> TooMany:
    most = settings.most_unfinished_roadmaps
    return TooMany(f"{most} of your roadmaps are being made already. Wait until one is finished, or cancel one.", retry_after=60)
