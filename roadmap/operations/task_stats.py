"""What the tasks of the queues have done, in the last minutes or the last day: numbers for tables and charts."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import peewee

from core import clock
from core.db import session
from core.metric_counters import SUM, MetricDelta, parts_of
from core.metric_definitions import FINE, METRICS, QUEUE_AGE, QUEUE_MESSAGES, TASK_SECONDS, TASKS
from models.metrics import MetricValue
from roadmap.operations.metrics_store import KEPT, minute_of, sample

MINUTE = 60  # seconds
BELOW = FINE[0] * FINE[0] / FINE[1]  # what the lowest bucket of a duration begins with
READY = "ready"


class Period(StrEnum):
    """How far back."""

    hour = "hour"
    day = "day"


LENGTHS = {Period.hour: timedelta(hours=1), Period.day: timedelta(days=1)}
EPOCH = datetime.fromtimestamp(0, UTC)  # steps begin at multiples of their length since then
STEPS = {Period.hour: timedelta(minutes=1), Period.day: timedelta(minutes=15)}


@dataclass(frozen=True, slots=True)
class TaskMeasure:
    """Runs of one task, by how they ended, and the seconds of those that were done or have failed for good: None when no run
    has ended so. The 95th percentile is right within a tenth.
    """

    queue: str
    task: str
    done: int
    failed: int
    retried: int
    mean_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """How many runs ended how, in the step that begins at this moment (UTC)."""

    at: datetime
    done: int
    failed: int
    retried: int


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """The most messages that were ready, and the longest that one had waited, of the samples in the step that begins at this
    moment (UTC); None where nobody has looked.
    """

    at: datetime
    ready: int | None
    oldest_seconds: float | None


def since_of(span: Period) -> datetime:
    """Return when the first step of the span begins.

    It is shown as a whole: with the step that is not over there is a whole number of them.
    """
    since = clock.now() - LENGTHS[span] + STEPS[span]
    return since - (since - EPOCH) % STEPS[span]


def per_task(since: datetime) -> list[TaskMeasure]:
    """Of every task that has run since then, at most a day ago, by queue and name. Raises Unavailable."""
    recent = MetricValue.minute >= _first_minute(since)
    query = MetricValue.select(
        MetricValue.name, MetricValue.labels, MetricValue.part, peewee.fn.SUM(MetricValue.value)
    )
    query = query.where(MetricValue.name.in_((TASKS, TASK_SECONDS)), recent).group_by(
        MetricValue.name, MetricValue.labels, MetricValue.part
    )
    with session():
        rows = list(query.tuples())
    ended: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    spread: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for name, text, part, value in rows:
        labels = json.loads(text)
        place = (labels["queue"], labels["task"])
        if name == TASKS:
            ended[place][labels["outcome"]] = round(value)
        else:
            spread[place][part] = value
    return [_measure(place, ended[place], spread.get(place, {})) for place in sorted(ended)]


def series(queue: str, since: datetime, step: timedelta) -> list[Point]:
    """One for each step, also where nothing has happened, up to the one that is not over. A step is a whole number of minutes,
    and begins at a multiple of it since 1970. Nothing is older than a day. Raises ValueError for another step, Unavailable.
    """
    minutes = _minutes(step)
    found: dict[tuple[int, str], int] = defaultdict(int)
    for labels, number, value in _by_step(TASKS, since, minutes, peewee.fn.SUM(MetricValue.value)):
        if labels["queue"] == queue:
            found[number, labels["outcome"]] += round(value)
    return [
        Point(at, *(found[n, outcome] for outcome in ("done", "failed", "retried")))
        for n, at in _steps(since, minutes)
    ]


def depths(queue: str, since: datetime, step: timedelta) -> list[DepthPoint]:
    """Likewise, of what `sample_depth` has noted each minute. Raises ValueError for another step, Unavailable."""
    minutes, most = _minutes(step), peewee.fn.MAX(MetricValue.value)
    ready = {
        n: value
        for labels, n, value in _by_step(QUEUE_MESSAGES, since, minutes, most)
        if labels["queue"] == queue
    }
    oldest = {
        n: value
        for labels, n, value in _by_step(QUEUE_AGE, since, minutes, most)
        if labels["queue"] == queue
    }
    return [
        DepthPoint(at, round(ready[n]) if n in ready else None, oldest.get(n))
        for n, at in _steps(since, minutes)
    ]


def sample_depth(states: Iterable[tuple[str, int, float | None]]) -> None:
    """Note of each queue how many messages are ready, and for how many seconds the oldest of them; None when there is none,
    which counts as 0. Raises Unavailable.
    """
    samples = []
    for queue, ready, oldest in states:
        samples.append(MetricDelta(QUEUE_MESSAGES, _text(queue=queue, state=READY), "", ready))
        samples.append(MetricDelta(QUEUE_AGE, _text(queue=queue), "", oldest or 0.0))
    sample(samples)


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The value below which that share of them lies, as the geometric middle of its bucket, from which nothing in it is farther
    away than half of the bucket. `counts` has one bucket more than there are bounds, for what is beyond; None when nothing
    was counted.
    """
    rank, passed = share * sum(counts), 0.0
    for number, count in enumerate(counts[: len(bounds)]):
        if count and passed + count >= rank:
            lower, upper = (bounds[number - 1] if number else BELOW), bounds[number]
            return math.sqrt(lower * upper)
        passed += count
    return bounds[-1] if counts[-1] else None


def _measure(
    place: tuple[str, str], ended: dict[str, int], spread: dict[str, float]
) -> TaskMeasure:
    counts = [spread.get(part, 0.0) for part in parts_of(METRICS[TASK_SECONDS])]
    timed = sum(counts)
    mean = spread.get(SUM, 0.0) / timed if timed else None
    done, failed, retried = (ended.get(outcome, 0) for outcome in ("done", "failed", "retried"))
    return TaskMeasure(*place, done, failed, retried, mean, quantile(0.95, FINE, counts))


def _by_step(
    name: str, since: datetime, minutes: int, value: Any
) -> Iterator[tuple[dict[str, str], int, float]]:
    """Labels, number of the step, value."""
    number = peewee.Expression(MetricValue.minute, "/", minutes)
    query = MetricValue.select(MetricValue.labels, number, value).where(
        MetricValue.name == name, MetricValue.minute >= _first_minute(since)
    )
    with session():
        rows = list(query.group_by(MetricValue.labels, number).tuples())
    return ((json.loads(labels), step, value) for labels, step, value in rows)


def _steps(since: datetime, minutes: int) -> Iterator[tuple[int, datetime]]:
    """Number and beginning of each, up to now."""
    for number in range(_first_minute(since) // minutes, minute_of(clock.now()) // minutes + 1):
        yield number, datetime.fromtimestamp(number * minutes * MINUTE, UTC)


def _first_minute(since: datetime) -> int:
    return minute_of(max(since, clock.now() - KEPT))


def _minutes(step: timedelta) -> int:
    minutes, rest = divmod(step, timedelta(minutes=1))
    if rest or minutes < 1:
        raise ValueError(f"a step of a chart is a whole number of minutes, not {step}")
    return minutes


def _text(**labels: str) -> str:
    return json.dumps(labels, separators=(",", ":"), sort_keys=True)
