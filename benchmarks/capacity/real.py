"""The real service against a model's server whose latency is known: what a stream of roadmaps takes there."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.capacity.model_server import GOAL, MODEL, Manner
from benchmarks.capacity.workload import Latency
from benchmarks.figures import percentiles
from benchmarks.ground import Ground, ask, python, until
from benchmarks.idle import counted_commands, cpu_seconds
from benchmarks.processes import most_connections, pss, trees
from tests.servers import free_port
from tests.stack import NO_TLS, Service, answer_to

STORED = 30.0  # seconds that the last record of the log may take
PATIENCE = 90.0  # seconds after the last roadmap was asked for
SIZE = "SELECT pg_database_size(current_database())"
LOG = """SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits
    WHERE inhparent = 'execution_log'::regclass"""
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
COUNTED = (SIZE, LOG, WRITTEN, COMMITS)
UNFINISHED = (
    "SELECT count(*) FROM roadmap WHERE status NOT IN ('ready', 'partial', 'failed', 'cancelled')"
)
READY = """SELECT extract(epoch FROM finished_at - created_at), status FROM roadmap
    WHERE created_at > to_timestamp(%f) ORDER BY created_at"""


@dataclass(frozen=True, slots=True)
class Trial:
    """So many consumers of so many threads get roadmaps at these times (seconds from the start). At most `limit` calls may be
    begun in a second, 0: as many as come.
    """

    name: str
    consumers: int
    threads: int
    arrivals: Sequence[float]
    outline: Latency
    content: Latency
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What it took: seconds to ready of each roadmap, and how many are whole; calls at once; and of the time in which all were
    made, `seconds`, CPU seconds by part, the seconds for which its threads were kept from a core by others (`delayed`), and Redis
    commands by who sent them. Connections are the most at one time, by part; bytes are those by which the database has grown,
    the log alone, and what PostgreSQL has written ahead.
    """

    ready: Sequence[float]
    whole: int
    seconds: float
    calls: int
    refused: int
    most_at_once: int
    mean_at_once: float
    most_in_window: int
    cpu: dict[str, float]
    delayed: dict[str, float]
    memory: dict[str, float]
    commands: dict[str, int]
    connections: dict[str, int]
    stored: int
    log: int
    ahead: int
    commits: int

    @property
    def percentiles(self) -> dict[str, float]:
        return percentiles(self.ready)


def poisson(count: int, mean_gap: float, seed: int) -> list[float]:
    """Times of a stream: the first at 0."""
    drawn, at, found = random.Random(seed), 0.0, []
    for _ in range(count):
        found.append(at)
        at += drawn.expovariate(1 / mean_gap)
    return found


