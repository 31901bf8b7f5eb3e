"""Audit log: actions of operators, and their outcomes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel, Page
from roadmap.operations import audit_log
from web.endpoints.call import Call
from web.endpoints.endpoint import ADMIN, observe
from web.http.pagination import CURSOR, Limit, paged
from web.http.responses import Reply


class AuditQuery(LazyModel, extra="forbid"):
    action: Annotated[str, Field(max_length=60, pattern=r"^[a-z.-]*$")] = Field(
        "", description="Only this action, such as `queue.pause`."
    )
    outcome: audit_log.AuditOutcome | None = Field(None, description="Only this outcome.")
    cursor: UUID | None = CURSOR
    limit: Limit = 50


def list_audit(call: Call[None, AuditQuery]) -> Reply[Page[audit_log.AuditEntry]]:
    """Entries, newest first. They are deleted after one year."""
    return paged(
        call.request,
        call.query,
        audit_log.entries(
            limit=call.query.limit,
            before=call.query.cursor,
            action=call.query.action,
            outcome=call.query.outcome,
        ),
    )


ENDPOINTS = (observe(ADMIN + "/audit", list_audit, "Read the audit log"),)
