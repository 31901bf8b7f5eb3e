"""URLs of a roadmap in responses of the API."""

from uuid import UUID

from pydantic import BaseModel, Field

from roadmap.plan.views import RoadmapSummary
from web.http.responses import Reply


class Links(BaseModel):
    """`page` is for people."""

    self: str = Field(description="The roadmap itself.")
    page: str = Field(description="The same for people.")
    picture: str = Field(description="The same as SVG.")
    portable: str = Field(
        description="The same as JSON, to be imported again, with what you have left."
    )
    markdown: str = Field(description="The same as a document to read.")
    archive: str = Field(description="The same as a folder of such documents.")
    calendar: str = Field(description="What is left of it as a calendar.")
    cards: str = Field(description="Its questions as a deck for Anki.")
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
        picture=f"{base}/export.svg",
        portable=f"{base}/export.json",
        markdown=f"{base}/export.md",
        archive=f"{base}/export.zip",
        calendar=f"{base}/export.ics",
        cards=f"{base}/export.apkg",
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