class Real:
    """`with Real(ground) as real: real.take(trial)`. API and logs consumer stay, content consumers while trials are alike."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._ends, self._working = ground, ExitStack(), ExitStack()
        self._like, self._consumers = (0, 0), list[Service]()
        self._port = free_port()
        key = {
            "OPENAI_API_KEY": "sk-of-the-check",
            "OPENAI_MODEL": MODEL,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self._port}/v1",
        }
        self._stack = ground.stack(in_one=False, **key)
        for (
            name,
            service,
        ) in self._stack.services.items():  # its connections tell Redis whose they are
            service.environment["REDIS_URL"] += f"?client_name={name}"
        self._url = self._stack.environment["DATABASE_URL"]

    def __enter__(self) -> "Real":
        self._ends.callback(self._stack.stop)
        self._ends.callback(self._working.close)
        self._stack.start("api", "huey_logs")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def take(self, trial: Trial, seed: int = 1) -> Taken:
        """Raises BenchmarkFailed when not all of them come to an end."""
        manner = Manner(self._port, seed, _pair(trial.outline), _pair(trial.content), trial.limit)
        with ExitStack() as ends:
            command = python("-m", "benchmarks.capacity.model_server", json.dumps(asdict(manner)))
            program = ends.enter_context(self._ground.program("model", command))
            until(lambda: "ready" in program.output, "the model's server", "it listens")
            if self._like != (trial.consumers, trial.threads):
                self._start_consumers(trial)
            return self._taken(trial, self._consumers)

    def _taken(self, trial: Trial, consumers: Sequence[Service]) -> Taken:
        parts = {"api": [self._stack.api.pid], "huey_logs": [self._stack.logs.pid]}
        parts |= {"huey_content": [each.pid for each in consumers]}
        parts |= {"postgres": [self._ground.postgres.pid], "redis": [self._ground.broker.pid]}
        self._wait_for_the_log()
        before, figures, cpu, delayed = (
            [self._one(sql) for sql in COUNTED],
            self._figures(),
            _cpu(parts),
            _delayed(parts),
        )
        began_at, began = time.time(), time.monotonic()
        with (
            most_connections(self._url) as connections,
            counted_commands(self._ground.broker) as commands,
        ):
            self._ask_for(trial.arrivals)
            self._wait_for_all(trial.name)
            seconds = time.monotonic() - began
            self._wait_for_the_log()
        after, used, kept = self._figures(), _cpu(parts), _delayed(parts)
        stored, log, ahead, commits = (
            self._one(sql) - count for sql, count in zip(COUNTED, before, strict=True)
        )
        rows = ask(self._url, READY % began_at)
        return Taken(
            ready=[float(row[0]) for row in rows],
            whole=sum(row[1] == "ready" for row in rows),
            seconds=seconds,
            calls=after["answered"] - figures["answered"],
            refused=after["refused"] - figures["refused"],
            most_at_once=after["most"],
            mean_at_once=(after["seconds"] - figures["seconds"]) / seconds,
            most_in_window=after["most_in_window"],
            cpu={name: used[name] - cpu[name] for name in parts},
            delayed={name: kept[name] - delayed[name] for name in parts},
            memory={name: pss(pids) / len(pids) for name, pids in parts.items()},
            commands={
                name: sum(counts.values()) for name, counts in commands.items() if name in parts
            },
            connections={
                name.removeprefix("roadmap-"): count for name, count in connections.items() if name
            },
            stored=stored,
            log=log,
            ahead=ahead,
            commits=commits,
        )

    def _start_consumers(self, trial: Trial) -> None:
        """In place of those that there are. Each loads what it needs with its first roadmaps, which do not count."""
        self._working.close()
        self._consumers = [
            self._working.enter_context(self._consumer(trial)) for _ in range(trial.consumers)
        ]
        self._like = trial.consumers, trial.threads
        for _ in self._consumers:
            self._ask_for_one()
        self._wait_for_all(trial.name)

    @contextmanager
    def _consumer(self, trial: Trial) -> Iterator[Service]:
        settings = {
            "CONTENT_WORKERS": str(trial.threads),
            "MODEL_CONCURRENCY": str(max(trial.threads, 8)),
        }
        service = Service(
            "huey_content", {**self._stack.content.environment, **settings}, self._ground.scratch
        )
        service.start()
        try:
            until(lambda: "huey@content ready" in service.output, "a consumer", "it is ready")
            yield service
        finally:
            service.stop()

    def _ask_for(self, arrivals: Sequence[float]) -> None:
        began = time.monotonic()
        for at in arrivals:
            time.sleep(max(began + at - time.monotonic(), 0))
            self._ask_for_one()

    def _ask_for_one(self) -> None:
        answer = answer_to(
            "POST",
            f"{self._stack.url}/api/v1/roadmaps",
            json={"goal": GOAL},
            headers=self._stack.headers,
        )
        answer.raise_for_status()

    def _wait_for_all(self, name: str) -> None:
        until(
            lambda: self._one(UNFINISHED) == 0, name, "every roadmap has come to its end", PATIENCE
        )

    def _wait_for_the_log(self) -> None:
        """Until nobody writes any more: the log is written a moment later."""
        last, deadline = -1, time.monotonic() + STORED
        while (
            now := self._one("SELECT count(*) FROM execution_log")
        ) != last and time.monotonic() < deadline:
            last = now
            time.sleep(1.0)

    def _one(self, sql: str) -> int:
        return int(ask(self._url, sql)[0][0])

    def _figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = httpx2.get(
            f"http://127.0.0.1:{self._port}/figures", verify=NO_TLS, timeout=10
        ).json()
        return figures


def _pair(latency: Latency) -> tuple[float, float]:
    return latency.median, latency.spread


def _cpu(parts: dict[str, list[int]]) -> dict[str, float]:
    """Seconds of CPU that each part has used, with all that its processes have started."""
    found = dict.fromkeys(parts, 0.0)
    for name, pids in parts.items():
        for pid in trees(pids):
            with suppress(
                FileNotFoundError, ProcessLookupError
            ):  # it has just ended, and its parent counts it
                found[name] += cpu_seconds(pid)
    return found


def _delayed(parts: dict[str, list[int]]) -> dict[str, float]:
    """Seconds for which threads of each part could have run and found no core, as Linux counts them; 0 where it does not."""
    found = dict.fromkeys(parts, 0.0)
    for name, pids in parts.items():
        for pid in trees(pids):
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    found[name] += int(thread.read_text().split()[1]) / 1e9
    return found
