"""Statistics of tasks for operators, for tables and charts."""

from datetime import datetime

from pydantic import BaseModel, Field

from roadmap.operations import task_stats
from roadmap.operations.task_stats import STEPS, Ended, Period, TaskRuns, Waited, since_of
from tasks.queue_admin import queue_state
from web.call import Call


class SpanQuery(BaseModel, extra="forbid"):
    span: Period = Field(Period.hour, description="The last hour, or the last day.")


class TaskList(BaseModel):
    """Of every task that has run."""

    since: datetime = Field(description="What began before is not counted.")
    items: list[TaskRuns]


class QueueHistory(BaseModel):
    """Of one queue; each step is there, also where nothing has happened."""

    queue: str = Field(description="Its name.")
    step_seconds: int = Field(description="How long a step is.")
    runs: list[Ended] = Field(description="What was run.")
    depths: list[Waited] = Field(description="What has waited.")


def list_tasks(call: Call) -> TaskList:
    """Runs, outcomes and durations of each task."""
    since = since_of(call.query.span)
    return TaskList(since=since, items=task_stats.per_task(since))


def read_queue_history(call: Call) -> QueueHistory:
    """Step by step: a minute each of the last hour, a quarter of an hour each of the last day."""
    queue, step = queue_state(call.ids["queue"]).name, STEPS[call.query.span]
    since = since_of(call.query.span)
    return QueueHistory(
        queue=queue,
        step_seconds=int(step.total_seconds()),
        runs=task_stats.series(queue, since, step),
        depths=task_stats.depths(queue, since, step),
    )
