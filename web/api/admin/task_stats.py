"""Statistics of tasks for operators, for tables and charts."""

from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel, Field

from roadmap.operations import task_stats
from roadmap.operations.task_stats import STEPS, Period, since_of
from tasks.queue_admin import queue_state
from web.call import Call


class SpanQuery(BaseModel, extra="forbid"):
    span: Period = Field(Period.hour, description="The last hour, or the last day.")


class TaskRuns(BaseModel):
    """Runs of one task, by how they ended, and the seconds of those that are over."""

    queue: str = Field(description="From which it was taken.")
    task: str = Field(description="The function that was run.")
    done: int = Field(description="They came to their end.")
    failed: int = Field(
        description=(
            "For good: they are among the dead letters, unless they were retried or deleted since."
        )
    )
    retried: int = Field(description="They failed, and came again.")
    mean_seconds: float | None = Field(
        description="Of those that were done or have failed for good."
    )
    p95_seconds: float | None = Field(description="19 of 20 took no longer than that.")


class TaskList(BaseModel):
    """Of every task that has run."""

    since: datetime = Field(description="What began before is not counted.")
    items: list[TaskRuns]


class Ended(BaseModel):
    """Outcomes of the runs in the interval that begins at this time."""

    at: datetime
    done: int = Field(description="They came to their end.")
    failed: int = Field(description="For good.")
    retried: int = Field(description="They failed, and came again.")


class Waited(BaseModel):
    """The most that waited in the step that begins at this moment, and for how long the oldest; null: nobody has looked."""

    at: datetime
    ready: int | None = Field(description="Messages that a worker could have taken.")
    oldest_seconds: float | None = Field(description="For how long the oldest of them had waited.")


class QueueHistory(BaseModel):
    """Of one queue; each step is there, also where nothing has happened."""

    queue: str = Field(description="Its name.")
    step_seconds: int = Field(description="How long a step is.")
    runs: list[Ended] = Field(description="What was run.")
    depths: list[Waited] = Field(description="What has waited.")


def list_tasks(call: Call) -> TaskList:
    """Runs, outcomes and durations of each task."""
    since = since_of(call.query.span)
    items = [TaskRuns(**asdict(runs)) for runs in task_stats.per_task(since)]
    return TaskList(since=since, items=items)


def read_queue_history(call: Call) -> QueueHistory:
    """Step by step: a minute each of the last hour, a quarter of an hour each of the last day."""
    queue, step = queue_state(call.ids["queue"]).name, STEPS[call.query.span]
    since = since_of(call.query.span)
    return QueueHistory(
        queue=queue,
        step_seconds=int(step.total_seconds()),
        runs=[Ended(**asdict(point)) for point in task_stats.series(queue, since, step)],
        depths=[Waited(**asdict(depth)) for depth in task_stats.depths(queue, since, step)],
    )
