"""The accept path: requests that arrive together are committed together, and answered right after the commit."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from starlette.requests import Request

from core.batching import Batcher
from core.runtime import database
from core.tracing import entered
from roadmap import account_exports
from roadmap.account_exports import ExportInfo
from roadmap.creating import NewRoadmap, create_many
from roadmap.decisions import Decided
from roadmap.execution_log import record
from roadmap.first_answers import Answered
from roadmap.importing import IN_FILE, Missing, imported
from roadmap.portable import PortableRoadmap
from roadmap.reading import RoadmapSummary
from roadmap.steps import Step
from tasks.sending import Sender
from web import limits
from web.backlog import backlog
from web.noting import note

sender = Sender()


def _commit(batch: Sequence[NewRoadmap]) -> list[Step | Answered | Exception]:
    results = create_many(batch)
    steps = [result for result in results if isinstance(result, Step)]
    for step in steps:  # before a worker can have anything to say about it
        with entered(step.trace):
            record("api", "accept", "Accepted the goal", roadmap_id=step.id)
    sender.submit(steps)
    return results


accepted: Batcher[NewRoadmap, Step | Answered] = Batcher(_commit, name="Writer")


async def accept(new: NewRoadmap) -> Answered | None:
    """None once it is committed; what was answered to the first request of its name, when there was one before.

    Raises Unavailable, TooMany, Unauthenticated.
    """
    backlog.check()
    result = await accepted.submit(new)
    return result if isinstance(result, Answered) else None


def send(steps: Sequence[Step]) -> None:
    """When what they follow from is committed. Never waits for the broker."""
    database.after_commit(partial(sender.submit, steps))


def carry_out(roadmap_id: UUID, made: Decided) -> None:
    """Send what follows from a decision, and log it, after the commit."""
    send(made.steps)
    message = f"{made.what}: revision {made.revision} is {made.status}"
    database.after_commit(partial(record, "api", "decide", message, roadmap_id=roadmap_id))


def take_in(
    owner_id: UUID, document: PortableRoadmap, missing: Missing = IN_FILE
) -> RoadmapSummary:
    """Import a checked document; `missing` is said of the parts that it does not have.

    Raises TooMany, Unavailable.
    """
    limits.count_import(owner_id)
    made = imported(owner_id, document, missing)
    send(made.steps)
    return made.roadmap


def order_export(request: Request, owner_id: UUID) -> ExportInfo:
    """Order an archive of all data of the account. Raises TooMany, Unavailable."""
    limits.count_export(owner_id)
    made, steps = account_exports.order(owner_id)
    send(steps)
    note(request, "export-ordered", account=owner_id, export=made.id)
    return made


def start() -> None:
    sender.start()
    accepted.start()


def stop() -> None:
    """Answer and send everything that was accepted."""
    accepted.stop()
    sender.stop()
