"""Placement: questions of a plan, one after the other, and the concepts that may be skipped.

Its state is in the URL, so that it can be opened again: only the last form changes something.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from core.errors import Conflict, Invalid
from core.i18n import gettext_noop
from roadmap.learning import placement
from roadmap.learning.lesson_navigation import course
from web.pages.error_messages import form_page
from web.pages.forms import INCOMPLETE, answer_in, filled, see_other
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.roadmaps.roadmap_commands import write_ahead

EMPTY = gettext_noop("Choose an answer, or “I don't know”.")
NOTHING = gettext_noop("Choose at least one concept.")
CHANGED = gettext_noop("The plan or this question has changed in the meantime.")


class PlacementQuery(placement.PlacementRequest, extra="ignore"):
    """`ends`: show the proposal, although there are more questions."""

    ends: bool = False

    def state(self, made: placement.Placement) -> str:
        """Return the query of the page after a response."""
        state = made.model_dump(include={"revision", "seed", "results"})
        return urlencode(state | ({"module_id": self.module_id} if self.module_id else {}))


def placement_page(
    call: PageCall[PlacementQuery],
    *,
    error: Conflict | Invalid | None = None,
    picked: Sequence[int] | str = (),
) -> Response:
    """Return the next question or the proposal; an error is about the form that was sent."""
    query = call.query
    made = None
    try:
        made = placement.place(call.owner, call.ids["roadmap_id"], query)
    except (Conflict, Invalid) as changed:
        error = error or changed
    lessons = course(call.owner, call.ids["roadmap_id"])
    return form_page(
        call.request,
        "placement.html",
        error,
        instead=CHANGED if isinstance(error, Conflict) else NOTHING if query.ends else EMPTY,
        query=query,
        made=made,
        state=made and query.state(made),
        course=lessons,
        steps={step.id: step for step in lessons.steps},
        picked=picked,
    )


def answer(call: PageCall[PlacementQuery]) -> Response:
    """Grade an answer and go to the next question; with `unknown` there is none."""
    chosen = [] if call.body.text("unknown") else answer_in(call.body, "chosen") or [INCOMPLETE]
    sent = {
        **call.query.model_dump(include={"revision", "seed", "module_id", "results"}),
        **call.body.given("concept_id", "version"),
        "chosen": chosen,
    }
    try:
        made = placement.place(
            call.owner, call.ids["roadmap_id"], filled(placement.PlacementRequest, sent)
        )
    except (Conflict, Invalid) as error:
        return placement_page(call, error=error, picked=chosen)
    return see_other(f"{call.request.scope['path']}?{call.query.state(made)}")


def skip(call: PageCall[PlacementQuery]) -> Response:
    """Skip the confirmed concepts, or mark them as done."""
    sent = {"revision": call.query.revision, "concept_ids": call.body.getlist("concept")}
    try:
        request = filled(placement.SkipRequest, {**sent, **call.body.given("progress")})
        placement.skip(call.owner, call.ids["roadmap_id"], request)
    except (Conflict, Invalid) as error:
        return placement_page(call, error=error)
    write_ahead(call.owner, call.ids["roadmap_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}")


PAGES = (
    PageRoute("GET", PAGE + "/placement", placement_page),
    PageRoute("POST", PAGE + "/placement", answer),
    PageRoute("POST", PAGE + "/placement/skip", skip),
)
