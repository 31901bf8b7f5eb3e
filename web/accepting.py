"""The accept path: requests that arrive together are committed together, and answered right after the commit."""

from collections.abc import Sequence

from core.batching import Batcher
from roadmap.creating import NewRoadmap, create_many
from roadmap.execution_log import record
from roadmap.steps import Step
from tasks.sending import Sender

sender = Sender()


def _commit(batch: Sequence[NewRoadmap]) -> list[Step | Exception]:
    results = create_many(batch)
    steps = [result for result in results if isinstance(result, Step)]
    for step in steps:  # before a worker can have anything to say about it
        record("api", "accept", "Accepted the goal", roadmap_id=step.id)
    sender.submit(steps)
    return results


accepted: Batcher[NewRoadmap, Step] = Batcher(_commit, name="Writer")


def start() -> None:
    sender.start()
    accepted.start()


def stop() -> None:
    """Answer and send everything that was accepted."""
    accepted.stop()
    sender.stop()
