"""What runs by the clock, on the logs queue: rescue must not wait behind a backlog of contents."""

import logging

from huey import crontab

from core.errors import Unavailable
from roadmap import rescue
from tasks.content import send
from tasks.queues import content_queue, logs_queue

logger = logging.getLogger(__name__)


@logs_queue.periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def rescue_overdue() -> None:
    away: tuple[type[Exception], ...] = (Unavailable, *content_queue.storage.faults)
    try:
        send(rescue.overdue(waiting=content_queue.pending_count()))
    except away as error:
        logger.warning("rescue tries again in a minute: %s", error)
