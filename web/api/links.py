"""Where the things of a roadmap are."""

from uuid import UUID

from pydantic import BaseModel

BASE = "/api/v1/roadmaps"


class Links(BaseModel):
    self: str
    events: str
    logs: str
    revisions: str
    receipt: str


def links_of(roadmap_id: UUID) -> Links:
    base = f"{BASE}/{roadmap_id}"
    return Links(self=base, **{name: f"{base}/{name}" for name in Links.model_fields if name != "self"})
