"""What the queues are doing."""

from dataclasses import dataclass

from core.errors import Unavailable
from tasks.queues import content_queue, logs_queue


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of messages: ready to be claimed, held by a worker, on the schedule, put aside."""

    name: str
    ready: int
    held: int
    scheduled: int
    dead: int


def queue_states() -> list[QueueState]:
    """One for each queue. Raises Unavailable when the broker does not answer."""
    try:
        return [
            QueueState(
                name=queue.name,
                ready=queue.pending_count(),
                held=queue.storage.held_count(),
                scheduled=queue.scheduled_count(),
                dead=queue.storage.dead_count(),
            )
            for queue in (logs_queue, content_queue)
        ]
    except logs_queue.storage.faults as error:
        raise Unavailable("The broker does not answer at the moment.", retry_after=2) from error
