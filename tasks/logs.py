"""The logs queue: batches of execution log records on their way into the database."""

from typing import Any

from roadmap.operations import execution_log
from tasks.queues import job, logs_queue


@job(logs_queue)
def store_log_batch(records: list[dict[str, Any]], source: dict[str, Any] | None = None) -> None:
    execution_log.store_batch(records, source)


execution_log.buffer.sink = (
    store_log_batch  # the one inversion: the domain records, this queue carries
)
logs_queue.on_shutdown("flush")(execution_log.buffer.flush)
