"""A connection that sends prebuilt requests and measures their answers.

No HTTP library, so that it is not the limit. It understands what the measured servers answer: a
head, and a body of the length that the head says.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from secrets import token_hex
from time import perf_counter
from typing import cast

from benchmarks.load import NAME

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
WITHOUT_BODY = (b"204", b"304")
END = b"\r\n\r\n"


class Answers:
    """Every status that came back, and latencies (ms).

    Of what was due between `begin` and `end` (perf_counter).
    """

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self.statuses: Counter[bytes] = Counter()
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.in_time = 0  # answers that came between begin and end
        self.first_body = (
            b""  # of an answer with another status than that of the first: what is wrong?
        )

    def note(self, status: bytes, due: float, now: float) -> None:
        self.statuses[status] += 1
        if self.begin <= now < self.end:
            self.in_time += 1
        if self.begin <= due < self.end:
            self.latencies.append((now - due) * 1000)


def endless(requests: list[str]) -> Iterator[bytes]:
    """In turn; where a request has NAME, each time another text stands there."""
    parts = [tuple(part.encode() for part in request.partition(NAME)) for request in requests]
    run = token_hex(8).encode()
    for number, (before, named, after) in enumerate(cycle(parts)):
        yield b"%b%b%016d%b" % (before, run, number, after) if named else before


class Connection(asyncio.Protocol):
    """`send(request, due)`; `on_answer(self)` is called when its answer is there whole."""

    def __init__(
        self,
        answers: Answers,
        on_answer: Callable[["Connection"], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._answers, self._on_answer, self._on_failure = answers, on_answer, on_failure
        self._received = b""
        self._due = 0.0
        self.waits = False  # for an answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, request: bytes, due: float) -> None:
        # uvloop's timers count whole milliseconds, and may end one early.
        self._due, self.waits = min(due, perf_counter()), True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        end = self._received.find(END)
        if end < 0:
            return
        head, status = self._received[: end + 2], self._received[9:12]
        if status in WITHOUT_BODY:
            length = 0
        elif found := LENGTH.search(head):
            length = int(found[1])
        else:
            self._on_failure(f"an answer without Content-Length: {head[:200]!r}")
            return
        if len(self._received) < end + len(END) + length:
            return
        body = self._received[end + len(END) :]
        self._received = b""
        self.waits = False
        if not self._answers.first_body and status[:1] not in b"23":
            self._answers.first_body = body[:300]
        self._answers.note(status, self._due, perf_counter())
        self._on_answer(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.waits:
            self._on_failure(
                f"a connection was closed before its answer came ({error or 'no error'})"
            )

    def close(self) -> None:
        self._transport.close()
