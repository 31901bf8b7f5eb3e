"""To which request what is done now belongs, in this thread or task."""

from contextvars import ContextVar
from uuid import UUID

_trace_id: ContextVar[UUID | None] = ContextVar("trace_id", default=None)


def current_trace_id() -> UUID | None:
    """The trace of the request that led to what is done now; None where there is none."""
    return _trace_id.get()
