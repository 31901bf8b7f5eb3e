"""All roadmaps, for operators: searched, looked at, cancelled and retried on behalf of their owners, transferred."""

from uuid import UUID

from pydantic import BaseModel, Field

from roadmap.lifecycle import admin_queries, transfer
from roadmap.lifecycle.admin_queries import OverseenDetail, RoadmapSearch
from roadmap.lifecycle.commands import CommandResult
from roadmap.lifecycle.timeline.timeline import Trace, trace_of
from roadmap.lifecycle.transfer import Transferred
from roadmap.plan.statuses import RoadmapStatus
from tasks.dispatcher import send_after_commit
from web.audit_actor import actor_of
from web.call import Call
from web.http.pagination import paged
from web.http.responses import Reply
from web.search_filters import SearchQuery


class OperatorDecision(BaseModel):
    """State of the roadmap after the command."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="The number of the current plan; 0: there is none yet.")


def search_roadmaps(call: Call) -> Reply:
    """Those of all accounts, the newest first."""
    query: SearchQuery = call.query
    return paged(
        call.request,
        call.query,
        admin_queries.search(RoadmapSearch(**query.sought), before=query.cursor, limit=query.limit),
    )


def read_overseen(call: Call) -> OverseenDetail:
    """With the ledger of the work on it, and what of it is not ready. Nothing that its learner has
    noted or answered.
    """
    return admin_queries.detail(call.ids["roadmap_id"])


def read_overseen_trace(call: Call) -> Trace:
    """Each wait, try, call of the model and decision, with times, tokens and cost."""
    roadmap_id = call.ids["roadmap_id"]
    return trace_of(admin_queries.owner_of(roadmap_id), roadmap_id, with_trash=True)


def cancel_overseen(call: Call) -> Reply:
    """As its owner could. What is written stays, and the rest can be tried again later."""
    return _decided(call, admin_queries.cancel(actor_of(call), call.ids["roadmap_id"]))


def retry_overseen(call: Call) -> Reply:
    """As its owner could: every part that failed or was cancelled, or the outline when there is
    none.
    """
    return _decided(call, admin_queries.retry(actor_of(call), call.ids["roadmap_id"]))


def transfer_roadmaps(call: Call) -> Transferred:
    """All roadmaps of an account become another one's, at once, with those in its trash, and all
    that hangs on them. Webhooks, keys, exports, answers to Idempotency-Keys and the books of what
    calls of a model cost stay with the account.
    """
    return transfer.transfer(call.body.owner, call.body.new_owner, actor_of(call))


def _decided(call: Call, made: CommandResult) -> Reply:
    roadmap_id = call.ids["roadmap_id"]
    send_after_commit(made.steps)
    body = OperatorDecision(id=roadmap_id, status=made.status, revision=made.revision)
    return Reply(
        body, headers={"Location": f"/api/v1/admin/roadmaps/{roadmap_id}", "Retry-After": "1"}
    )
