"""All roadmaps, for operators: searched, looked at, cancelled and retried on behalf of their owners, transferred."""

from uuid import UUID

from pydantic import BaseModel, Field

from roadmap import overseeing, transferring
from roadmap.decisions import Decided
from roadmap.overseeing import OverseenDetail
from roadmap.statuses import RoadmapStatus
from roadmap.timeline.trace import Trace, trace_of
from roadmap.transferring import Transferred
from web.accepting import send
from web.acting import actor_of
from web.answering import Reply
from web.endpoint import Call
from web.paging import paged
from web.searching import SearchQuery


class OperatorDecision(BaseModel):
    """What the roadmap is after the decision."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="The number of the current plan; 0: there is none yet.")


def search_roadmaps(call: Call) -> Reply:
    """Those of all accounts, the newest first."""
    query: SearchQuery = call.query
    return paged(call, overseeing.search(query.sought, before=query.cursor, limit=query.limit))


def read_overseen(call: Call) -> OverseenDetail:
    """With the ledger of the work on it, and what of it is not ready. Nothing that its learner has noted or answered."""
    return overseeing.detail(call.ids["roadmap_id"])


def read_overseen_trace(call: Call) -> Trace:
    """Each wait, try, call of the model and decision, with times, tokens and cost."""
    roadmap_id = call.ids["roadmap_id"]
    return trace_of(overseeing.owner_of(roadmap_id), roadmap_id, with_trash=True)


def cancel_overseen(call: Call) -> Reply:
    """As its owner could. What is written stays, and the rest can be tried again later."""
    return _decided(call, overseeing.cancel(actor_of(call), call.ids["roadmap_id"]))


def retry_overseen(call: Call) -> Reply:
    """As its owner could: every part that failed or was cancelled, or the outline when there is none."""
    return _decided(call, overseeing.retry(actor_of(call), call.ids["roadmap_id"]))


def transfer_roadmaps(call: Call) -> Transferred:
    """All roadmaps of an account become another one's, at once, with those in its trash, and all that hangs on them. Webhooks,
    keys, exports, answers to Idempotency-Keys and the books of what calls of a model cost stay with the account.
    """
    return transferring.transfer(call.body.owner, call.body.new_owner, actor_of(call))


def _decided(call: Call, made: Decided) -> Reply:
    roadmap_id = call.ids["roadmap_id"]
    send(made.steps)
    body = OperatorDecision(id=roadmap_id, status=made.status, revision=made.revision)
    return Reply(
        body, headers={"Location": f"/api/v1/admin/roadmaps/{roadmap_id}", "Retry-After": "1"}
    )
