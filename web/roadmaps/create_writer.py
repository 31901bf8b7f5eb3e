"""Accept path: requests that arrive together are committed together, then answered."""

from collections.abc import Sequence

from core.background_refresh import BackgroundRefresh
from core.batching import GroupCommit
from core.db import settings
from roadmap.accounts.idempotency_store import StoredAnswer
from roadmap.lifecycle.making.create import NewRoadmap, count_queued, create_many, too_long_a_queue
from roadmap.operations.execution_log import record
from roadmap.plan.statuses import Job
from tasks.dispatcher import sender


class Backlog:
    """Number of roadmaps that wait for a worker, refreshed in the background."""

    def __init__(self) -> None:
        self.waiting = 0
        self.refresher = BackgroundRefresh(self._refresh, name="Backlog")

    def _refresh(self) -> None:
        self.waiting = count_queued(settings.most_queued_roadmaps)


def _store_and_send(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    results = create_many(batch)
    jobs = []
    for result in results:
        if isinstance(result, Job):
            jobs.append(result)
            # Before a worker can log anything about it
            record("api", "accept", "Accepted the goal", roadmap_id=result.id, trace=result.trace)
    sender.submit(jobs)
    return results


writer: GroupCommit[NewRoadmap, Job | StoredAnswer] = GroupCommit(_store_and_send, name="Writer")
backlog = Backlog()


async def accept(new: NewRoadmap) -> StoredAnswer | None:
    """Commit a roadmap; return the first response to its Idempotency-Key if there is one.

    Raises Unavailable, also when new roadmaps would wait too long, RateLimited, Unauthenticated.
    """
    backlog.refresher.request()
    if backlog.waiting >= settings.most_queued_roadmaps:  # may be a second old
        raise too_long_a_queue(backlog.waiting)
    result = await writer.submit(new)
    return result if isinstance(result, StoredAnswer) else None
