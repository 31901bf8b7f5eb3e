"""Measure how quickly a goal is accepted by the real services in server mode.

Send 100 requests a second for 30 s, and print the percentiles, the errors, and the most PostgreSQL
connections that the API held. Open loop: a request is sent when its time has come, whether or not
the one before was answered, and its latency counts from that time.

    make bench-accept   or   python benchmarks/accept.py --rate 100 --seconds 30 --broker hung

With `--broker hung` or `--broker refused` Redis is stopped or killed during the load, and comes
back afterwards: no answer may wait for it, and everything accepted must be planned in the end.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.processes import looking
from testing.servers import Postgres, Redis
from testing.stack import GOAL, Stack, running, server_stack
from testing.waiting import wait_until

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'roadmap-api'"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=100, help="requests a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument(
        "--broker",
        choices=("there", "hung", "refused"),
        default="there",
        help="what Redis does meanwhile",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch, ExitStack() as ends:
        folders = [Path(scratch) / name for name in ("postgres", "redis", "services")]
        for folder in folders:
            folder.mkdir()
        postgres, broker = Postgres(folders[0]), Redis(folders[1])
        for server in (postgres, broker):
            server.start()
            ends.callback(server.stop)
        stack = server_stack(
            folders[2], postgres, broker, HEARTBEAT_SECONDS="3", HEARTBEAT_TTL_SECONDS="9"
        )
        ends.enter_context(running(stack))
        with most_connections(postgres) as most, broker_is(options.broker, broker):
            latencies, errors = asyncio.run(load(stack, options.rate, options.seconds))
        report(options.rate, options.seconds, latencies, errors, most[0])
        if options.broker != "there":
            print(
                f"  broker {options.broker} meanwhile; "
                f"all are planned {until_planned(stack):.0f} s after it was back"
            )
    return 1 if errors else 0


@contextmanager
def broker_is(state: str, broker: Redis) -> Iterator[None]:
    if state == "hung":
        broker.pause()
    elif state == "refused":
        broker.kill()
    yield
    if state == "hung":
        broker.resume()
    elif state == "refused":
        broker.start()


def until_planned(stack: Stack) -> float:
    """Seconds until no accepted roadmap waits for its outline."""
    started = time.monotonic()
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    connection.autocommit = True

    def waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM roadmap WHERE status IN ('queued', 'planning')")
            [(count,)] = cursor.fetchall()
            return int(count)

    def another_is_planned(before: int) -> bool:
        return waiting() < before

    while before := waiting():
        wait_until(partial(another_is_planned, before))
    connection.close()
    return time.monotonic() - started


async def load(stack: Stack, rate: int, seconds: int) -> tuple[list[float], int]:
    """Latencies in ms of what was answered 202, and the number of everything else."""
    limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx2.AsyncClient(
        base_url=stack.url, headers=stack.headers, limits=limits, timeout=10
    ) as client:
        latencies: list[float] = []
        errors = 0

        async def one(due: float) -> None:
            nonlocal errors
            try:
                answer = await client.post("/api/v1/roadmaps", json={"goal": GOAL})
            except httpx2.TransportError:
                errors += 1
                return
            if answer.status_code == 202:
                latencies.append((time.perf_counter() - due) * 1000)
            else:
                errors += 1

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(rate * seconds):
                due = started + number / rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(one(due))
    return latencies, errors


@contextmanager
def most_connections(postgres: Postgres) -> Iterator[list[int]]:
    """The highest number of connections that the API held during the block."""
    most = [0]

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CONNECTIONS)
            most[0] = max(most[0], *(count for (count,) in cursor.fetchall()))

    with closing(psycopg2.connect(postgres.url())) as connection:
        connection.autocommit = True
        with looking(look, 0.05):
            yield most


def report(rate: int, seconds: int, latencies: list[float], errors: int, connections: int) -> None:
    cuts = statistics.quantiles(latencies, n=1000)
    print(
        f"POST /api/v1/roadmaps, {rate} requests/s for {seconds} s, "
        "API, both consumers, PostgreSQL and Redis on one machine"
    )
    print(f"  accepted      {len(latencies)}")
    print(f"  errors        {errors}")
    for name, cut in (("50 %", 499), ("90 %", 899), ("99 %", 989), ("99.9 %", 998)):
        print(f"  {name:<13} {cuts[cut]:.1f} ms")
    print(f"  slowest       {max(latencies):.1f} ms")
    print(f"  PostgreSQL connections of the API, at most {connections}")


if __name__ == "__main__":
    sys.exit(main())
