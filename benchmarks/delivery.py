"""The cost of delivery without loss: our ReliableQueue against stock Huey, on Redis and on SQLite.

A round enqueues all messages of a contender on a queue (SQLite: in a file) of its own, then starts
one consumer process with real worker threads, and has it say when its first and its last task ran:
that is the consuming rate. The tasks do nothing else, so what is left is delivery. Contenders take
turns, and so does who begins; ratios are of one round or of the medians. A round in which a task
ran other than once, or a message was left, ends the run.

Both sides run with `results=False`, and stock Huey with its defaults otherwise, except that its
SQLite consumer gets `max_delay=0.2`, or it would idle for up to 10 s. Its SQLite waits for the disk
at each commit (`synchronous=full`), ours does not (`normal`): a third contender, stock with
`normal`, tells what of the difference that is. It decides nothing.

    make bench-delivery
    python benchmarks/delivery.py --rounds 5 --storage both --json figures.json
    python benchmarks/delivery.py --idle 60    the cost of idle services, and how soon a task starts
"""

import argparse
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import huey
from huey import Huey, RedisHuey, SqliteHuey

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.idle import report_idle
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from testing.servers import Redis

CONTENDERS = {
    "redis": ("redis-stock", "redis-ours"),
    "sqlite": ("sqlite-stock", "sqlite-normal", "sqlite-ours"),
}
ROWS = {
    "redis": ("redis-stock", "redis-ours"),
    "sqlite": ("sqlite-stock", "sqlite-ours"),
    "sqlite, stock synchronous=normal": ("sqlite-normal", "sqlite-ours"),
}
MESSAGES = {"redis": 8_000, "sqlite": 4_000}
BATCH = 100  # messages of one enqueue_many
CONSUMER_OPTIONS: dict[str, dict[str, Any]] = {
    name: {"max_delay": 0.2} for name in ("sqlite-stock", "sqlite-normal")
}
LONGEST_ROUND = 300  # seconds until a consumer is given up


@dataclass(frozen=True, slots=True)
class Measurement:
    """Messages a second; `batched` is that of enqueue_many, which stock Huey does not have."""

    contender: str
    round: int
    consumed: float
    enqueued: float
    batched: float | None


