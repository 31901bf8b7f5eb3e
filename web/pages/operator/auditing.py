"""The audit log, to be read."""

from uuid import UUID

from starlette.responses import Response

from roadmap import audit
from roadmap.audit import AuditOutcome
from web.endpoint import Call
from web.pages.operator.room import address, room_page
from web.pages.operator.words import ACTIONS
from web.pages.page import AnyQuery

SHOWN = 50


class AuditQuery(AnyQuery):
    """`cursor`: only what is older than this one."""

    action: str = ""
    outcome: str = ""
    cursor: UUID | None = None


def show(call: Call) -> Response:
    query: AuditQuery = call.query
    outcome = AuditOutcome(query.outcome) if query.outcome in list(AuditOutcome) else None
    action = query.action if query.action in ACTIONS else ""
    log = audit.records(limit=SHOWN, before=query.cursor, action=action, outcome=outcome)
    kept = {"action": action, "outcome": outcome or ""}
    return room_page(
        call,
        "operator/audit.html",
        log=log,
        action=action,
        outcome=outcome,
        actions=sorted(ACTIONS),
        outcomes=list(AuditOutcome),
        older=address("/admin/audit", **kept, cursor=log.next_cursor) if log.next_cursor else "",
        newest=address("/admin/audit", **kept) if query.cursor else "",
    )
