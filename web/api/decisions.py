"""Commands on a roadmap. Each answers 202; workers do the work."""

from functools import partial
from uuid import UUID

from pydantic import Field

from core.errors import Conflict
from core.json_types import LazyModel
from roadmap.exchange.import_validation import OwnContents
from roadmap.generation.generator import check_feedback, has_model
from roadmap.lifecycle import commands
from roadmap.plan.edits import EditRequest
from roadmap.plan.schemas import AnswersRequest, ApproveRequest, RegenerateRequest, ReviseRequest
from roadmap.plan.statuses import RoadmapStatus
from web.api.roadmaps import read_roadmap
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import CONCEPT, CONTENT, REVISION, ROADMAP, Endpoint
from web.http.responses import Reply
from web.roadmaps.links import Links, links_of
from web.roadmaps.roadmap_commands import apply_command


class Decision(LazyModel):
    """State after the command. `designing` is a revision in progress."""

    id: UUID
    status: RoadmapStatus
    revision: int = Field(description="Number of the current plan.")
    designing: int | None = Field(
        description="Number of the plan that is being designed; null: none."
    )
    links: Links


def answer_questions(call: Call[AnswersRequest]) -> Reply[Decision]:
    """Answer or skip the questions of a roadmap that waits for answers, or choose its course.

    They are asked once; the plan comes next.
    """
    sent = call.body
    made = commands.answer(call.owner, call.ids["roadmap_id"], sent.answers, sent.scope)
    return _decided(call, made)


def approve_plan(call: Call[ApproveRequest]) -> Reply[Decision]:
    """Approve a plan that waits for review. Its contents are built next."""
    return _decided(call, commands.approve(call.owner, call.ids["roadmap_id"], call.body.revision))


def revise_plan(call: Call[ReviseRequest]) -> Reply[Decision]:
    """A model redesigns the plan as a new revision."""
    check_feedback("/feedback")
    return _decided(call, commands.revise(call.owner, call.ids["roadmap_id"], call.body.feedback))


def edit_plan(call: Call[EditRequest]) -> Reply[Decision]:
    """Apply operations that identify elements by key.

    Unchanged concepts keep their contents and progress.
    """
    return _decided(
        call,
        commands.edit(call.owner, call.ids["roadmap_id"], call.body.operations, call.body.base),
    )


def restore_revision(call: Call[EmptyBody]) -> Reply[Decision]:
    """Make this plan current again, as a new revision."""
    return _decided(call, commands.restore(call.owner, call.ids["roadmap_id"], call.ids["number"]))


def cancel_roadmap(call: Call[EmptyBody]) -> Reply[Decision]:
    """Cancel the work in progress. Finished contents stay; the rest can be retried."""
    return _decided(call, commands.cancel(call.owner, call.ids["roadmap_id"]))


def retry_roadmap(call: Call[EmptyBody]) -> Reply[Decision]:
    """Retry all parts that failed or were cancelled, or the outline if there is none."""
    return _decided(call, commands.retry(call.owner, call.ids["roadmap_id"]))


def retry_part(call: Call[EmptyBody]) -> Reply[Decision]:
    """Retry only this part, if it failed or was cancelled."""
    return _decided(call, commands.retry_part(*call.concept, call.ids["kind"]))


def regenerate_part(call: Call[RegenerateRequest]) -> Reply[Decision]:
    """Write the part again as a new version.

    The current version is shown until it is ready.
    """
    check_feedback("/instructions")
    return _decided(
        call, commands.regenerate(*call.concept, call.ids["kind"], call.body.instructions)
    )


def upgrade_concept(call: Call[EmptyBody]) -> Reply[Decision]:
    """Have the model rewrite the catalogue contents of this concept for the learner.

    The current contents stay as earlier versions and are shown until then.
    """
    return _decided(call, commands.upgrade(*call.concept, has_model=has_model()))


def restore_version(call: Call[EmptyBody]) -> Reply[Decision]:
    """Show this version again; the others stay.

    Not possible while the part is being written.
    """
    return _decided(
        call, commands.restore_version(*call.concept, call.ids["kind"], call.ids["number"])
    )


def write_contents(call: Call[OwnContents]) -> Reply[Decision]:
    """Show contents that the learner has written, as new versions; earlier ones stay.

    Parts that are left out stay as they are. The rules are those of imported answers.
    """
    return _decided(call, commands.write(*call.concept, call.body.bodies()))


def _decided(call: Call, made: commands.CommandResult) -> Reply[Decision]:
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


command = partial(Endpoint, "POST", status=202, current=read_roadmap, raises=(Conflict,))

ENDPOINTS = (
    command(ROADMAP + "/answers", answer_questions, "Answer the questions before the plan"),
    command(ROADMAP + "/approve", approve_plan, "Approve the plan"),
    command(ROADMAP + "/revise", revise_plan, "Revise the plan"),
    command(ROADMAP + "/edits", edit_plan, "Edit the plan"),
    command(ROADMAP + "/cancel", cancel_roadmap, "Cancel a roadmap"),
    command(ROADMAP + "/retry", retry_roadmap, "Retry failed parts"),
    command(REVISION + "/restore", restore_revision, "Restore a revision"),
    Endpoint(
        "PUT",
        CONCEPT + "/contents",
        write_contents,
        "Write contents by hand",
        status=202,
        current=read_roadmap,
        raises=(Conflict,),
    ),
    command(CONTENT + "/retry", retry_part, "Retry a failed part"),
    command(CONTENT + "/regenerate", regenerate_part, "Regenerate a part"),
    command(CONTENT + "/versions/{number}/restore", restore_version, "Restore a version of a part"),
    command(CONCEPT + "/upgrade", upgrade_concept, "Rewrite a built-in concept with the model"),
)
