"""What a person decides about a roadmap. Each answers 202: what follows from it is done by the workers."""

from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.errors import Invalid
from core.runtime import database
from roadmap import decisions
from roadmap.decisions import Decided
from roadmap.editing import Operation
from roadmap.execution_log import record
from roadmap.requests import Number
from roadmap.statuses import RoadmapStatus
from tasks.content import generator
from web.accepting import send
from web.answering import Reply
from web.api.links import Links, links_of
from web.endpoint import Call

MOST_OPERATIONS = 100


class EditRequest(BaseModel):
    """Changes of the plan, done in order, all or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    operations: Annotated[
        tuple[Operation, ...], Field(min_length=1, max_length=MOST_OPERATIONS)
    ] = Field(description="Each sees what those before it did; `op` says which of these it is.")
    base: Number | None = Field(
        None, description="The revision that was looked at: only if it is still the current one."
    )


class Decision(BaseModel):
    """What the roadmap is after the decision; `designing` is the revision that is on its way, if one is."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="The number of the current plan.")
    designing: int | None = Field(
        description="The number of the one that is on its way; null: none is."
    )
    links: Links


def approve_plan(call: Call) -> Reply:
    """The contents are written then. For a roadmap that waits for review."""
    return _decided(
        call, "Approved", decisions.approve(call.owner, call.ids["roadmap_id"], call.body.revision)
    )


def revise_plan(call: Call) -> Reply:
    """A model designs it anew; the result is a new revision."""
    generator().check_feedback("/feedback")
    return _decided(
        call,
        "Asked for changes",
        decisions.revise(call.owner, call.ids["roadmap_id"], call.body.feedback),
    )


def edit_plan(call: Call) -> Reply:
    """By operations that name things by their keys. What is not touched keeps its contents and the learner's progress."""
    return _decided(
        call,
        "Edited",
        decisions.edit(call.owner, call.ids["roadmap_id"], call.body.operations, call.body.base),
    )


def restore_revision(call: Call) -> Reply:
    """It becomes the plan again, as a new revision."""
    return _decided(
        call, "Restored", decisions.restore(call.owner, call.ids["roadmap_id"], call.ids["number"])
    )


def cancel_roadmap(call: Call) -> Reply:
    """What is written stays, and the rest can be tried again later."""
    return _decided(call, "Cancelled", decisions.cancel(call.owner, call.ids["roadmap_id"]))


def retry_roadmap(call: Call) -> Reply:
    """Every part that failed or was cancelled, or the outline when there is none."""
    return _decided(call, "Retried", decisions.retry(call.owner, call.ids["roadmap_id"]))


def retry_part(call: Call) -> Reply:
    """This part, and no other, when it failed or was cancelled."""
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    return _decided(
        call, f"Retried a {kind}", decisions.retry_part(call.owner, roadmap_id, concept_id, kind)
    )


def regenerate_part(call: Call) -> Reply:
    """As another version; the one that is there is shown until then."""
    generator().check_feedback("/instructions")
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    made = decisions.regenerate(call.owner, roadmap_id, concept_id, kind, call.body.instructions)
    return _decided(call, f"Asked for another {kind}", made)


def upgrade_concept(call: Call) -> Reply:
    """Those of its parts that are from the built-in catalogue are written by the model, for this person. What is there now stays
    as earlier versions, and is shown until then.
    """
    made = decisions.upgrade(
        call.owner, call.ids["roadmap_id"], call.ids["concept_id"], has_model=follows_words()
    )
    return _decided(call, "Asked a model for a concept", made)


def follows_words() -> bool:
    """Whether a model is there: somebody who understands what should be different."""
    try:
        generator().check_feedback("/instructions")
    except Invalid:
        return False
    return True


def restore_version(call: Call) -> Reply:
    """It is shown again; the others stay. Only while the part is not being written."""
    roadmap_id, concept_id, kind, number = (
        call.ids[name] for name in ("roadmap_id", "concept_id", "kind", "number")
    )
    made = decisions.restore_version(call.owner, roadmap_id, concept_id, kind, number)
    return _decided(call, f"Restored version {number} of a {kind}", made)


def _decided(call: Call, what: str, made: Decided) -> Reply:
    roadmap_id = call.ids["roadmap_id"]
    send(made.steps)
    told = f"{what}: revision {made.revision} is {made.status}"
    database.after_commit(partial(record, "api", "decide", told, roadmap_id=roadmap_id))
    links = links_of(roadmap_id)
    body = Decision(
        id=roadmap_id,
        status=made.status,
        revision=made.revision,
        designing=made.designing,
        links=links,
    )
    return Reply(body, headers={"Location": links.self, "Retry-After": "1"})
