"""The versions of a part of a concept: read, compared, taken up again, and written anew."""

from typing import Any
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound
from core.i18n import texts
from roadmap.generation.generator import check_feedback, has_model
from roadmap.learning.lesson_navigation import Course, CourseStep, course
from roadmap.lifecycle import commands, content_versions, plan_rows
from roadmap.plan.outline import Tutorial
from roadmap.plan.schemas import RegenerateRequest
from roadmap.plan.statuses import ContentStatus
from web.call import Call
from web.commands import apply_command
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import AnyQuery, filled, see_other
from web.pages.learn import concept
from web.pages.learn.home import CHOICES
from web.pages.plan import diff_view
from web.pages.preferences import language_of
from web.pages.templates import page


class VersionsQuery(AnyQuery):
    """`number`: the version that is shown, 0 for the current one; `before`: another one to compare it with, 0 for none."""

    number: int = Field(0, ge=0, le=plan_rows.MOST)
    before: int = Field(0, ge=0, le=plan_rows.MOST)


def show(call: Call) -> Response:
    return _page(call, call.query)


def restore(call: Call) -> Response:
    """Back to the concept; what is not possible any more is said here."""
    roadmap_id, *place = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind", "number"))
    try:
        apply_command(roadmap_id, commands.restore_version(call.owner, roadmap_id, *place))
    except Conflict as error:
        return _page(call, VersionsQuery(), error)
    return _to_the_part(call)


def regenerate(call: Call) -> Response:
    """Back to the concept; what does not fit is said there, with everything that was typed."""
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    text = call.body.text("instructions")
    try:
        request = filled(RegenerateRequest, {"instructions": text})
        check_feedback("/instructions")
        place, instructions = (roadmap_id, concept_id, kind), request.instructions
        apply_command(roadmap_id, commands.regenerate(call.owner, *place, instructions))
    except (Conflict, Invalid) as error:
        return concept.again(call, error, text)
    return _to_the_part(call)


def upgrade(call: Call) -> Response:
    """Back to the concept, which says what is being written."""
    roadmap_id, concept_id = call.ids["roadmap_id"], call.ids["concept_id"]
    made = commands.upgrade(call.owner, roadmap_id, concept_id, has_model=has_model())
    apply_command(roadmap_id, made)
    return see_other(f"/roadmaps/{roadmap_id}/concepts/{concept_id}")


def _page(call: Call, query: VersionsQuery, error: Conflict | None = None) -> Response:
    owner_id, roadmap_id, concept_id, kind = (
        call.owner,
        *(call.ids[name] for name in ("roadmap_id", "concept_id", "kind")),
    )
    walked = course(owner_id, roadmap_id)
    listed = content_versions.list_versions(owner_id, roadmap_id, concept_id, kind).items
    current = next((each.version for each in listed if each.current), 0)
    number = query.number or current
    place = (owner_id, roadmap_id, concept_id, kind)
    found: dict[str, Any] = {"shown": None, "prose": None, "blocks": None, "is_same": False}
    if number and query.before:
        compared = content_versions.compare_versions(*place, number, before=query.before)
        found["blocks"] = diff_view.blocks(compared.lines)
        found["is_same"] = all(line.how == "same" for line in compared.lines)
    elif number:
        found["shown"] = content_versions.read_version(*place, number)
        if isinstance(found["shown"].content, Tutorial):
            found["prose"] = concept.prose_of(call, found["shown"].content.markdown)
    return page(
        call.request,
        "versions.html",
        status=status_of(error) if error else 200,
        problem=error_messages.said(texts(language_of(call.request)), error) if error else "",
        tree=walked,
        step=_step(walked, concept_id),
        kind=kind,
        versions=listed,
        number=number,
        before=query.before,
        may_restore=_state(call) not in concept.OPEN,
        signs=diff_view.SIGNS,
        choices=CHOICES,
        **found,
    )


def _state(call: Call) -> ContentStatus:
    node = concept.read(call)
    return node.contents[call.ids["kind"]].status


def _step(walked: Course, concept_id: UUID) -> CourseStep:
    found = next((step for step in walked.steps if step.id == concept_id), None)
    if found is None:
        raise NotFound("There is no such concept in this roadmap.")
    return found


def _to_the_part(call: Call) -> Response:
    return see_other(
        f"/roadmaps/{call.ids['roadmap_id']}/concepts/{call.ids['concept_id']}#{call.ids['kind']}"
    )
