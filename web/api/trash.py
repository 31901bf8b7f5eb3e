"""Roadmaps that are thrown away: into the trash, out of it again, or gone for ever."""

from roadmap.lifecycle import trash
from roadmap.plan.views import RoadmapSummary
from tasks.dispatcher import send_after_commit
from web.call import Call
from web.http.pagination import Limit, PageQuery, paged
from web.http.responses import Reply


class TrashQuery(PageQuery):
    limit: Limit = 20


def trash_roadmap(call: Call) -> None:
    """Into the trash, where it is for 30 days. What is being made is cancelled."""
    send_after_commit(trash.put(call.owner, call.ids["roadmap_id"]))


def list_trash(call: Call) -> Reply:
    """Roadmaps in the trash, newest first."""
    return paged(
        call.request,
        call.query,
        trash.list_trash(call.owner, limit=call.query.limit, before=call.query.cursor),
    )


def restore_from_trash(call: Call) -> RoadmapSummary:
    """As it was put there. What was cancelled then can be retried."""
    return trash.restore(call.owner, call.ids["roadmap_id"])


def delete_for_ever(call: Call) -> None:
    """With all that belongs to it; nobody can bring it back. Only what is in the trash."""
    trash.delete(call.owner, call.ids["roadmap_id"])
