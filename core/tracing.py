"""Trace context (W3C) and request id of the current thread or coroutine.

A request brings a trace or begins one. Queue messages, log records and headers of outgoing requests
carry it on. Nothing is measured or exported: external tracing finds our spans by their ids.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from uuid import UUID

HEADER = "traceparent"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACEPARENT = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)
LONGEST = 512  # characters of the header; later versions of the standard may append fields
INVALID_IDS = {"0" * 32, "0" * 16}
FORBIDDEN, CURRENT, SAMPLED = "ff", "00", 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Trace with an `id` for all its parts and the `span_id` of ours.

    They have 32 and 16 hexadecimal digits. `is_sampled`: the caller records the trace.
    """

    id: str
    span_id: str
    is_sampled: bool = False
    request_id: str = ""

    @property
    def trace_id(self) -> UUID:
        return UUID(hex=self.id)


_ids = Random()  # of its own: tests seed the one of all
os.register_at_fork(after_in_child=_ids.seed)
_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
current = _current.get  # the trace of this thread or coroutine, or None
enter = _current.set  # for this coroutine and those that it starts


def new_trace(request_id: str | None = "") -> TraceContext:
    """Return a new trace. Without a request id (None) it has that of the span."""
    trace_id, span_id = f"{_span_id()}{_span_id()}", _span_id()
    return TraceContext(trace_id, span_id, request_id=span_id if request_id is None else request_id)


def _span_id() -> str:
    return f"{_ids.getrandbits(64):016x}"


def trace_of_headers(headers: Sequence[str], request_id: str | None = "") -> TraceContext:
    """Return the trace of one valid traceparent header, or else a new trace."""
    if not headers:
        return new_trace(request_id)
    found = (
        TRACEPARENT.fullmatch(headers[0])
        if len(headers) == 1 and len(headers[0]) <= LONGEST
        else None
    )
    if (
        found is None
        or found[1] == FORBIDDEN
        or (found[1] == CURRENT and found[5])
        or INVALID_IDS & {found[2], found[3]}
    ):
        return new_trace(request_id)
    span_id = _span_id()
    return TraceContext(
        found[2],
        span_id,
        bool(int(found[4], 16) & SAMPLED),
        span_id if request_id is None else request_id,
    )


@contextmanager
def use_trace(trace: TraceContext | None) -> Iterator[None]:
    """Set the trace of this thread while the block runs."""
    before = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(before)


def outgoing_headers() -> dict[str, str]:
    """Return the header of an outgoing request, with its own span, if any."""
    if (trace := _current.get()) is None:
        return {}
    return message_fields(TraceContext(trace.id, _span_id(), trace.is_sampled))


def message_fields(trace: TraceContext | None) -> dict[str, str]:
    """Return the fields that a queue message carries."""
    if trace is None:
        return {}
    flags = SAMPLED if trace.is_sampled else 0
    fields = {HEADER: f"{CURRENT}-{trace.id}-{trace.span_id}-{flags:02x}"}
    if trace.request_id:
        fields["request_id"] = trace.request_id
    return fields


class TraceBaggage:
    """Baggage of the queues: a task runs in the trace of its cause, or begins one."""

    def packed(self) -> dict[str, str]:
        return message_fields(_current.get())

    @contextmanager
    def unpacked(self, carried: Mapping[str, str]) -> Iterator[None]:
        request_id = str(carried.get("request_id", ""))
        known = request_id if REQUEST_ID.fullmatch(request_id) else ""
        with use_trace(
            trace_of_headers([str(carried[HEADER])] if HEADER in carried else [], known)
        ):
            yield
