"""Statistics of tasks for operators, for tables and charts."""

from datetime import datetime

from pydantic import Field

from core.json_types import LazyModel
from roadmap.operations import task_stats
from tasks.queue_admin import queue_state
from web.endpoints.call import Call
from web.endpoints.endpoint import ADMIN, QUEUE, observe


class SpanQuery(LazyModel, extra="forbid"):
    span: task_stats.Period = Field(
        task_stats.Period.hour, description="The last hour or the last day."
    )


class TaskList(LazyModel):
    """Statistics of all tasks that have run."""

    since: datetime = Field(description="Start of the period.")
    items: list[task_stats.TaskRuns]


class QueueHistory(LazyModel):
    """Task history of a queue, with all intervals, even without tasks."""

    queue: str = Field(description="Name of the queue.")
    step_seconds: int = Field(description="Length of an interval in seconds.")
    runs: list[task_stats.Ended] = Field(description="Finished runs by interval.")
    depths: list[task_stats.Waited] = Field(description="Waiting messages by interval.")


def list_tasks(call: Call[None, SpanQuery]) -> TaskList:
    """Runs, outcomes and durations of each task."""
    since = task_stats.since_of(call.query.span)
    return TaskList(since=since, items=task_stats.per_task(since))


def read_queue_history(call: Call[None, SpanQuery]) -> QueueHistory:
    """Tasks per minute of the last hour, or per quarter of an hour of the last day."""
    queue, step = queue_state(call.ids["queue"]).name, task_stats.STEPS[call.query.span]
    since = task_stats.since_of(call.query.span)
    return QueueHistory(
        queue=queue,
        step_seconds=int(step.total_seconds()),
        runs=task_stats.series(queue, since, step),
        depths=task_stats.depths(queue, since, step),
    )


ENDPOINTS = (
    observe(QUEUE + "/history", read_queue_history, "Read the task history of a queue"),
    observe(ADMIN + "/tasks", list_tasks, "List task statistics"),
)
