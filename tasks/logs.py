"""Task of the logs queue: store a batch of execution log records."""

from typing import Any

from roadmap.operations import execution_log
from tasks.queues import logs_queue, task


@task(logs_queue)
def store_log_batch(records: list[dict[str, Any]], source: dict[str, Any] | None = None) -> None:
    execution_log.store_batch(records, source)


execution_log.buffer.sink = store_log_batch  # the domain records, this queue carries
logs_queue.on_shutdown("flush")(execution_log.buffer.flush)
