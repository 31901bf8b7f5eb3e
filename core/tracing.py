"""To which request belongs what is done now: its trace, by the W3C's Trace Context, and its id, in this thread or coroutine.

A request brings a trace along or begins one. It goes with the steps that follow from it through the queues, into what workers
write down, and in a header to whoever they ask. Nothing is measured or sent anywhere for it: who does that finds our part.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import token_hex
from uuid import UUID

HEADER = "traceparent"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
LONGEST = 512  # characters of the header; versions to come may append something
NONE = {"0" * 32, "0" * 16}
FORBIDDEN, CURRENT, SAMPLED = "ff", "00", 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """`id` (32 hexadecimal digits) is the same for all of it, `span_id` (16) is our own part. `is_sampled`: somebody before us
    records it.
    """

    id: str
    span_id: str
    is_sampled: bool = False
    request_id: str = ""

    @property
    def trace_id(self) -> UUID:
        return UUID(hex=self.id)

    @property
    def traceparent(self) -> str:
        return f"{CURRENT}-{self.id}-{self.span_id}-{SAMPLED if self.is_sampled else 0:02x}"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begun(request_id: str = "") -> Trace:
    """A new one."""
    digits = token_hex(24)
    return Trace(digits[:32], digits[32:], request_id=request_id)


def received(headers: Sequence[str], request_id: str = "") -> Trace:
    """The one of these traceparent headers, in a span of our own; a new one when there is none, more than one, or no good one."""
    if not headers:
        return begun(request_id)
    found = FORM.fullmatch(headers[0]) if len(headers) == 1 and len(headers[0]) <= LONGEST else None
    if (
        found is None
        or found[1] == FORBIDDEN
        or (found[1] == CURRENT and found[5])
        or NONE & {found[2], found[3]}
    ):
        return begun(request_id)
    return Trace(found[2], token_hex(8), bool(int(found[4], 16) & SAMPLED), request_id)


def current() -> Trace | None:
    return _current.get()


def enter(trace: Trace) -> None:
    """From now on, in this coroutine and in what it starts."""
    _current.set(trace)


@contextmanager
def entered(trace: Trace | None) -> Iterator[None]:
    """While the block runs, in this thread."""
    before = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(before)


def outgoing() -> dict[str, str]:
    """The header for whoever is asked now, in a span of its own; none where there is no trace."""
    trace = _current.get()
    return (
        {HEADER: Trace(trace.id, token_hex(8), trace.is_sampled).traceparent}
        if trace is not None
        else {}
    )


def packed(trace: Trace | None) -> dict[str, str]:
    """What travels with a message."""
    if trace is None:
        return {}
    return {HEADER: trace.traceparent} | (
        {"request_id": trace.request_id} if trace.request_id else {}
    )


class Carried:
    """The baggage of the queues: a task runs in the trace of what led to it, or begins one."""

    def packed(self) -> dict[str, str]:
        return packed(_current.get())

    @contextmanager
    def unpacked(self, carried: Mapping[str, str]) -> Iterator[None]:
        request_id = str(carried.get("request_id", ""))
        known = request_id if REQUEST_ID.fullmatch(request_id) else ""
        with entered(received([str(carried[HEADER])] if HEADER in carried else [], known)):
            yield
