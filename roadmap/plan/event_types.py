"""Types of events. No database."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from roadmap.plan.statuses import FINAL

TEST = "webhook.test"


class WebhookEvent(StrEnum):
    """Events that webhooks can subscribe to.

    Single contents are not among them: a roadmap has dozens, and its event stream has those.
    """

    outlined = "roadmap.outlined"
    awaiting_review = "roadmap.awaiting_review"
    ready = "roadmap.ready"
    partial = "roadmap.partial"
    failed = "roadmap.failed"
    cancelled = "roadmap.cancelled"


class EventType(StrEnum):
    queued = "roadmap.queued"
    imported = "roadmap.imported"
    planning = "roadmap.planning"
    analysed = "roadmap.analysed"
    drafted = "roadmap.drafted"
    outlined = "roadmap.outlined"
    revised = "roadmap.revised"
    revision_failed = "revision.failed"
    revision_cancelled = "revision.cancelled"
    awaiting_review = "roadmap.awaiting_review"
    approved = "roadmap.approved"
    content_queued = "content.queued"
    content_ready = "content.ready"
    content_failed = "content.failed"
    content_restored = "content.restored"
    ready = "roadmap.ready"
    partial = "roadmap.partial"
    failed = "roadmap.failed"
    cancelled = "roadmap.cancelled"


TERMINAL = frozenset(f"roadmap.{status}" for status in FINAL)


class Event(BaseModel):
    """`seq` counts from 1 within its roadmap, without gaps."""

    seq: int
    type: str
    data: dict[str, Any]
    at: datetime

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL
