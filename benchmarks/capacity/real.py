"""Run a stream of roadmaps through the real service and a model server."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from benchmarks.capacity.model_server import GOAL, MODEL
from benchmarks.capacity.workload import Latency
from benchmarks.ground import Ground, ask, python, until
from benchmarks.processes import most_connections
from testing.servers import free_port
from testing.stack import NO_TLS, Service, answer_to
from testing.waiting import HANG

STORED = 30.0  # seconds that the last log record may take
SIZE = "SELECT pg_database_size(current_database())"
RECORDS = "SELECT count(*) FROM execution_log"
UNFINISHED = "SELECT count(*) FROM roadmap WHERE finished_at IS NULL"
READY = """SELECT extract(epoch FROM finished_at - created_at), status FROM roadmap
    WHERE created_at > to_timestamp(%f) AT TIME ZONE 'UTC' ORDER BY created_at"""


@dataclass(frozen=True, slots=True)
class Trial:
    """So many consumers of so many threads get roadmaps at these seconds from the start."""

    name: str
    consumers: int
    threads: int
    arrivals: Sequence[float]
    outline: Latency
    content: Latency


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds to ready of each roadmap, how many are whole, and what all of them took together.

    `called` is the seconds of all calls of the model, `connections` the most at one time by
    service, `stored` the bytes by which the database has grown.
    """

    ready: Sequence[float]
    whole: int
    seconds: float
    calls: int
    called: float
    most_at_once: int
    connections: dict[str, int]
    stored: int


class Real:
    """`with Real(ground) as real: real.take(trial)`. API and logs consumer stay."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._ends, self._port = ground, ExitStack(), free_port()
        model = {"OPENAI_API_KEY": "sk-of-the-check", "OPENAI_MODEL": MODEL}
        model |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{self._port}/v1", "QUIZ_CHECK": "false"}
        model["CHECKED_CONCEPTS"] = "false"  # the answers are the catalogue's
        self._stack = ground.stack(in_one=False, **model)
        self._url = self._stack.environment["DATABASE_URL"]

    def __enter__(self) -> "Real":
        self._ends.callback(self._stack.stop)
        self._stack.start("api", "huey_logs")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def take(self, trial: Trial, seed: int = 1) -> Taken:
        """Raises BenchmarkFailed when not all of them come to an end."""
        latencies = [[each.median, each.spread] for each in (trial.outline, trial.content)]
        asked = json.dumps([self._port, seed, *latencies])
        with ExitStack() as ends:
            command = python("-m", "benchmarks.capacity.model_server", asked)
            program = ends.enter_context(self._ground.program("model", command))
            until(lambda: "running on" in program.output, "the model's server", "it listens")
            for _ in range(trial.consumers):
                ends.enter_context(self._consumer(trial))
                self._ask_for_one()  # with its first one, which does not count, each warms up
            self._wait_for_all(trial.name)
            return self._taken(trial)

    def _taken(self, trial: Trial) -> Taken:
        stored, before = self._one(SIZE), self._figures()
        began_at, began = time.time(), time.monotonic()
        with most_connections(self._url) as connections:
            for at in trial.arrivals:
                time.sleep(max(began + at - time.monotonic(), 0))
                self._ask_for_one()
            self._wait_for_all(trial.name)
            seconds = time.monotonic() - began
        after, rows = self._figures(), ask(self._url, READY % began_at)
        self._wait_for_the_log()
        return Taken(
            ready=[float(row[0]) for row in rows],
            whole=sum(row[1] == "ready" for row in rows),
            seconds=seconds,
            calls=after["answered"] - before["answered"],
            called=after["seconds"] - before["seconds"],
            most_at_once=after["most"],
            connections={name.removeprefix("roadmap-"): most for name, most in connections.items()},
            stored=self._one(SIZE) - stored,
        )

    @contextmanager
    def _consumer(self, trial: Trial) -> Iterator[Service]:
        settings = {"CONTENT_WORKERS": str(trial.threads), "MODEL_CONCURRENCY": str(trial.threads)}
        environment = {**self._stack.content.environment, **settings}
        service = Service("huey_content", environment, self._ground.scratch)
        service.start()
        try:
            until(lambda: "huey@content ready" in service.output, "a consumer", "it is ready")
            yield service
        finally:
            service.stop()

    def _ask_for_one(self) -> None:
        url, headers = f"{self._stack.url}/api/v1/roadmaps", self._stack.headers
        answer_to("POST", url, json={"goal": GOAL}, headers=headers).raise_for_status()

    def _wait_for_all(self, name: str) -> None:
        is_over = "every roadmap has come to its end"
        until(lambda: self._one(UNFINISHED) == 0, name, is_over)
        self._wait_for_the_log()

    def _wait_for_the_log(self) -> None:
        """The log is written a moment later."""
        last, deadline = -1, time.monotonic() + STORED
        while (now := self._one(RECORDS)) != last and time.monotonic() < deadline:
            last = now
            time.sleep(1.0)

    def _one(self, sql: str) -> int:
        return int(ask(self._url, sql)[0][0])

    def _figures(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/figures"
        figures: dict[str, Any] = httpx2.get(url, verify=NO_TLS, timeout=HANG).json()
        return figures
