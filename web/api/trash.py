"""Trash: move roadmaps there, restore them, delete them permanently."""

from core.json_types import Page
from roadmap.lifecycle import trash
from roadmap.plan.views import RoadmapSummary
from tasks.dispatcher import send_after_commit
from web.api.roadmaps import read_roadmap
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import API, ROADMAP, Endpoint
from web.http.pagination import Limit, PageQuery, paged
from web.http.responses import Reply

TRASHED = API + "/trash/{roadmap_id}"


class TrashQuery(PageQuery):
    limit: Limit = 20


def trash_roadmap(call: Call) -> None:
    """Move the roadmap to the trash for 30 days. Work in progress is cancelled."""
    send_after_commit(trash.put(call.owner, call.ids["roadmap_id"]))


def list_trash(call: Call[None, TrashQuery]) -> Reply[Page[trash.Trashed]]:
    """Roadmaps in the trash, newest first."""
    return paged(
        call.request,
        call.query,
        trash.list_trash(call.owner, limit=call.query.limit, before=call.query.cursor),
    )


def restore_from_trash(call: Call[EmptyBody]) -> RoadmapSummary:
    """Restore the roadmap unchanged. Work that was cancelled can be retried."""
    return trash.restore(call.owner, call.ids["roadmap_id"])


def delete_for_ever(call: Call) -> None:
    """Delete a roadmap in the trash with all its data. This cannot be undone."""
    trash.delete(call.owner, call.ids["roadmap_id"])


ENDPOINTS = (
    Endpoint("DELETE", ROADMAP, trash_roadmap, "Move a roadmap to the trash", status=204,
        current=read_roadmap),
    Endpoint("GET", API + "/trash", list_trash, "List the trash"),
    Endpoint("POST", TRASHED + "/restore", restore_from_trash, "Restore a roadmap from the trash"),
    Endpoint("DELETE", TRASHED, delete_for_ever, "Delete a roadmap permanently", status=204),
)  # fmt: skip
