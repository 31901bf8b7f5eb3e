"""Load over HTTP from a process of its own: what is asked for (`Plan`), and the result (`Load`).

Two kinds. Closed: each connection sends its next request when it has its answer, which tells how
many requests a second are answered. Open: a request is sent when its time has come, whether or not
others are answered, and its latency counts from that time, also while no connection is free.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from testing.waiting import HANG

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "{name}"  # in a request: 32 characters that no other request of the load has
PATIENCE = HANG  # seconds that answers may take after the end of a load


class LoadFailed(Exception):
    """Something else than the expected answers came, or none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of a load, whole ones as they go over the wire, sent in turn.

    `expected` is the status of every answer. With a `rate` (requests a second) the load is open,
    without one closed. Nothing of the first `warm_up` seconds is measured.
    """

    port: int
    requests: Sequence[str]
    expected: int
    seconds: float
    warm_up: float = 0.5
    connections: int = 64
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The answers of a load: `answered` counts all of them, also those of the warm-up.

    Latencies are ms, by percentile; `cpu` is the share of one core that the generator itself has
    used, and `late` the 99th percentile of how late (ms) it sent what had a time.
    """

    answered: int
    rate: float
    latencies: Mapping[str, float]
    cpu: float
    late: float


def load(plan: Plan) -> Load:
    """Raises LoadFailed."""
    limit = plan.warm_up + plan.seconds + 2 * PATIENCE
    command = [sys.executable, "-m", "benchmarks.load"]
    ended = subprocess.run(
        command,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        timeout=limit,
        cwd=ROOT,
        check=False,
    )
    if ended.returncode:
        raise LoadFailed(
            ended.stderr.strip().splitlines()[-1]
            if ended.stderr.strip()
            else "the load generator was killed"
        )
    return Load(**json.loads(ended.stdout))


@contextmanager
def held(port: int, requests: Sequence[str]) -> Iterator[None]:
    """For the block each request has an answer that does not end, as a stream of events has.

    Raises LoadFailed when one of them is refused, or ended before the block did.
    """
    command = [sys.executable, "-m", "benchmarks.load", "--hold"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        try:
            holder.stdin.write(json.dumps({"port": port, "requests": list(requests)}) + "\n")
            holder.stdin.flush()
            _expect(holder.stdout.readline(), len(requests))
            yield
            holder.stdin.close()
            _expect(holder.stdout.readline(), len(requests))
        finally:
            holder.kill()


def _expect(line: str, wanted: int) -> None:
    if not line.strip() or int(line) != wanted:
        raise LoadFailed(f"{line.strip() or 'none'} of {wanted} streams are open")


def request(method: str, path: str, headers: Mapping[str, str], body: str = "") -> str:
    """As it goes over the wire."""
    given = {"Host": "127.0.0.1", **headers}
    if body:
        given |= {"Content-Type": "application/json", "Content-Length": str(len(body.encode()))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}"
