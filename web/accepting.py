"""The accept path: requests that arrive together are committed together, and answered right after the commit."""

from collections.abc import Sequence
from uuid import UUID

from core.batching import Batcher
from roadmap.creating import NewRoadmap, create_many, new_roadmap
from roadmap.execution_log import record
from roadmap.requests import RoadmapRequest
from roadmap.steps import Step
from tasks.sending import Sender
from web.backlog import backlog

sender = Sender()


def _commit(batch: Sequence[NewRoadmap]) -> list[Step | Exception]:
    results = create_many(batch)
    steps = [result for result in results if isinstance(result, Step)]
    for step in steps:  # before a worker can have anything to say about it
        record("api", "accept", "Accepted the goal", roadmap_id=step.id)
    sender.submit(steps)
    return results


accepted: Batcher[NewRoadmap, Step] = Batcher(_commit, name="Writer")


async def accept(owner_id: UUID, request: RoadmapRequest) -> UUID:
    """The id of the new roadmap, once it is committed. Raises Unavailable, TooMany, Unauthenticated."""
    backlog.check()
    new = new_roadmap(owner_id, request)
    await accepted.submit(new)
    return new.id


def start() -> None:
    sender.start()
    accepted.start()


def stop() -> None:
    """Answer and send everything that was accepted."""
    accepted.stop()
    sender.stop()
