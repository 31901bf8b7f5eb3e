"""Statuses, types of events, and jobs.

Domain functions commit and return jobs; web and tasks enqueue them. No database.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from core import tracing
from core.i18n import gettext_noop
from core.json_types import LazyModel
from core.tracing import TraceContext


class RoadmapStatus(StrEnum):
    queued = "queued"
    planning = "planning"
    awaiting_answers = "awaiting_answers"
    awaiting_review = "awaiting_review"
    building = "building"
    ready = "ready"
    partial = "partial"
    failed = "failed"
    cancelled = "cancelled"


BEING_MADE = (RoadmapStatus.queued, RoadmapStatus.planning, RoadmapStatus.building)


class ContentStatus(StrEnum):
    pending = "pending"
    building = "building"
    ready = "ready"
    failed = "failed"
    cancelled = "cancelled"


class RevisionSource(StrEnum):
    """Origin of a revision."""

    goal = "goal"
    feedback = "feedback"
    edit = "edit"
    restore = "restore"
    imported = "import"


class RevisionStatus(StrEnum):
    open = "open"  # being designed
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


FINAL = frozenset(
    {RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.failed, RoadmapStatus.cancelled}
)


class ConceptProgress(StrEnum):
    """Progress of the learner with a concept."""

    todo = "todo"
    learning = "learning"
    done = "done"
    skipped = "skipped"


class DeliveryStatus(StrEnum):
    """Status of a delivery."""

    pending = "pending"
    delivering = "delivering"
    delivered = "delivered"
    failed = "failed"


class ExportStatus(StrEnum):
    """Status of an account export."""

    queued = "queued"
    building = "building"
    ready = "ready"
    failed = "failed"


class LinkState(StrEnum):
    """State of a link to a resource."""

    unchecked = "unchecked"  # not checked yet
    alive = "alive"
    unclear = "unclear"  # checked without a clear result
    dead = "dead"


class AttemptMark(StrEnum):
    """Kind of a record of an attempt, in its details as `try`."""

    begun = "begun"
    failed = "failed"
    put_off = "put_off"


class Progress(LazyModel):
    """Progress of building: contents that are ready, failed, and in total."""

    ready: int = Field(description="Parts that are ready.")
    failed: int = Field(description="Parts that failed.")
    total: int = Field(description="All parts: three per concept.")


OPEN = (ContentStatus.pending, ContentStatus.building)
NO_LEASE = {"lease_token": None, "lease_until": None, "challenged_at": None}


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


TEST = "webhook.test"


class EventType(StrEnum):
    """Types of the events of a roadmap; `label` is the text on pages.

    Those of a single part have none: pages also name the part.
    """

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_, member.label = value, label
        return member

    queued = "roadmap.queued", gettext_noop("Accepted")
    imported = "roadmap.imported", gettext_noop("Imported")
    planning = "roadmap.planning", gettext_noop("Planning started")
    analysed = "roadmap.analysed", gettext_noop("Goal analysed")
    awaiting_answers = "roadmap.awaiting_answers", gettext_noop("There are questions for you")
    answered = "roadmap.answered", gettext_noop("The questions were answered or skipped")
    drafted = "roadmap.drafted", gettext_noop("A draft of the plan is ready")
    outlined = "roadmap.outlined", gettext_noop("The plan is ready")
    revised = "roadmap.revised", gettext_noop("The plan was changed")
    revision_failed = "revision.failed", gettext_noop("Changing the plan failed")
    revision_cancelled = "revision.cancelled", gettext_noop("Changing the plan was cancelled")
    awaiting_review = "roadmap.awaiting_review", gettext_noop("The plan needs your approval")
    approved = "roadmap.approved", gettext_noop("The plan was approved")
    content_queued = "content.queued", gettext_noop("Parts will be rewritten")
    content_ready = "content.ready"
    content_failed = "content.failed"
    content_restored = (
        "content.restored",
        gettext_noop("An earlier version was restored"),  # on a timeline
    )
    ready = "roadmap.ready", gettext_noop("All contents are ready")
    partial = "roadmap.partial", gettext_noop("The roadmap is ready, but some parts failed")
    failed = "roadmap.failed", gettext_noop("The roadmap failed")
    cancelled = "roadmap.cancelled", gettext_noop("The roadmap was cancelled")


class WebhookEvent(StrEnum):
    """Events that webhooks can subscribe to.

    Single contents are not among them: a roadmap has dozens, and its event stream has those.
    """

    outlined = EventType.outlined
    awaiting_answers = EventType.awaiting_answers
    awaiting_review = EventType.awaiting_review
    ready = EventType.ready
    partial = EventType.partial
    failed = EventType.failed
    cancelled = EventType.cancelled


TERMINAL = frozenset(f"roadmap.{status}" for status in FINAL)


class Event(LazyModel):
    """`seq` counts from 1 within its roadmap, without gaps."""

    seq: int
    type: str
    data: dict[str, Any]
    at: datetime

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL
