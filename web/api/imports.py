"""A roadmap that was taken along from elsewhere becomes one of one's own."""

from pydantic import Field

from roadmap.plan.views import RoadmapSummary
from web.api.urls import Links, links_of
from web.call import Call
from web.commands import import_document
from web.http.responses import Reply


class ImportedRoadmap(RoadmapSummary):
    """The new roadmap."""

    links: Links = Field(description="Where more of it is.")


def import_roadmap(call: Call) -> Reply:
    """Makes a new roadmap of a document that was exported as JSON. All of it or nothing; what was not in it has failed and can
    be retried. Nothing is written by a model for it.
    """
    return made(import_document(call.owner, call.body))


def made(roadmap: RoadmapSummary) -> Reply:
    """The answer that tells of a new one."""
    links = links_of(roadmap.id)
    return Reply(ImportedRoadmap(**dict(roadmap), links=links), headers={"Location": links.self})
