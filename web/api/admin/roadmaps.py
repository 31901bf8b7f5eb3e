"""All roadmaps, for operators.

Search, read, cancel, retry and transfer them on behalf of their owners.
"""

from uuid import UUID

from pydantic import Field

from core.errors import Conflict, NotFound
from core.json_types import LazyModel, Page
from roadmap.accounts import transfer
from roadmap.accounts.identity import Scope
from roadmap.lifecycle.administration import admin_queries
from roadmap.lifecycle.timeline.timeline import Trace, trace_of
from roadmap.operations.audit_log import Action
from roadmap.plan.statuses import RoadmapStatus
from tasks.dispatcher import send_after_commit
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import ADMIN, Endpoint, actor_of, observe
from web.http.pagination import paged
from web.http.responses import Reply
from web.operations.search_filters import SearchQuery

OVERSEEN = ADMIN + "/roadmaps/{roadmap_id}"


class OperatorDecision(LazyModel):
    """State of the roadmap after the command."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="Number of the current plan; 0: none yet.")


def search_roadmaps(call: Call[None, SearchQuery]) -> Reply[Page[admin_queries.AdminRoadmap]]:
    """Roadmaps of all accounts, newest first."""
    query = call.query
    found = admin_queries.search(query, before=query.cursor, limit=query.limit)
    return paged(call.request, query, found)


def read_overseen(call: Call) -> admin_queries.AdminRoadmapDetail:
    """State of the work on a roadmap, and its unfinished parts.

    Without the learner's notes and answers.
    """
    return admin_queries.detail(call.ids["roadmap_id"])


def read_overseen_trace(call: Call) -> Trace:
    """Each wait, attempt, model call and decision, with times, tokens and cost."""
    roadmap_id = call.ids["roadmap_id"]
    return trace_of(admin_queries.owner_of(roadmap_id), roadmap_id, with_trash=True)


def cancel_overseen(call: Call[EmptyBody]) -> Reply[OperatorDecision]:
    """Cancel on behalf of the owner. Finished contents stay; the rest can be retried."""
    return _decided(call, Action.roadmap_cancel)


def retry_overseen(call: Call[EmptyBody]) -> Reply[OperatorDecision]:
    """Retry on behalf of the owner.

    This covers all parts that failed or were cancelled, or the outline if there is none.
    """
    return _decided(call, Action.roadmap_retry)


def transfer_roadmaps(call: Call[transfer.TransferRequest]) -> transfer.Transferred:
    """Transfer all roadmaps of an account to another account at once.

    This includes the trash and all data of the roadmaps. Webhooks, API keys, exports, stored
    responses to Idempotency-Keys and the model usage stay with the former owner.
    """
    return transfer.transfer(call.body.owner, call.body.new_owner, actor_of(call))


def _decided(call: Call, action: Action) -> Reply[OperatorDecision]:
    roadmap_id = call.ids["roadmap_id"]
    made = admin_queries.decide(actor_of(call), action, roadmap_id)
    send_after_commit(made.steps)
    body = OperatorDecision(id=roadmap_id, status=made.status, revision=made.revision)
    return Reply(
        body, headers={"Location": f"/api/v1/admin/roadmaps/{roadmap_id}", "Retry-After": "1"}
    )


ENDPOINTS = (
    observe(ADMIN + "/roadmaps", search_roadmaps, "Search all roadmaps"),
    observe(OVERSEEN, read_overseen, "Read the state of any roadmap"),
    observe(OVERSEEN + "/trace", read_overseen_trace, "Read the timeline of any roadmap"),
    Endpoint("POST", OVERSEEN + "/cancel", cancel_overseen, "Cancel any roadmap", status=202,
        scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", OVERSEEN + "/retry", retry_overseen, "Retry any roadmap", status=202,
        scope=Scope.admin, raises=(Conflict,)),
    Endpoint("POST", ADMIN + "/transfers", transfer_roadmaps,
        "Transfer all roadmaps of an account", scope=Scope.admin, confirms=True,
        raises=(NotFound, Conflict)),
)  # fmt: skip
