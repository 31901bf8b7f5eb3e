"""The accept path: requests that arrive together are committed together, and answered right after the commit."""

from collections.abc import Sequence
from functools import partial

from core.batching import Batcher
from core.runtime import database
from core.tracing import entered
from roadmap.creating import AccountBusy, NewRoadmap, create_many
from roadmap.execution_log import record
from roadmap.first_answers import Answered
from roadmap.steps import Step
from tasks.sending import Sender
from web.backlog import backlog
from web.turns import in_turn

sender = Sender()


def _commit(batch: Sequence[NewRoadmap], *, waits: bool = False) -> list[Step | Answered | Exception]:
    results = create_many(batch, waits=waits)
    steps = [result for result in results if isinstance(result, Step)]
    for step in steps:  # before a worker can have anything to say about it
        with entered(step.trace):
            record("api", "accept", "Accepted the goal", roadmap_id=step.id)
    sender.submit(steps)
    return results


def _commit_alone(new: NewRoadmap) -> Step | Answered:
    """In a thread for handlers, which may wait. Raises TooMany, Unauthenticated, Unavailable."""
    (result,) = _commit([new], waits=True)
    if isinstance(result, Exception):
        raise result
    return result


accepted: Batcher[NewRoadmap, Step | Answered] = Batcher(_commit, name="Writer")


async def accept(new: NewRoadmap) -> Answered | None:
    """None once it is committed; what was answered to the first request of its name, when there was one before.

    Raises Unavailable, TooMany, Unauthenticated.
    """
    backlog.check()
    try:
        result = await accepted.submit(new)
    except AccountBusy:
        result = await in_turn(new.owner_id, _commit_alone, new)
    return result if isinstance(result, Answered) else None


def send(steps: Sequence[Step]) -> None:
    """When what they follow from is committed. Never waits for the broker."""
    database.after_commit(partial(sender.submit, steps))


def start() -> None:
    sender.start()
    accepted.start()


def stop() -> None:
    """Answer and send everything that was accepted."""
    accepted.stop()
    sender.stop()
