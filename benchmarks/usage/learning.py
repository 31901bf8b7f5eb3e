"""Learner over HTTP: creates roadmaps, follows their events, reads their trees.

Each answer is returned whole, with its head, so that its bytes can be counted.
"""

import gzip
import json
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from benchmarks.contenders import PATH, goal
from benchmarks.ground import BenchmarkFailed
from benchmarks.load import request
from testing.waiting import HANG

AT_ONCE = 10  # roadmaps that are made at the same time
LOCATION = re.compile(rb"\r\nlocation: *(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Learner:
    """Of the service at this port. `follows`: there are events to follow."""

    port: int
    headers: Mapping[str, str]
    follows: bool = True

    def make(self, first: int, count: int) -> int:
        """So many roadmaps of different goals; the bytes of the answers. Raises BenchmarkFailed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(
                pool.map(lambda number: len(self.create(number)[1]), range(first, first + count))
            )

    def create(self, number: int) -> tuple[str, bytes]:
        """The path of a new roadmap, and what was answered until it was ready.

        The latter if there are events. Raises BenchmarkFailed.
        """
        answered = self._ask("POST", PATH, json.dumps({"goal": goal(number)}), status=202)
        found = LOCATION.search(head_of(answered))
        if found is None:
            raise BenchmarkFailed(f"a new roadmap has no address: {head_of(answered)!r}")
        path = found[1].decode()
        if self.follows:
            answered += (events := self._ask("GET", f"{path}/events", accept="text/event-stream"))
            if b"event: roadmap.ready" not in events:
                raise BenchmarkFailed(f"a roadmap did not become ready: {events[-500:]!r}")
        return path, answered

    def read(self, path: str) -> bytes:
        """The answer with the tree."""
        return self._ask("GET", path)

    def tree_request(self, path: str) -> str:
        """To be sent by a load: on a connection that stays."""
        return request("GET", path, {**self.headers, "Accept-Encoding": "gzip"})

    def _ask(
        self,
        method: str,
        path: str,
        body: str = "",
        *,
        accept: str = "application/json",
        status: int = 200,
    ) -> bytes:
        headers = {
            **self.headers,
            "Accept": accept,
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        answered = exchanged(self.port, request(method, path, headers, body))
        if not answered.startswith(b"HTTP/1.1 %d " % status):
            raise BenchmarkFailed(f"{method} {path} was answered with {answered[:500]!r}")
        return answered


def exchanged(port: int, asked: str, *, longest: float = HANG) -> bytes:
    """All that is answered until the server ends the connection. Raises BenchmarkFailed."""
    deadline, parts = monotonic() + longest, list[bytes]()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=longest) as connection:
            connection.sendall(asked.encode())
            for part in iter(partial(connection.recv, 65536), b""):
                parts.append(part)
                connection.settimeout(max(deadline - monotonic(), 0.001))
    except OSError as error:
        raise BenchmarkFailed(
            f"{asked.splitlines()[0]} has no answer within {longest:g} s: {error!r}"
        ) from error
    return b"".join(parts)


def head_of(answered: bytes) -> bytes:
    return answered.partition(b"\r\n\r\n")[0]


def document_of(answered: bytes) -> Any:
    """The JSON of an answer that was sent in one piece, or compressed."""
    head, _, body = answered.partition(b"\r\n\r\n")
    is_compressed = re.search(rb"\r\ncontent-encoding: *gzip", head, re.IGNORECASE)
    return json.loads(gzip.decompress(body) if is_compressed else body)
