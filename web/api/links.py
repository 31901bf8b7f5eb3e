"""Where the things of a roadmap are."""

from uuid import UUID

from pydantic import BaseModel

BASE = "/api/v1/roadmaps"


BELOW = ("events", "activity", "logs", "revisions", "receipt")


class Links(BaseModel):
    """`page` is for people."""

    self: str
    page: str
    picture: str
    events: str
    activity: str
    logs: str
    revisions: str
    receipt: str


def links_of(roadmap_id: UUID) -> Links:
    base = f"{BASE}/{roadmap_id}"
    below = {name: f"{base}/{name}" for name in BELOW}
    return Links(self=base, page=f"/roadmaps/{roadmap_id}", picture=f"{base}/export.svg", **below)
