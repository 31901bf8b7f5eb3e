"""Audit log: actions of operators, and their outcomes."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel
from roadmap.operations import audit_log
from web.call import Call
from web.http.pagination import CURSOR, Limit, paged
from web.http.responses import Reply


class AuditQuery(LazyModel, extra="forbid"):
    action: Annotated[str, Field(max_length=60, pattern=r"^[a-z.-]*$")] = Field(
        "", description="Only this action, such as `queue.pause`."
    )
    outcome: audit_log.AuditOutcome | None = Field(None, description="Only this outcome.")
    cursor: UUID | None = CURSOR
    limit: Limit = 50


def list_audit(call: Call) -> Reply:
    """Entries, newest first. They are deleted after one year."""
    query: AuditQuery = call.query
    return paged(
        call.request,
        call.query,
        audit_log.records(
            limit=query.limit, before=query.cursor, action=query.action, outcome=query.outcome
        ),
    )
