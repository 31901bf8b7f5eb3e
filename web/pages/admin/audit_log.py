"""The page of the audit log."""

from uuid import UUID

from starlette.responses import Response

from roadmap.operations import audit_log
from roadmap.operations.audit_log import AuditOutcome
from web.call import Call
from web.pages.admin.formatters import ACTIONS
from web.pages.admin.layout import address, admin_page
from web.pages.forms import AnyQuery

SHOWN = 50


class AuditPageQuery(AnyQuery):
    """`cursor`: only entries older than this one."""

    action: str = ""
    outcome: str = ""
    cursor: UUID | None = None


def audit_log_page(call: Call) -> Response:
    query: AuditPageQuery = call.query
    outcome = AuditOutcome(query.outcome) if query.outcome in list(AuditOutcome) else None
    action = query.action if query.action in ACTIONS else ""
    log = audit_log.records(limit=SHOWN, before=query.cursor, action=action, outcome=outcome)
    kept = {"action": action, "outcome": outcome or ""}
    return admin_page(
        call,
        "admin/audit.html",
        log=log,
        action=action,
        outcome=outcome,
        actions=sorted(ACTIONS),
        outcomes=list(AuditOutcome),
        older=address("/admin/audit", **kept, cursor=log.next_cursor) if log.next_cursor else "",
        newest=address("/admin/audit", **kept) if query.cursor else "",
    )
