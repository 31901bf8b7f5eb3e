"""Statistics of tasks and queues over the last hour or day, for tables and charts."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import peewee
from pydantic import Field

from core import clock
from core.db import session
from core.json_types import LazyModel
from core.metric_counters import SUM, MetricDelta, parts_of
from core.metric_definitions import FINE, METRICS, QUEUE_AGE, QUEUE_MESSAGES, TASK_SECONDS, TASKS
from models.records import MetricValue
from roadmap.operations.metrics_store import minute_of, sample

MINUTE = timedelta(minutes=1)
BELOW = FINE[0] * FINE[0] / FINE[1]  # lower bound of the lowest bucket of a duration
READY = "ready"
OUTCOMES = ("done", "failed", "retried")


class Period(StrEnum):
    """Period of the statistics."""

    hour = "hour"
    day = "day"


LENGTHS = {Period.hour: timedelta(hours=1), Period.day: timedelta(days=1)}
EPOCH = datetime.fromtimestamp(0, UTC)  # steps begin at multiples of their length since then
STEPS = {Period.hour: MINUTE, Period.day: 15 * MINUTE}


class TaskRuns(LazyModel):
    """Runs of one task by outcome, with their durations."""

    queue: str = Field(description="Name of the queue.")
    task: str = Field(description="Name of the task.")
    done: int = Field(description="Runs that succeeded.")
    failed: int = Field(
        description=(
            "Runs that failed finally. Their messages are dead letters, unless retried or "
            "deleted since."
        )
    )
    retried: int = Field(description="Runs that failed and were retried.")
    mean_seconds: float | None = Field(description="Mean duration of finished runs in seconds.")
    p95_seconds: float | None = Field(description="95th percentile of the durations in seconds.")


class Ended(LazyModel):
    """Outcomes of the runs in the interval that begins at this time."""

    at: datetime
    done: int = Field(description="Runs that succeeded.")
    failed: int = Field(description="Runs that failed finally.")
    retried: int = Field(description="Runs that failed and were retried.")


class Waited(LazyModel):
    """Most waiting messages in this interval, and the age of the oldest.

    Null: no measurement.
    """

    at: datetime
    ready: int | None = Field(description="Number of ready messages.")
    oldest_seconds: float | None = Field(description="Age of the oldest one in seconds.")


def since_of(span: Period) -> datetime:
    """Return when the first step of the span begins.

    It is shown as a whole: with the step that is not over there is a whole number of them.
    """
    since = clock.now() - LENGTHS[span] + STEPS[span]
    return since - (since - EPOCH) % STEPS[span]


def per_task(since: datetime) -> list[TaskRuns]:
    """Return all tasks that have run since then, by queue and name.

    There are no numbers of more than a day ago. The seconds are None where no run has ended, and
    the 95th percentile is right within a tenth. Raises Unavailable.
    """
    value, minute = peewee.fn.SUM(MetricValue.value), MetricValue.minute
    key = (MetricValue.name, MetricValue.labels, MetricValue.part)
    wanted = (MetricValue.name.in_((TASKS, TASK_SECONDS)), minute >= minute_of(since))
    with session():
        rows = list(MetricValue.select(*key, value).where(*wanted).group_by(*key).tuples())
    ended: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    spread: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for name, text, part, number in rows:
        labels = json.loads(text)
        place = (labels["queue"], labels["task"])
        if name == TASKS:
            ended[place][labels["outcome"]] = round(number)
        else:
            spread[place][part] = number
    found = []
    for queue, task in sorted(ended):
        outcomes, parts = ended[queue, task], spread[queue, task]
        counts = [parts.get(part, 0.0) for part in parts_of(METRICS[TASK_SECONDS])]
        timed = sum(counts)
        found.append(
            TaskRuns(
                queue=queue,
                task=task,
                **{outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES},
                mean_seconds=parts.get(SUM, 0.0) / timed if timed else None,
                p95_seconds=quantile(0.95, FINE, counts),
            )
        )
    return found


def series(queue: str, since: datetime, step: timedelta) -> list[Ended]:
    """Return a point for each step up to now, also for those without a run.

    A step is a whole number of minutes, and begins at a multiple of it since 1970. There are no
    numbers of more than a day ago. Raises Unavailable.
    """
    minutes, total = step // MINUTE, peewee.fn.SUM(MetricValue.value)
    found: dict[tuple[int, str], int] = defaultdict(int)
    for labels, number, value in _by_step(TASKS, queue, since, minutes, total):
        found[number, labels["outcome"]] += round(value)
    return [
        Ended(at=at, **{outcome: found[number, outcome] for outcome in OUTCOMES})
        for number, at in _steps(since, minutes)
    ]


def depths(queue: str, since: datetime, step: timedelta) -> list[Waited]:
    """Return the same of the samples of `sample_depth`. Raises Unavailable."""
    minutes, most = step // MINUTE, peewee.fn.MAX(MetricValue.value)
    ready, oldest = (
        {number: value for _, number, value in _by_step(name, queue, since, minutes, most)}
        for name in (QUEUE_MESSAGES, QUEUE_AGE)
    )
    return [
        Waited(
            at=at,
            ready=round(ready[number]) if number in ready else None,
            oldest_seconds=oldest.get(number),
        )
        for number, at in _steps(since, minutes)
    ]


def sample_depth(states: Iterable[tuple[str, int, float | None]]) -> None:
    """Store ready messages of each queue, and the age of the oldest in seconds.

    The age is None without a message, which counts as 0. Raises Unavailable.
    """
    samples = []
    for queue, ready, oldest in states:
        samples += [
            MetricDelta(QUEUE_MESSAGES, _text(queue=queue, state=READY), "", ready),
            MetricDelta(QUEUE_AGE, _text(queue=queue), "", oldest or 0.0),
        ]
    sample(samples)


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """Return the value below which that share of the counts lies; None without any.

    It is the geometric middle of its bucket, from which no value is farther away than half of the
    bucket. `counts` has one bucket more than there are bounds, for larger values.
    """
    rank, passed = share * sum(counts), 0.0
    for number, count in enumerate(counts[: len(bounds)]):
        if count and passed + count >= rank:
            lower, upper = (bounds[number - 1] if number else BELOW), bounds[number]
            return math.sqrt(lower * upper)
        passed += count
    return bounds[-1] if counts[-1] else None


def _by_step(
    name: str, queue: str, since: datetime, minutes: int, value: Any
) -> Iterator[tuple[dict[str, str], int, float]]:
    """Yield labels, number of the step and value, of one queue."""
    number = peewee.Expression(MetricValue.minute, "/", minutes)
    wanted = (MetricValue.name == name, MetricValue.minute >= minute_of(since))
    query = MetricValue.select(MetricValue.labels, number, value).where(*wanted)
    with session():
        rows = list(query.group_by(MetricValue.labels, number).tuples())
    for text, step, amount in rows:
        labels = json.loads(text)
        if labels["queue"] == queue:
            yield labels, step, amount


def _steps(since: datetime, minutes: int) -> Iterator[tuple[int, datetime]]:
    """Yield number and beginning of each step up to now."""
    for number in range(minute_of(since) // minutes, minute_of(clock.now()) // minutes + 1):
        yield number, EPOCH + number * minutes * MINUTE


def _text(**labels: str) -> str:
    return json.dumps(labels, separators=(",", ":"), sort_keys=True)
