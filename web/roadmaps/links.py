"""URLs of a roadmap in responses of the API."""

from typing import Any
from uuid import UUID

from pydantic import Field, create_model

from core.json_types import LazyModel
from roadmap.exchange.formats.registry import FORMATS
from roadmap.plan.views import RoadmapSummary
from web.http.responses import Reply


class OwnLinks(LazyModel):
    self: str = Field(description="The roadmap.")
    page: str = Field(description="HTML page of the roadmap.")


EXPORTS: dict[str, Any] = {
    each.link: (str, Field(description=each.link_description)) for each in FORMATS.values()
}


class Links(create_model("FileLinks", __base__=OwnLinks, **EXPORTS)):  # type: ignore[misc]
    """Links. `page` is the HTML page."""

    events: str = Field(description="Event stream.")
    activity: str = Field(description="Current activity.")
    logs: str = Field(description="Execution log.")
    revisions: str = Field(description="Revisions of the plan.")
    receipt: str = Field(description="Cost report.")
    trace: str = Field(description="Timeline.")
    schedule: str = Field(description="Schedule.")


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


def imported_reply(roadmap: RoadmapSummary) -> Reply[ImportedRoadmap]:
    """Return the response that presents an imported roadmap."""
    links = links_of(roadmap.id)
    return Reply(ImportedRoadmap(**dict(roadmap), links=links), headers={"Location": links.self})
