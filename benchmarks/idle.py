"""The cost of idle services, and how soon a task starts then.

    python -m benchmarks.idle SECONDS

The real services in both modes with the settings that a
newcomer gets, not the short ones of the tests. Counted are the commands that Redis receives from
each service (MONITOR; not the calls inside scripts), and the CPU time of each process. The latency
is that of a new roadmap: from the time of its `roadmap.queued` event to that of `roadmap.planning`.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from core.settings import Settings
from testing.servers import Postgres, Redis
from testing.stack import SHORT, Stack, embedded_stack, running, server_stack

SETTLE = 10.0  # seconds after the start: longer than three beats
TRIES = 40
LONGEST_PAUSE, SHORTEST_PAUSE = (
    2.0,
    1.0,
)  # seconds before a try, random so that it meets every phase of a poll
DEFAULTS = {name: str(Settings.model_fields[name.lower()].default) for name in SHORT}
CHILDREN = {
    "api": "roadmap_app:app",
    "huey_logs": "tasks.queues.logs_queue",
    "huey_content": "tasks.queues.content_queue",
}


def report_idle(seconds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch:
        folders = [Path(scratch) / name for name in ("postgres", "redis", "server", "embedded")]
        for folder in folders:
            folder.mkdir()
        report_server(seconds, *folders[:3])
        report_embedded(seconds, folders[3])


def report_server(seconds: int, *folders: Path) -> None:
    with ExitStack() as ends:
        postgres, broker = Postgres(folders[0]), Redis(folders[1])
        for server in (postgres, broker):
            server.start()
            ends.callback(server.stop)
        stack = server_stack(folders[2], postgres, broker, in_one=False, **DEFAULTS)
        for (
            name,
            service,
        ) in stack.services.items():  # its connections tell CLIENT LIST whose they are
            service.environment["REDIS_URL"] += f"?client_name={name}"
        ends.enter_context(running(stack))
        time.sleep(SETTLE)
        pids = {name: service.pid for name, service in stack.services.items()}
        with counted_commands(broker) as commands:
            shares = cpu_shares(pids, seconds)
        print(f"server mode, idle for {seconds} s")
        for name in pids:
            each = ", ".join(
                f"{command} {count / seconds:.2f}"
                for command, count in commands[name].most_common()
            )
            total = sum(commands[name].values()) / seconds
            print(
                f"  {name:<14} CPU {shares[name]:5.2f} %   Redis commands/s {total:5.2f}   {each}"
            )
        report_latencies(stack)


def report_embedded(seconds: int, folder: Path) -> None:
    with running(embedded_stack(folder, **DEFAULTS)) as stack:
        time.sleep(SETTLE)
        pids = {name: stack.api.child(words) for name, words in CHILDREN.items()}
        shares = cpu_shares({**pids, "supervisor": stack.api.pid}, seconds)
        print(f"embedded mode, idle for {seconds} s")
        for name, share in shares.items():
            print(f"  {name:<14} CPU {share:5.2f} %")
        report_latencies(stack)


def cpu_shares(pids: dict[str, int], seconds: int) -> dict[str, float]:
    """Percent of one CPU over the next `seconds`, with what ended children of it have used."""
    started, before = time.monotonic(), {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    return {name: (cpu_seconds(pid) - before[name]) / elapsed * 100 for name, pid in pids.items()}


def cpu_seconds(pid: int) -> float:
    """utime, stime, cutime and cstime of /proc/PID/stat; the command before may have spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


@contextmanager
def counted_commands(broker: Redis) -> Iterator[Mapping[str, Counter[str]]]:
    """By name of the client, filled when the block has ended: how often it sent each command."""
    commands: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seen: Counter[tuple[str, str]] = Counter()  # (port, command)
    listening, the_end = threading.Event(), "the end of the measurement"

    def listen() -> None:
        client: Any = redis.Redis(port=broker.port, socket_timeout=None)
        with client.monitor() as monitor:
            listening.set()
            while (sent := monitor.next_command())["command"] != f"ECHO {the_end}":
                if sent["client_type"] != "lua":
                    seen[sent["client_port"], sent["command"].split()[0].upper()] += 1

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    listening.wait(10)
    names = client_names(broker)
    yield commands
    names |= client_names(broker)
    broker.client().echo(the_end)
    thread.join(10)
    for (port, command), count in seen.items():
        commands[names.get(port, "another")][command] += count


def client_names(broker: Redis) -> dict[str, str]:
    """Names of the connections by their ports."""
    clients: list[dict[str, str]] = broker.client().client_list()
    return {client["addr"].rpartition(":")[2]: client["name"] for client in clients}


def report_latencies(stack: Stack) -> None:
    start_latency(stack)  # the first one makes every process load what it needs
    latencies = [start_latency(stack) for _ in range(TRIES)]
    cut = statistics.quantiles(latencies, n=100, method="inclusive")
    print(
        f"  from queued to planning, {TRIES} tries on an idle queue: "
        f"50 % {cut[49]:.1f} ms, 99 % {cut[98]:.1f} ms\n"
    )


def start_latency(stack: Stack) -> float:
    """Milliseconds from the acceptance of a roadmap to the start of its task."""
    time.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
    path = stack.create()
    stack.finished(path)
    at = {
        event["event"]: datetime.fromisoformat(json.loads(event["data"])["at"])
        for event in stack.events(path)
    }
    return (at["roadmap.planning"] - at["roadmap.queued"]).total_seconds() * 1000


if __name__ == "__main__":
    report_idle(int(sys.argv[1]))
