"""Jobs: domain functions commit and return them; web and tasks enqueue them."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from core import tracing
from core.tracing import TraceContext


class JobName(StrEnum):
    plan_roadmap = "plan_roadmap"
    build_content = "build_content"
    deliver_webhook = "deliver_webhook"
    export_account = "export_account"
    judge_project = "judge_project"


@dataclass(frozen=True, slots=True)
class Job:
    """Run the named task for this row, `delay` seconds from now, in the trace of what led to it.

    `first`: before the contents that wait in the queue.
    """

    name: JobName
    id: UUID
    delay: float = 0
    first: bool = False
    trace: TraceContext | None = field(default_factory=tracing.current, compare=False, repr=False)
