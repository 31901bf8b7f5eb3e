"""Commands on a roadmap. Each answers 202; the workers do the rest."""

from uuid import UUID

from pydantic import BaseModel, Field

from roadmap.generation.generator import check_feedback, has_model
from roadmap.lifecycle import commands
from roadmap.lifecycle.commands import CommandResult
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import RoadmapStatus
from web.call import Call
from web.http.responses import Reply
from web.links import Links, links_of
from web.roadmap_commands import apply_command


class Decision(BaseModel):
    """State after the command; `designing` is a revision that is being designed."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="The number of the current plan.")
    designing: int | None = Field(
        description="The number of the one that is on its way; null: none is."
    )
    links: Links


def approve_plan(call: Call) -> Reply:
    """The contents are written then. For a roadmap that waits for review."""
    return _decided(call, commands.approve(call.owner, call.ids["roadmap_id"], call.body.revision))


def revise_plan(call: Call) -> Reply:
    """A model designs it anew; the result is a new revision."""
    check_feedback("/feedback")
    return _decided(call, commands.revise(call.owner, call.ids["roadmap_id"], call.body.feedback))


def edit_plan(call: Call) -> Reply:
    """By operations that name things by their keys. What is not touched keeps its contents and the
    learner's progress.
    """
    return _decided(
        call,
        commands.edit(call.owner, call.ids["roadmap_id"], call.body.operations, call.body.base),
    )


def restore_revision(call: Call) -> Reply:
    """It becomes the plan again, as a new revision."""
    return _decided(call, commands.restore(call.owner, call.ids["roadmap_id"], call.ids["number"]))


def cancel_roadmap(call: Call) -> Reply:
    """Contents that are written stay; the rest can be retried later."""
    return _decided(call, commands.cancel(call.owner, call.ids["roadmap_id"]))


def retry_roadmap(call: Call) -> Reply:
    """Every part that failed or was cancelled, or the outline when there is none."""
    return _decided(call, commands.retry(call.owner, call.ids["roadmap_id"]))


def retry_part(call: Call) -> Reply:
    """This part, and no other, when it failed or was cancelled."""
    return _decided(call, commands.retry_part(*_part(call)))


def regenerate_part(call: Call) -> Reply:
    """As another version; the one that is there is shown until then."""
    check_feedback("/instructions")
    return _decided(call, commands.regenerate(*_part(call), call.body.instructions))


def upgrade_concept(call: Call) -> Reply:
    """Those of its parts that are from the built-in catalogue are written by the model, for this
    person. What is there now stays as earlier versions, and is shown until then.
    """
    place = (call.owner, call.ids["roadmap_id"], call.ids["concept_id"])
    return _decided(call, commands.upgrade(*place, has_model=has_model()))


def restore_version(call: Call) -> Reply:
    """It is shown again; the others stay. Only while the part is not being written."""
    return _decided(call, commands.restore_version(*_part(call), call.ids["number"]))


def _part(call: Call) -> tuple[UUID, UUID, UUID, ContentKind]:
    return call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.ids["kind"]


def _decided(call: Call, made: CommandResult) -> Reply:
    roadmap_id = call.ids["roadmap_id"]
    apply_command(roadmap_id, made)
    links = links_of(roadmap_id)
    body = Decision(
        id=roadmap_id,
        status=made.status,
        revision=made.revision,
        designing=made.designing,
        links=links,
    )
    return Reply(body, headers={"Location": links.self, "Retry-After": "1"})
