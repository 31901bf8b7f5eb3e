"""What comes next: domain functions commit and return steps, the edges (web, tasks) enqueue them."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class StepName(StrEnum):
    plan_roadmap = "plan_roadmap"
    build_content = "build_content"
    deliver_webhook = "deliver_webhook"


@dataclass(frozen=True, slots=True)
class Step:
    """Run the named task for this row, `delay` seconds from now."""

    name: StepName
    id: UUID
    delay: float = 0
