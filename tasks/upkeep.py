"""What runs by the clock, on the logs queue: rescue must not wait behind a backlog of contents."""

import logging

from huey import crontab

from core.errors import Unavailable
from roadmap import rescue
from tasks.content import send
from tasks.queues import content_queue, logs_queue

logger = logging.getLogger(__name__)

ROUNDS = 10  # of up to a thousand steps; the rest comes with the next minute
BEFORE_RECORDS = 1  # priority


@logs_queue.periodic_task(crontab(minute="*"), priority=BEFORE_RECORDS)  # type: ignore[untyped-decorator]
def rescue_overdue() -> None:
    away: tuple[type[Exception], ...] = (Unavailable, *content_queue.storage.faults)
    try:
        _rescue(waiting=content_queue.pending_count())
    except away as error:
        logger.warning("rescue tries again in a minute: %s", error)


def _rescue(waiting: int) -> None:
    for _ in range(ROUNDS):
        steps = rescue.overdue(waiting)
        send(steps)
        if len(steps) < rescue.MOST_AT_ONCE:
            return
