"""The trash: roadmaps to restore, or to delete for ever."""

from uuid import UUID

from starlette.responses import Response

from core.i18n import gettext_noop
from roadmap.lifecycle import trash
from tasks.dispatcher import send_after_commit
from web.call import Call
from web.pages.forms import AnyQuery, see_other
from web.pages.preferences import texts_of
from web.pages.templates import page

ON_A_PAGE = 20
DID = {
    "trashed": gettext_noop("The roadmap is in the trash."),
    "deleted": gettext_noop("The roadmap is deleted for ever."),
}


class TrashPageQuery(AnyQuery):
    """`did`: the last action, for a message."""

    cursor: UUID | None = None
    did: str = ""


def trash_page(call: Call) -> Response:
    query: TrashPageQuery = call.query
    words = texts_of(call.request)
    return page(
        call.request,
        "trash.html",
        trashed=trash.list_trash(call.owner, limit=ON_A_PAGE, before=query.cursor),
        is_first=query.cursor is None,
        days=trash.KEPT.days,
        message=words.gettext(DID[query.did]) if query.did in DID else "",
    )


def move_to_trash(call: Call) -> Response:
    send_after_commit(trash.put(call.owner, call.ids["roadmap_id"]))
    return see_other("/trash?did=trashed")


def restore(call: Call) -> Response:
    trash.restore(call.owner, call.ids["roadmap_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}")


def delete(call: Call) -> Response:
    trash.delete(call.owner, call.ids["roadmap_id"])
    return see_other("/trash?did=deleted")