def main() -> int:
    options = parse_arguments()
    if options.consume:
        consume(options.consume, options.place, options.name, options.messages, options.threads)
        return 0
    if options.idle:
        report_idle(options.idle)
        return 0
    storages = ("redis", "sqlite") if options.storage == "both" else (options.storage,)
    versions, measurements = measure(storages, options)
    rows = {row: pair for row, pair in ROWS.items() if row.startswith(storages)}
    summaries = {row: summarize(*pair, measurements) for row, pair in rows.items()}
    report(versions, options, summaries)
    if options.json:
        figures = {
            "versions": versions,
            "summaries": summaries,
            "measurements": [asdict(one) for one in measurements],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return verdict(summaries, {"redis": options.least_redis, "sqlite": options.least_sqlite})


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    default = ", ".join(f"{number} on {storage}" for storage, number in MESSAGES.items())
    parser.add_argument("--messages", type=int, help=f"of a round; default {default}")
    parser.add_argument("--threads", type=int, default=4, help="worker threads of the consumer")
    parser.add_argument("--storage", choices=("redis", "sqlite", "both"), default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument(
        "--least-redis", type=float, default=1.0, help="exit 1 when ours / stock is below it"
    )
    parser.add_argument(
        "--least-sqlite", type=float, default=0.6, help="exit 1 when ours / stock is below it"
    )
    parser.add_argument(
        "--idle", type=int, metavar="SECONDS", help="measure the idle services for so long instead"
    )
    for internal in ("--consume", "--place", "--name"):  # how the script starts its consumers
        parser.add_argument(internal, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(
    storages: Sequence[str], options: argparse.Namespace
) -> tuple[dict[str, str], list[Measurement]]:
    """The versions at work, and a measurement of each contender in each round."""
    measurements = []
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch, ExitStack() as ends:
        broker = Redis(Path(scratch))
        if "redis" in storages:
            broker.start()
            ends.callback(broker.stop)
        versions = versions_of(broker if "redis" in storages else None)
        for number in range(options.rounds):
            for storage in storages:
                turns = CONTENDERS[storage]
                for contender in turns if number % 2 == 0 else reversed(turns):
                    place = (
                        broker.url() if storage == "redis" else f"{scratch}/{contender}-{number}.db"
                    )
                    messages = options.messages or MESSAGES[storage]
                    measurements.append(
                        measure_round(contender, number, place, messages, options.threads)
                    )
                    progress(
                        f"round {number + 1} of {options.rounds}, {contender}: "
                        f"{measurements[-1].consumed:,.0f} tasks/s"
                    )
    return versions, measurements


def measure_round(
    contender: str, number: int, place: str, messages: int, threads: int
) -> Measurement:
    name = f"{contender.replace('-', '')}{number}"
    queue = make_queue(contender, place, name)
    tick = queue.task()(Ticks(messages).tick)
    queue.pending_count()  # connects
    started = time.perf_counter()
    for message in range(messages):
        tick(message)
    enqueued = messages / (time.perf_counter() - started)
    ran = run_consumer(contender, place, name, messages, threads)
    if (ran["ran"], ran["different"], queue.pending_count()) != (messages, messages, 0):
        raise SystemExit(f"{contender}: {messages} messages, {ran}, {queue.pending_count()} left")
    queue.storage.close()
    batched = (
        enqueue_batches(contender, place, f"{name}batched", messages)
        if contender.endswith("ours")
        else None
    )
    return Measurement(contender, number, (messages - 1) / ran["seconds"], enqueued, batched)


def enqueue_batches(contender: str, place: str, name: str, messages: int) -> float:
    """Messages a second by enqueue_many, on a queue without a consumer; it is emptied after."""
    queue = make_queue(contender, place, name)
    tick = queue.task()(Ticks(messages).tick)
    queue.pending_count()  # connects
    started = time.perf_counter()
    for first in range(0, messages, BATCH):
        queue.enqueue_many(
            [tick.s(message) for message in range(first, min(first + BATCH, messages))]
        )
    rate = messages / (time.perf_counter() - started)
    queue.storage.flush_queue()
    queue.storage.close()
    return rate


def run_consumer(
    contender: str, place: str, name: str, messages: int, threads: int
) -> dict[str, Any]:
    """Start this script as a consumer and return what it says on its last line."""
    what = [
        "--consume",
        contender,
        "--place",
        place,
        "--name",
        name,
        "--messages",
        str(messages),
        "--threads",
        str(threads),
    ]
    command = [sys.executable, __file__, *what]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST_ROUND
    )
    ran: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return ran


def consume(contender: str, place: str, name: str, messages: int, threads: int) -> None:
    """The consumer process: runs until every message has been executed, then says when."""
    ticks = Ticks(messages)
    queue = make_queue(contender, place, name)
    queue.task()(ticks.tick)
    threading.Thread(target=ticks.end_when_complete, daemon=True).start()
    queue.create_consumer(workers=threads, **CONSUMER_OPTIONS.get(contender, {})).run()
    print(json.dumps(ticks.summary()))


class Ticks:
    """The task and what it leaves behind: which message ran when."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._ran: list[tuple[float, int]] = []
        self._complete = threading.Event()

    def tick(self, message: int) -> None:
        self._ran.append((time.perf_counter(), message))
        if len(self._ran) >= self._messages:
            self._complete.set()

    def end_when_complete(self) -> None:
        self._complete.wait()
        os.kill(os.getpid(), signal.SIGINT)  # Huey's graceful signal

    def summary(self) -> dict[str, Any]:
        moments = sorted(moment for moment, _ in self._ran)
        different = len({message for _, message in self._ran})
        return {"ran": len(self._ran), "different": different, "seconds": moments[-1] - moments[0]}


class UnsyncedConnection(sqlite3.Connection):
    """Does not wait for the disk at each commit, as our storage does not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("pragma synchronous = normal")


def make_queue(contender: str, place: str, name: str) -> Huey:
    """`place` is the address of Redis or the file of SQLite."""
    keys = ["a key of benchmarks, which is long enough"]
    if contender == "redis-stock":
        return RedisHuey(name, url=place, results=False)
    if contender == "redis-ours":
        return ReliableQueue(name, keys=keys, storage_class=ReliableRedisStorage, url=place)
    if contender == "sqlite-stock":
        return SqliteHuey(name, filename=place, results=False)
    if contender == "sqlite-normal":
        return SqliteHuey(name, filename=place, results=False, factory=UnsyncedConnection)
    return ReliableQueue(name, keys=keys, storage_class=ReliableSqliteStorage, filename=place)


def summarize(stock: str, ours: str, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Median, least and most of each rate, and of ours / stock within a round."""
    summary: dict[str, Any] = {}
    for kind in ("consumed", "enqueued"):
        one, other = (
            [
                getattr(each, kind)
                for each in sorted(measurements, key=lambda each: each.round)
                if each.contender == contender
            ]
            for contender in (stock, ours)
        )
        ratio = spread([second / first for first, second in zip(one, other, strict=True)])
        summary[kind] = {"stock": spread(one), "ours": spread(other), "ratio": ratio}
        ratio["of_medians"] = summary[kind]["ours"]["median"] / summary[kind]["stock"]["median"]
    summary["batched"] = spread(
        [each.batched for each in measurements if each.contender == ours and each.batched]
    )
    return summary


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def report(
    versions: dict[str, str], options: argparse.Namespace, summaries: dict[str, dict[str, Any]]
) -> None:
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    counts = ", ".join(
        f"{options.messages or MESSAGES[storage]} messages on {storage}"
        for storage in MESSAGES
        if storage in summaries
    )
    print(
        f"{options.rounds} interleaved rounds, {counts}, "
        f"one consumer with {options.threads} threads, results=False"
    )
    print(
        "median (min..max); the ratio is that of the medians (and the least and most of a round)\n"
    )
    for title, kind in (
        ("consuming, tasks/s", "consumed"),
        ("enqueueing one by one, messages/s", "enqueued"),
    ):
        print(f"{title:<36} {'stock Huey':<26} {'ours':<26} ours / stock")
        for row, summary in summaries.items():
            stock, ours, ratio = (summary[kind][part] for part in ("stock", "ours", "ratio"))
            ratios = f"{ratio['of_medians']:.2f} ({ratio['least']:.2f}..{ratio['most']:.2f})"
            print(f"  {row:<34} {rates(stock):<26} {rates(ours):<26} {ratios}")
    print(f"enqueueing {BATCH} at once, messages/s")
    for storage in MESSAGES:
        if storage in summaries:
            print(
                f"  {storage:<34} {'does not have it':<26} {rates(summaries[storage]['batched'])}"
            )


def rates(of: dict[str, float]) -> str:
    return f"{of['median']:,.0f} ({of['least']:,.0f}..{of['most']:,.0f})"


def verdict(summaries: dict[str, dict[str, Any]], least: dict[str, float]) -> int:
    """1 when a ratio of consuming rates is below what is asked for, else 0."""
    failed = 0
    for storage, wanted in least.items():
        ratio = (
            summaries[storage]["consumed"]["ratio"]["of_medians"]
            if storage in summaries
            else wanted
        )
        if ratio < wanted:
            print(
                f"error: on {storage} ours / stock is {ratio:.2f}, less than {wanted:g}",
                file=sys.stderr,
            )
            failed = 1
    return failed


def versions_of(broker: Redis | None) -> dict[str, str]:
    versions = {
        "Huey": huey.__version__,
        "SQLite": sqlite3.sqlite_version,
        "Python": platform.python_version(),
    }
    if broker is not None:
        info: Any = broker.client().info("server")
        versions[info.get("server_name", "Redis").capitalize()] = info.get(
            "valkey_version", info["redis_version"]
        )
    return {**versions, "CPUs": str(os.cpu_count()), "load before": f"{os.getloadavg()[0]:.1f}"}


def progress(line: str) -> None:
    """For the person who waits; figures that are kept come at the end."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
