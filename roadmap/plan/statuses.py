"""Statuses of roadmaps, revisions, contents, concepts, deliveries, exports and links."""

from enum import StrEnum

from pydantic import Field

from core.json_types import LazyModel


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
NOBODYS = {"lease_token": None, "lease_until": None, "challenged_at": None}
