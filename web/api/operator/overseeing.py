"""All roadmaps, for operators: searched, looked at, cancelled and retried on behalf of their owners, transferred."""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.runtime import database
from core.text import CLEAN, Rule
from roadmap import decisions, overseeing, transferring
from roadmap.audit import Action, audited
from roadmap.decisions import Decided
from roadmap.execution_log import record
from roadmap.overseeing import OverseenDetail, Sought
from roadmap.statuses import RoadmapStatus
from roadmap.timeline.trace import Trace, trace_of
from roadmap.transferring import Transferred
from web.accepting import send
from web.acting import actor_of
from web.answering import Reply
from web.api.operator.moments import Moment
from web.endpoint import Call
from web.paging import CURSOR, Limit, paged

ANY_STATUS = "|".join(RoadmapStatus)
LONGEST_TEXT = 200  # characters


def _statuses(text: str) -> str:
    if any(status not in set(RoadmapStatus) for status in text.split(",") if text):
        raise ValueError(
            f"should be one or several of {', '.join(RoadmapStatus)}, separated by commas"
        )
    return text


STATUSES = Rule(_statuses, rf"^((({ANY_STATUS}),)*({ANY_STATUS}))?$")
Words = Annotated[str, Field(max_length=LONGEST_TEXT), CLEAN]


class SearchQuery(BaseModel):
    """Which roadmaps; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")
    status: Annotated[str, Field(max_length=100), STATUSES] = Field(
        "",
        description="Only those that are one of these, separated by commas.",
        examples=["failed,partial"],
    )
    owner: Annotated[str, Field(max_length=254), CLEAN] = Field(
        "", description="Of this account: its e-mail address, or its id."
    )
    text: Words = Field(
        "",
        description="Whose goal or title has these words, or in scripts without spaces this text.",
    )
    error: Words = Field(
        "", description="In the reason of whose failure this stands, in whatever case."
    )
    generator: Annotated[str, Field(max_length=100), CLEAN] = Field(
        "", description="Made by this one.", examples=["model:gpt-5-mini"]
    )
    over_budget: bool = Field(
        False,
        description="Only those of which something stays unwritten because a budget was spent.",
    )
    since: Moment | None = Field(None, description="Created then or later.")
    until: Moment | None = Field(None, description="Created before.")
    cursor: UUID | None = CURSOR
    limit: Limit = 20

    @property
    def sought(self) -> Sought:
        statuses = tuple(RoadmapStatus(status) for status in self.status.split(",") if status)
        same = {
            name: getattr(self, name)
            for name in ("owner", "text", "error", "generator", "over_budget", "since", "until")
        }
        return Sought(statuses=statuses, **same)


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
    return _decided(call, Action.roadmap_cancel, decisions.cancel)


def retry_overseen(call: Call) -> Reply:
    """As its owner could: every part that failed or was cancelled, or the outline when there is none."""
    return _decided(call, Action.roadmap_retry, decisions.retry)


def transfer_roadmaps(call: Call) -> Transferred:
    """All roadmaps of an account become another one's, at once, with those in its trash, and all that hangs on them. Webhooks,
    keys, exports, answers to Idempotency-Keys and the books of what calls of a model cost stay with the account.
    """
    return transferring.transfer(call.body.owner, call.body.new_owner, actor_of(call))


def _decided(call: Call, action: Action, decide: Callable[[UUID, UUID], Decided]) -> Reply:
    roadmap_id = call.ids["roadmap_id"]
    owner_id = overseeing.owner_of(roadmap_id)
    with audited(actor_of(call), action, str(roadmap_id), {"owner": str(owner_id)}) as act:
        made = decide(owner_id, roadmap_id)
        act.found["status"] = made.status.value
    send(made.steps)
    told = f"An operator decided: {action}; revision {made.revision} is {made.status}"
    database.after_commit(partial(record, "api", "decide", told, roadmap_id=roadmap_id))
    body = OperatorDecision(id=roadmap_id, status=made.status, revision=made.revision)
    return Reply(
        body, headers={"Location": f"/api/v1/admin/roadmaps/{roadmap_id}", "Retry-After": "1"}
    )
