"""The versions of a part of a concept: to read, compare and restore."""

from typing import Any

from pydantic import Field
from starlette.responses import Response

from core.errors import Conflict, NotFound
from roadmap.learning.lesson_navigation import course
from roadmap.lifecycle import commands, content_versions, plan_rows, queries
from roadmap.plan.outline import Tutorial
from roadmap.plan.statuses import OPEN
from web.call import Call
from web.pages.error_messages import form_page
from web.pages.forms import AnyQuery, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.lazy import tutorial_html
from web.pages.plan import diff_view
from web.pages.preferences import texts_of
from web.roadmap_commands import apply_command


class VersionsQuery(AnyQuery):
    """`number`: the version to show, 0 for the current one; `before`: to compare with, or 0."""

    number: int = Field(0, ge=0, le=plan_rows.MOST_VERSIONS)
    before: int = Field(0, ge=0, le=plan_rows.MOST_VERSIONS)


def versions_page(call: Call, error: Conflict | None = None) -> Response:
    query: VersionsQuery = VersionsQuery() if error else call.query
    owner_id, roadmap_id = call.owner, call.ids["roadmap_id"]
    concept_id, kind = call.ids["concept_id"], call.ids["kind"]
    place = (owner_id, roadmap_id, concept_id, kind)
    walked = course(owner_id, roadmap_id)
    listed = content_versions.list_versions(*place).items
    number = query.number or next((each.version for each in listed if each.current), 0)
    context: dict[str, Any] = {"shown": None, "prose": None, "blocks": None, "is_same": False}
    if number and query.before:
        compared = content_versions.compare_versions(*place, number, before=query.before)
        context["blocks"] = diff_view.blocks(compared.lines)
        context["is_same"] = all(line.how == "same" for line in compared.lines)
    elif number:
        context["shown"] = content_versions.read_version(*place, number)
        if isinstance(context["shown"].content, Tutorial):
            markdown = context["shown"].content.markdown
            context["prose"] = tutorial_html(markdown, texts_of(call.request))
    step = next((step for step in walked.steps if step.id == concept_id), None)
    if step is None:
        raise NotFound("There is no such concept in this roadmap.")
    state = queries.concept_detail(owner_id, roadmap_id, concept_id).contents[kind]
    return form_page(
        call.request,
        "versions.html",
        error,
        tree=walked,
        step=step,
        kind=kind,
        versions=listed,
        number=number,
        before=query.before,
        may_restore=state.status not in OPEN,
        signs=diff_view.SIGNS,
        choices=ROADMAP_LANGUAGES,
        **context,
    )


def restore(call: Call) -> Response:
    """Restore a version, and go to the concept."""
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    try:
        made = commands.restore_version(
            call.owner, roadmap_id, concept_id, kind, call.ids["number"]
        )
        apply_command(roadmap_id, made)
    except Conflict as error:
        return versions_page(call, error)
    return see_other(f"/roadmaps/{roadmap_id}/concepts/{concept_id}#{kind}")
