"""The Huey queues and the decorator that makes their tasks."""

import functools
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from huey.exceptions import RetryTask

from core import clock, metric_counters
from core.db import settings
from core.errors import Unavailable
from core.logging_setup import take_over
from core.metric_definitions import TASK_SECONDS, TASKS
from core.queue_factory import make_queue
from core.settings import CONSUMERS
from core.startup.gc_tuning import freeze_startup_objects_soon
from core.tracing import TraceBaggage
from reliable_queue.queue import ReliableQueue
from roadmap.operations.metrics_store import saver
from roadmap.plan.statuses import Job

logger = logging.getLogger(__name__)
# A task that fails unexpectedly is tried again after 1, 3 and 9 s, then becomes a dead letter.
RETRIES, FIRST_DELAY, BACKOFF = 3, 1, 3
BEFORE_CONTENTS = 1  # priority
OUTAGE_PAUSE = 2  # seconds between two tries while the database is away; the outage ends them
REGISTRY: dict[str, Any] = {}  # tasks, by the name of their function
# What ends the row of a task for an operator, by the name of the task
STOPS: dict[str, Callable[[UUID, str], list[Job]]] = {}
QUEUES: dict[str, ReliableQueue] = {
    each.queue: make_queue(settings, each.queue, baggage=TraceBaggage()) for each in CONSUMERS
}
logs_queue = QUEUES["logs"]
content_queue = QUEUES["content"]


def note_run(queue_name: str, task: str, seconds: float, outcome: str) -> None:
    """Count a task that has run, with its time unless it was interrupted."""
    metric_counters.count(TASKS, queue=queue_name, task=task, outcome=outcome)
    if outcome in ("done", "failed"):
        metric_counters.observe(TASK_SECONDS, seconds, queue=queue_name, task=task)
    logger.debug("%s %s in %.3f s", task, outcome, seconds)


for _queue in QUEUES.values():
    _queue.on_executed.append(partial(note_run, _queue.name))
    _queue.on_startup("measures")(saver.start)
    _queue.on_startup("logging")(take_over)
    _queue.on_startup("garbage")(freeze_startup_objects_soon)


def task(queue: ReliableQueue, *, priority: int = 0) -> Callable[[Callable[..., None]], Any]:
    """Make a task of a function.

    Its name in a message is `module.function`: moving or renaming one orphans messages. While the
    database is away the worker waits with its message instead of passing on to the next ones.
    """

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(*args: Any) -> None:
            try:
                function(*args)
            except Unavailable as error:
                logger.warning("%s is snoozed for %d s: %s", function.__name__, OUTAGE_PAUSE, error)
                queue.wait(OUTAGE_PAUSE)
                raise RetryTask(eta=clock.now() + timedelta(seconds=1)) from error

        REGISTRY[function.__name__] = made = queue.task(
            retries=RETRIES, retry_delay=FIRST_DELAY, retry_backoff=BACKOFF, priority=priority
        )(run)
        return made

    return decorate
