"""URLs of a roadmap in responses of the API."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from roadmap.exchange.formats.registry import FORMATS
from roadmap.plan.views import RoadmapSummary
from web.http.responses import Reply


class OwnLinks(BaseModel):
    self: str = Field(description="The roadmap itself.")
    page: str = Field(description="The same for people.")


EXPORTS: dict[str, Any] = {
    each.link: (str, Field(description=each.link_description)) for each in FORMATS.values()
}


class Links(create_model("FileLinks", __base__=OwnLinks, **EXPORTS)):  # type: ignore[misc]
    """`page` is for people."""

    events: str = Field(description="Its events, as they happen.")
    activity: str = Field(description="What is being done now.")
    logs: str = Field(description="What was done.")
    revisions: str = Field(description="What its plan was.")
    receipt: str = Field(description="What it has cost.")
    trace: str = Field(description="How it was made, as spans of time.")
    schedule: str = Field(description="When what is left of it will be learned.")


def links_of(roadmap_id: UUID) -> Links:
    base = f"/api/v1/roadmaps/{roadmap_id}"
    return Links(
        self=base,
        page=f"/roadmaps/{roadmap_id}",
        **{each.link: f"{base}/export.{each.suffix}" for each in FORMATS.values()},
        events=f"{base}/events",
        activity=f"{base}/activity",
        logs=f"{base}/logs",
        revisions=f"{base}/revisions",
        receipt=f"{base}/receipt",
        trace=f"{base}/trace",
        schedule=f"{base}/schedule",
    )


class ImportedRoadmap(RoadmapSummary):
    """The new roadmap."""

    links: Links = Field(description="Where more of it is.")


def imported_reply(roadmap: RoadmapSummary) -> Reply:
    """Return the response that presents an imported roadmap."""
    links = links_of(roadmap.id)
    return Reply(ImportedRoadmap(**dict(roadmap), links=links), headers={"Location": links.self})
