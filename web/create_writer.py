"""The accept path: requests that arrive together are committed together, and answered right after the commit."""

from collections.abc import Sequence

from core.group_commit import GroupCommit
from core.tracing import entered
from roadmap.accounts.idempotency_store import StoredAnswer
from roadmap.lifecycle.create import NewRoadmap, create_many
from roadmap.operations.execution_log import record
from roadmap.plan.jobs import Job
from web.job_sender import sender
from web.load_shedding import backlog


def _commit(batch: Sequence[NewRoadmap]) -> list[Job | StoredAnswer | Exception]:
    results = create_many(batch)
    steps = [result for result in results if isinstance(result, Job)]
    for step in steps:  # before a worker can have anything to say about it
        with entered(step.trace):
            record("api", "accept", "Accepted the goal", roadmap_id=step.id)
    sender.submit(steps)
    return results


accepted: GroupCommit[NewRoadmap, Job | StoredAnswer] = GroupCommit(_commit, name="Writer")


async def accept(new: NewRoadmap) -> StoredAnswer | None:
    """None once it is committed; what was answered to the first request of its name, when there was one before.

    Raises Unavailable, TooMany, Unauthenticated.
    """
    backlog.check()
    result = await accepted.submit(new)
    return result if isinstance(result, StoredAnswer) else None


def start() -> None:
    sender.start()
    accepted.start()


def stop() -> None:
    """Answer and send everything that was accepted."""
    accepted.stop()
    sender.stop()
