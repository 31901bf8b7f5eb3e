"""Cost of an open admin dashboard: tasks a second with one viewer, and without.

The real services run in server mode. A round pauses the content queue, fills it with messages whose
task looks up a missing row, resumes it and waits until all have run: that is the rate of the
workers. In every other round a client polls the dashboard as a browser does: live figures every two
seconds, metrics every fifteen. The order alternates. The result is the median over pairs of rounds
of two figures: wall time per task, which other work on the machine disturbs, and CPU time per task
of the workers' process, which it disturbs less. The cost of counting is measured in this process.

    make bench-observing   or   python benchmarks/observing.py --pairs 4 --messages 6000
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from huey.registry import Message

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.idle import cpu_seconds
from core.metric_counters import count, observe
from core.metric_definitions import TASK_SECONDS, TASKS
from reliable_queue.queue import ReliableQueue
from testing.operating import promote
from testing.people import Person
from testing.servers import Postgres, Redis
from testing.stack import Stack, answer_to, running, server_stack
from testing.stack_queues import queue_of
from testing.waiting import wait_until

LIVE, MEASURED = 2.0, 15.0  # seconds between two requests of a browser
ALLOWED = 0.05  # of a worker's time per task
COUNTED = 100_000


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--pairs", type=int, default=4)
    asked.add_argument("--messages", type=int, default=6000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="roadmap-bench-") as scratch, ExitStack() as ends:
        folders = [Path(scratch) / name for name in ("postgres", "redis", "server")]
        for folder in folders:
            folder.mkdir()
        postgres, broker = Postgres(folders[0]), Redis(folders[1])
        for server in (postgres, broker):
            server.start()
            ends.callback(server.stop)
        stack = ends.enter_context(running(server_stack(folders[2], postgres, broker)))
        person = Person(stack).register()
        promote(stack, person.email, "admin")
        answer = answer_to(
            "POST",
            f"{stack.url}/api/v1/auth/login",
            json={"email": person.email, "password": person.password},
        )
        headers = {
            "Authorization": f"Bearer {answer.json()['access_token']}",
            "Accept": "text/html",
            "HX-Request": "true",
        }
        queue = ends.enter_context(queue_of(stack))
        round_of(stack, queue, options.messages // 4)  # the first is slower
        return report(stack, queue, headers, options.pairs, options.messages)


def report(
    stack: Stack, queue: ReliableQueue, headers: dict[str, str], pairs: int, messages: int
) -> int:
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(pairs):
        for is_followed in (False, True) if number % 2 else (True, False):
            with following(stack, headers) if is_followed else ExitStack():
                found[is_followed].append(round_of(stack, queue, messages))
        figures = ", ".join(
            f"{'followed' if is_followed else 'alone'} {1e3 * rounds[-1][0]:.3f} ms a task, "
            f"{1e3 * rounds[-1][1]:.3f} of CPU"
            for is_followed, rounds in found.items()
        )
        print(f"pair {number + 1}: {figures}", flush=True)
    both = list(zip(found[True], found[False], strict=True))
    wall, cpu = (statistics.median(after[n] / before[n] for after, before in both) for n in (0, 1))
    cost, task = counting(), statistics.median(cpu_time for _, cpu_time in found[False])
    print(
        f"with the dashboard followed: time x {wall:.3f}, CPU time x {cpu:.3f} "
        f"(at most {1 + ALLOWED:.2f} is wanted)"
    )
    print(
        f"counting takes {cost * 1e6:.1f} us a task: {100 * cost / task:.2f} % of the CPU time "
        "of one that does nearly nothing"
    )
    return 0 if cpu <= 1 + ALLOWED else 1


def round_of(stack: Stack, queue: ReliableQueue, messages: int) -> tuple[float, float]:
    """Seconds for each task, on the clock and of the workers' CPU time."""
    queue.pause()
    task = {"name": "tasks.content.deliver_webhook", "kwargs": {}, "retries": 0}
    made = (Message(id=str(uuid4()), args=(str(uuid4()),), **task) for _ in range(messages))
    queue.storage.enqueue_many((queue.serializer.seal(message, None, {}), 0) for message in made)
    began, spent = time.monotonic(), cpu_seconds(stack.content.pid)
    queue.resume()
    wait_until(
        lambda: queue.storage.queue_size() + queue.storage.stats().held == 0,
        reason="all have run",
    )
    return (time.monotonic() - began) / messages, (
        cpu_seconds(stack.content.pid) - spent
    ) / messages


@contextmanager
def following(stack: Stack, headers: dict[str, str]) -> Iterator[None]:
    """Somebody has the dashboard open."""
    ended = threading.Event()
    failed: list[str] = []

    def follow() -> None:
        measured_at = 0.0
        while not ended.wait(LIVE):
            paths = ["/admin"]
            if time.monotonic() - measured_at >= MEASURED:
                measured_at = time.monotonic()
                paths.append("/admin/measures")
            failed.extend(
                path
                for path in paths
                if answer_to("GET", stack.url + path, headers=headers).status_code != 200
            )

    answer_to("GET", stack.url + "/admin", headers=headers)
    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failed, failed


def counting() -> float:
    """Seconds that it takes to count one task."""
    began = time.perf_counter()
    for _ in range(COUNTED):
        count(TASKS, queue="content", task="deliver_webhook", outcome="done")
        observe(TASK_SECONDS, 0.001, queue="content", task="deliver_webhook")
    return (time.perf_counter() - began) / COUNTED


if __name__ == "__main__":
    sys.exit(main())
