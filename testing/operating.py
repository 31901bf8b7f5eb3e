"""The view of operators: messages of every kind in the queues, and measures of a day."""

import math
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from huey.registry import Message

from core.backends import open_database
from core.metric_counters import SUM, parts_of
from core.metric_definitions import METRICS, QUEUE_AGE, QUEUE_MESSAGES, TASK_SECONDS, TASKS
from testing.commands import succeeded
from testing.stack import Stack
from testing.stack_queues import queue_of, settings_of
from testing.teacher import Teacher
from testing.waiting import wait_until

MINUTE = 60  # seconds
Row = tuple[str, int, str, str, float]  # name, minute, labels, part, value
NOT_A_ROW = "not-an-id"  # with which a task fails, each time it is tried
LOAD = {
    "plan_roadmap": (0.6, 3.0),
    "build_content": (9.0, 4.5),
    "deliver_webhook": (2.0, 0.2),
}  # runs a minute, seconds of one
LOGS_LOAD = {
    "store_log_batch": (22.0, 0.012),
    "rescue_overdue": (1.0, 0.03),
    "rescue_again": (2.0, 0.006),
}


def promote(stack: Stack, email: str, rank: str) -> None:
    """Make somebody an `admin` or an `observer`, at the command line as an operator does."""
    succeeded(stack.environment, "users", rank, email)


def post(
    stack: Stack,
    task: str,
    *arguments: str,
    queue: str = "content",
    retries: int = 0,
    later: timedelta | None = None,
) -> str:
    """Send a message past the service, ready or for later; its id."""
    id_ = str(uuid4())
    due = None if later is None else (datetime.now(UTC) + later).replace(tzinfo=None)
    message = Message(
        id=id_,
        name=f"tasks.{queue}.{task}",
        eta=due,
        args=arguments,
        kwargs={},
        retries=retries,
        retry_delay=60,
    )
    with queue_of(stack, queue) as seen:
        data = seen.serializer.seal(message, datetime.now(UTC).timestamp(), {})
        if due is None:
            seen.storage.enqueue(data)
        else:
            seen.storage.add_to_schedule(data, due)
    return id_


def make_dead_letters(stack: Stack, *tasks: str, queue: str = "content") -> None:
    """Make dead letters: messages of unknown tasks, as of a version that is gone."""
    with queue_of(stack, queue) as seen:
        wanted = seen.storage.stats().dead + len(tasks)
        for task in tasks:
            post(stack, task, str(uuid4()), queue=queue)
        wait_until(
            lambda: seen.storage.stats().dead >= wanted, reason=f"{len(tasks)} more dead letters"
        )


def make_busy(stack: Stack, teacher: Teacher) -> None:
    """Work under way and waiting, failing tasks, and dead letters in both queues."""
    with queue_of(stack) as seen:
        for _ in range(3):
            post(stack, "build_content", NOT_A_ROW)
        wait_until(lambda: seen.storage.stats().dead >= 3, reason="tasks that have failed for good")
    teacher.writes.clear()
    for number in range(4):
        stack.create(f"Bake bread for {number + 2} guests")
    make_dead_letters(stack, "translate_content", "translate_content", "draw_picture")
    make_dead_letters(stack, "count_readers", queue="logs")
    for _ in range(2):
        post(stack, "build_content", NOT_A_ROW, retries=3)
    post(stack, "deliver_webhook", str(uuid4()), later=timedelta(minutes=34))
    post(stack, "deliver_webhook", str(uuid4()), later=timedelta(hours=5))
    with queue_of(stack) as seen:
        wait_until(
            lambda: seen.storage.stats().held >= 2 and seen.storage.queue_size() >= 4,
            reason="workers that are at it",
        )


def remember_a_day(stack: Stack, seed: int = 8) -> None:
    """Measures of a day with some hundred learners: quiet at night, and an outage two hours ago."""
    chance, now = random.Random(seed), datetime.now(UTC)
    last = int(now.timestamp()) // MINUTE
    rows: list[Row] = []
    for minute in range(last - 24 * 60 + 1, last):
        hour = datetime.fromtimestamp(minute * MINUTE, UTC)
        day = (
            0.25
            + 0.75
            * math.sin(math.pi * ((hour.hour + hour.minute / 60 - now.hour + 18) % 24) / 24) ** 2
        )
        is_outage = 118 <= last - minute <= 131
        for queue, load in (("content", LOAD), ("logs", LOGS_LOAD)):
            for task, (runs, seconds) in load.items():
                labels = f'{{"queue":"{queue}","task":"{task}"}}'
                done = (
                    0
                    if is_outage and queue == "content"
                    else _about(chance, runs * (day if runs > 2 else 1))
                )
                wrong = (
                    _about(chance, 4 if is_outage else 0.05 * runs / 9) if queue == "content" else 0
                )
                failed = _about(chance, wrong / 6)
                for outcome, count in (("done", done), ("retried", wrong), ("failed", failed)):
                    if count:
                        place = f'{{"outcome":"{outcome}",{labels[1:]}'
                        rows.append((TASKS, minute, place, "", count))
                rows += _durations(chance, labels, minute, done, seconds)
            ready = (
                40 + (131 - last + minute)
                if is_outage and queue == "content"
                else _about(chance, 2 * day)
            )
            rows.append(
                (QUEUE_MESSAGES, minute, f'{{"queue":"{queue}","state":"ready"}}', "", ready)
            )
            rows.append((QUEUE_AGE, minute, f'{{"queue":"{queue}"}}', "", ready * 0.7))
    database = open_database(settings_of(stack))
    with database.connection_context(), database.atomic():
        sign = database.param
        insert = (
            "INSERT INTO measure (name, minute, labels, part, value) VALUES"
            f" ({', '.join([sign] * 5)}) ON CONFLICT DO NOTHING"
        )
        for row in rows:
            database.execute_sql(insert, row)


def _about(chance: random.Random, mean: float) -> int:
    """So many in a minute, when so many come on average (Poisson)."""
    count, product, limit = 0, chance.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count


def _durations(
    chance: random.Random, labels: str, minute: int, count: int, seconds: float
) -> list[tuple[str, int, str, str, float]]:
    """A histogram of so many runs."""
    metric = METRICS[TASK_SECONDS]
    taken = [chance.lognormvariate(math.log(seconds), 0.5) for _ in range(count)]
    parts = dict.fromkeys(parts_of(metric), 0)
    for each in taken:
        parts[
            next(
                part
                for part, bound in zip(parts, (*metric.bounds, math.inf), strict=False)
                if each <= bound
            )
        ] += 1
    rows = [
        (TASK_SECONDS, minute, labels, part, float(value)) for part, value in parts.items() if value
    ]
    return [*rows, (TASK_SECONDS, minute, labels, SUM, sum(taken))] if taken else rows
