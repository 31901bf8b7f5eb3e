"""The queue alone, of empty tasks: tasks a second, and how soon one starts on an idle queue.

A turn enqueues all messages on an empty Redis (or in a new file), then starts one consumer and has
it say when its first and its last task ran: starting does not count. In the end each message must
have run. Latencies are those of a consumer that has nothing else to do.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.effort import Effort
from benchmarks.figures import Sample, percentiles, turns
from benchmarks.ground import (
    BenchmarkFailed,
    Ground,
    Program,
    peer_environment,
    python,
    say,
    tool,
    until,
)
from benchmarks.load import ROOT
from benchmarks.targets import (
    CELERY,
    ENQUEUED,
    MEDIAN_STARTS,
    OURS,
    QUEUE,
    RAW,
    SLOW_STARTS,
    SQLITE,
    STOCK,
    STOCK_SQLITE,
    TASKS,
)

THREADS = "4"
LONGEST = 120  # seconds of a turn
PAUSE = 0.2  # seconds between two messages on an idle queue, at most
PLACE = "benchmarks.peers.queues"


@dataclass(frozen=True, slots=True)
class Queue:
    """`module` sends and has the task, `command` consumes; `contender` is a kind of Huey."""

    name: str
    module: str
    command: Sequence[str]
    contender: str = ""
    is_file: bool = False


def huey(name: str, contender: str, *options: str) -> Queue:
    module = f"{PLACE}.with_huey"
    command = tool("huey_consumer", f"{module}.queue", "-q", "-w", THREADS, *options)
    return Queue(name, module, command, contender, is_file=contender.startswith("sqlite"))


def queues() -> list[Queue]:
    """Raises BenchmarkFailed when one is not installed."""
    celery = f"{PLACE}.with_celery"
    worker = ("worker", "--pool", "threads", "--concurrency", THREADS, "--loglevel", "ERROR")
    return [
        huey(OURS, "redis-ours"),
        huey(STOCK, "redis-stock"),
        Queue(CELERY, celery, tool("celery", "-A", celery, *worker)),
        huey(SQLITE, "sqlite-ours"),
        huey(STOCK_SQLITE, "sqlite-stock", "-m", "0.2"),  # by itself it would idle for up to 10 s
    ]


RAW_REDIS = f"{PLACE}.with_redis"


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    for number, queue in turns(queues(), effort.rounds):
        say(f"queue: {queue.name}, {effort.messages} tasks, round {number + 1} of {effort.rounds}")
        turn = Turn(ground, queue, effort.messages)
        yield Sample(
            QUEUE, ENQUEUED, queue.name, number, effort.messages / turn.send(0, effort.messages)
        )
        with turn.consumer() as program:
            times = turn.times(program)
        yield Sample(
            QUEUE,
            TASKS,
            queue.name,
            number,
            (effort.messages - 1) / (times["last"] - times["first"]),
        )
    if effort.tries:
        raw = Queue(RAW, RAW_REDIS, python("-m", RAW_REDIS))
        for queue in [*queues(), raw]:
            say(f"queue: {queue.name}, {effort.tries} tasks on an idle queue")
            yield from _latencies(ground, effort, queue)


def _latencies(ground: Ground, effort: Effort, queue: Queue) -> Iterator[Sample]:
    """The first task, which finds the consumer starting, does not count."""
    turn = Turn(ground, queue, effort.tries + 1)
    with turn.consumer() as program:
        turn.send(0, 1)
        turn.has_begun(program)
        turn.send(1, effort.tries, PAUSE)
        waits = percentiles([wait * 1000 for wait in turn.times(program)["waits"][1:]])
    yield Sample(QUEUE, MEDIAN_STARTS, queue.name, 0, waits["p50"])
    yield Sample(QUEUE, SLOW_STARTS, queue.name, 0, waits["p99"])


class Turn:
    """An empty queue, to which `send` puts messages, and which `consumer` empties for the block."""

    def __init__(self, ground: Ground, queue: Queue, messages: int) -> None:
        self._ground, self._queue, self._messages = ground, queue, messages
        folder = ground.folder("queue")
        self._file = folder / "ticks.json"
        place = str(folder / "queue.db") if queue.is_file else ground.others_broker
        if not queue.is_file:
            redis.Redis.from_url(place).flushdb()
        settings = {
            "PLACE": place,
            "CONTENDER": queue.contender,
            "TICKS": str(messages),
            "TICKS_FILE": str(self._file),
        }
        self._environment = {**peer_environment(), **settings}

    def send(self, first: int, count: int, pause: float = 0.0) -> float:
        """Seconds that it took. Raises BenchmarkFailed."""
        command = python(
            "-m", f"{PLACE}.sending", self._queue.module, str(first), str(count), str(pause)
        )
        ended = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            cwd=ROOT,
            check=False,
        )
        if ended.returncode:
            raise BenchmarkFailed(
                f"{self._queue.name}: messages cannot be sent:\n{ended.stderr[-2000:]}"
            )
        return float(ended.stdout)

    def consumer(self) -> AbstractContextManager[Program]:
        command = list(self._queue.command)
        if command[-1] == "--url":
            command.append(self._environment["PLACE"])
        return self._ground.program(self._queue.name, command, **self._environment)

    def has_begun(self, consumer: Program) -> None:
        """The first message has run. Raises BenchmarkFailed."""
        self._wait(consumer, self._file.with_suffix(".begun"), "the first message has run")

    def times(self, consumer: Program) -> dict[str, Any]:
        """Times at which the messages ran, once all have. Raises BenchmarkFailed."""
        self._wait(consumer, self._file, f"all {self._messages} messages have run")
        times: dict[str, Any] = json.loads(self._file.read_text())
        if times["different"] != self._messages:
            raise BenchmarkFailed(
                f"{self._queue.name}: of {self._messages} messages {times['different']} have run"
            )
        return times

    def _wait(self, consumer: Program, file: Path, what: str) -> None:
        def is_there() -> bool:
            consumer.check_alive()
            return file.exists()

        until(is_there, self._queue.name, what)
