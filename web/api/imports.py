"""Import of roadmaps exported as JSON."""

from roadmap.exchange.import_validation import RoadmapFile
from web.endpoints.call import Call
from web.endpoints.endpoint import API, LargeBody
from web.http.responses import Reply
from web.roadmaps.links import ImportedRoadmap, imported_reply
from web.roadmaps.roadmap_commands import import_document


def import_roadmap(call: Call[RoadmapFile]) -> Reply[ImportedRoadmap]:
    """Create a roadmap from a JSON export, completely or not at all.

    Parts missing in the file are marked as failed and can be retried. The import itself calls no
    model.
    """
    return imported_reply(import_document(call.owner, call.body))


ENDPOINTS = (LargeBody("POST", API + "/imports", import_roadmap, "Import a roadmap", status=201),)
