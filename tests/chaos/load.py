"""The load of a soak: people who create roadmaps, and a process that writes log records.

    python -m tests.chaos.load --rate 200 --ledger FILE     the log writer, as a service

It writes until its standard input ends, so that it never outlives who started it.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from testing.stack import ROOT
from testing.waiting import HANG, wait_until

PEOPLE = 8  # who wait for their answers at the same time
LATEST = 2.0  # seconds; a request that is later is left out: outages are followed by no flood
PATIENCE = 30  # seconds until a person gives up
PAUSE = 0.5  # seconds until the same is asked again
AGAIN = (409, 503)  # it is still being answered; not possible at the moment
CATEGORY = "soak"
NUMBER = re.compile(rf'"{CATEGORY}": ?([0-9]+)'.encode())  # of a record, in JSON


class Creators:
    """Post a new goal `rate` times a second.

    Only an answer 202 with its Location counts as accepted.
    A request without an answer, or with a temporary error, is sent again with the same key.
    """

    def __init__(self, url: str, headers: dict[str, str], rate: float) -> None:
        self.accepted: dict[str, str] = {}  # roadmap id -> goal
        self.refused: Counter[str] = Counter()
        self._url, self._headers, self._rate = url, headers, rate
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._began, self._ticks = time.monotonic(), 0
        self._threads = [
            threading.Thread(target=self._run, name=f"Person{index}", daemon=True)
            for index in range(PEOPLE)
        ]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(HANG)

    def _run(self) -> None:
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=HANG) as client:
            while not self._ended.is_set():
                number, due = self._next()
                if time.monotonic() - due > LATEST:
                    self._count("left out, too late")
                elif not self._ended.wait(max(due - time.monotonic(), 0)):  # the pace of the load
                    self._create(client, f"Learn to bake bread number {number}")

    def _next(self) -> tuple[int, float]:
        with self._lock:
            self._ticks += 1
            return self._ticks, self._began + self._ticks / self._rate

    def _create(self, client: httpx2.Client, goal: str) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        until = time.monotonic() + PATIENCE
        while not self._asked(client, goal, key):
            if time.monotonic() > until or self._ended.wait(PAUSE):
                return self._count("given up")
            self._count("asked again")

    def _asked(self, client: httpx2.Client, goal: str, key: dict[str, str]) -> bool:
        """Whether that is settled."""
        try:
            answer = client.post("/api/v1/roadmaps", json={"goal": goal}, headers=key)
        except httpx2.TransportError as error:
            self._count(type(error).__name__)
            return False
        if answer.status_code == 202 and "location" in answer.headers:
            with self._lock:
                self.accepted[answer.headers["location"].rsplit("/", 1)[-1]] = goal
            return True
        self._count(f"status {answer.status_code}")
        return answer.status_code not in AGAIN

    def _count(self, reason: str) -> None:
        with self._lock:
            self.refused[reason] += 1


class Flushed(NamedTuple):
    """Log records that the queue took between two times, in seconds since 1970."""

    since: float
    at: float
    numbers: list[int]


class LogWriter:
    """The process that writes log records, seen from outside."""

    def __init__(self, environment: dict[str, str], folder: Path, rate: float) -> None:
        self._environment = {**environment, "SERVICE_TYPE": "api", "PYTHONDONTWRITEBYTECODE": "1"}
        self._ledger, self._output, self._rate = (
            folder / "log-writer.jsonl",
            folder / "log-writer.log",
            rate,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.chaos.load",
            "--rate",
            str(self._rate),
            "--ledger",
            str(self._ledger),
        ]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(self._writes, reason="the log writer writes")

    def stop(self) -> None:
        """Let it flush and end."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(HANG)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(HANG)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(HANG)

    def flushed(self) -> list[Flushed]:
        return [Flushed(**line) for line in self._lines() if "numbers" in line]

    def counts(self) -> dict[str, Any]:
        """Return how many it `recorded`, and its `source` id in the application's own ledger.

        It says so at its end.
        """
        return next((line for line in self._lines() if "recorded" in line), {})

    def _writes(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the log writer ended: {self._output.read_text()[-2000:]}")
        return self._ledger.exists() and bool(self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        lines = self._ledger.read_text().splitlines(keepends=True) if self._ledger.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]


def numbers_in(text: bytes) -> list[int]:
    """The running numbers of the log records within a message."""
    return [int(number) for number in NUMBER.findall(text)]


def write_records(rate: float, ledger: Path) -> None:
    """Record until standard input ends; then flush, and say what was recorded."""
    import tasks  # noqa: F401 -- wires the buffer; only the writer has the environment of a service
    from roadmap.operations import execution_log

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    buffer = execution_log.buffer
    with ledger.open("a", buffering=1) as lines:
        buffer.sink = _noting(buffer.sink, lines.write)
        began, recorded = time.monotonic(), 0
        while not ended.wait(max(began + recorded / rate - time.monotonic(), 0)):  # the pace
            recorded += 1
            execution_log.record(
                CATEGORY, "write", "A record of the soak", details={CATEGORY: recorded}
            )
        try:
            wait_until(
                lambda: buffer.flush() or not len(buffer),
                reason="everything is flushed",
            )
        finally:
            counts = {"recorded": recorded, "source": str(buffer.id)}
            lines.write(json.dumps(counts) + "\n")


def _noting(sink: Callable[..., Any], write: Callable[[str], object]) -> Callable[..., Any]:
    """The same sink, that notes what it has taken."""

    def noting(*args: Any, **options: Any) -> Any:
        since = time.time()
        taken = sink(*args, **options)
        numbers = numbers_in(json.dumps([args, options], default=str).encode())
        if numbers:
            write(json.dumps({"since": since, "at": time.time(), "numbers": numbers}) + "\n")
        return taken

    return noting


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, required=True, help="records a second")
    parser.add_argument(
        "--ledger", type=Path, required=True, help="file that what was flushed is noted in"
    )
    options = parser.parse_args()
    write_records(options.rate, options.ledger)


if __name__ == "__main__":
    main()
