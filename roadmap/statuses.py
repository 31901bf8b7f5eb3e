"""The states of a roadmap and of a content, and which of them are final."""

from enum import StrEnum


class RoadmapStatus(StrEnum):
    queued = "queued"
    planning = "planning"
    awaiting_review = "awaiting_review"
    building = "building"
    ready = "ready"
    partial = "partial"
    failed = "failed"
    cancelled = "cancelled"


class ContentStatus(StrEnum):
    pending = "pending"
    building = "building"
    ready = "ready"
    failed = "failed"
    cancelled = "cancelled"


FINAL = frozenset({RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.failed, RoadmapStatus.cancelled})
