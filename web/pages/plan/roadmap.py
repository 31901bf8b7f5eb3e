"""One roadmap: what is done for it now, its picture, its plan, and what can be decided."""

from dataclasses import dataclass
from gettext import NullTranslations
from uuid import UUID

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.errors import Invalid
from core.i18n import gettext_noop, texts
from roadmap.exchange.map.drawing import inlined
from roadmap.generation.catalogue import loader
from roadmap.generation.context import BUILT_IN
from roadmap.generation.generator import check_feedback, has_model
from roadmap.learning.schedule import Schedule, schedule_of
from roadmap.lifecycle import commands, events, queries, revisions, schedule_settings
from roadmap.lifecycle.build_status import activity
from roadmap.lifecycle.schedule_settings import ScheduleRequest, read_schedule
from roadmap.plan.concept_marks import next_of
from roadmap.plan.event_types import Event
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import ApproveRequest, ReviseRequest
from roadmap.plan.statuses import FINAL, ContentStatus, RoadmapStatus
from roadmap.plan.views import Activity, ConceptNode, RoadmapTree, concepts_of
from web.call import Call
from web.commands import apply_command
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import Form, filled, see_other
from web.pages.preferences import language_of
from web.pages.templates import page

NO_WORDS = gettext_noop(
    "Without a model key nobody understands such words. The plan can only be taken as it is."
)
TOLD = 20  # newest events on the page


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that could not be written."""

    concept: ConceptNode
    kind: ContentKind
    reason: str


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows of a roadmap. Everything in it is at least as new as event `seq`."""

    tree: RoadmapTree
    activity: Activity
    plan_before: int = (
        0  # the number of the plan before the one that waits for approval; 0: there was none
    )

    @property
    def seq(self) -> int:
        return self.activity.seq

    def lacks_translation(self, language: str) -> bool:
        """Whether it is built in, and not there in Chinese, in which its goal is or which its reader reads."""
        is_wanted = language == loader.CHINESE or chinese_of(self.tree.goal) is not None
        concept = next(iter(self.concepts), None)
        if concept is None or self.tree.generator != BUILT_IN or not is_wanted:
            return False
        track = loader.tracks().get(concept.key.partition("/")[0])
        return track is not None and loader.CHINESE not in loader.languages(track)

    @property
    def is_finished(self) -> bool:
        return self.tree.status in FINAL

    @property
    def concepts(self) -> list[ConceptNode]:
        return concepts_of(self.tree)

    @property
    def names(self) -> dict[UUID, str]:
        return {concept.id: concept.title for concept in self.concepts}

    @property
    def failures(self) -> list[Failure]:
        return [
            Failure(concept, kind, part.error)
            for concept in self.concepts
            for kind, part in concept.contents.items()
            if part.status == ContentStatus.failed
        ]

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.tree, clock.now().date())

    @property
    def next(self) -> ConceptNode | None:
        """Where one goes on."""
        next_id = next_of(self.concepts)
        return next((concept for concept in self.concepts if concept.id == next_id), None)


def view_of(owner_id: UUID, roadmap_id: UUID) -> View:
    """Raises NotFound."""
    now = activity(owner_id, roadmap_id)  # before the tree: what it counts up to is in the tree
    tree = queries.roadmap_tree(owner_id, roadmap_id)
    is_another = tree.status == RoadmapStatus.awaiting_review and tree.revision > 1
    return View(
        tree, now, revisions.plan_before(owner_id, roadmap_id, tree.revision) if is_another else 0
    )


def show(call: Call) -> Response:
    return _page(call)


def picture(call: Call) -> Response:
    """The part of the page that is drawn anew while it is watched."""
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    return page(call.request, "parts/picture.html", drawn=drawn(call.request, tree), tree=tree)


def approve(call: Call) -> Response:
    roadmap_id, revision = call.ids["roadmap_id"], call.body.text("revision")
    request = filled(ApproveRequest, {"revision": revision} if revision else {})
    apply_command(roadmap_id, commands.approve(call.owner, roadmap_id, request.revision))
    return _back(call)


def revise(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    try:
        request = filled(ReviseRequest, {"feedback": call.body.text("feedback")})
        check_feedback("/feedback")
        apply_command(roadmap_id, commands.revise(call.owner, roadmap_id, request.feedback))
    except Invalid as error:
        return _page(call, error=error)
    return _back(call)


def reschedule(call: Call) -> Response:
    """The day from which the plan counts stays, unless it is to be today."""
    form: Form = call.body
    begins_on = (
        clock.now().date()
        if form.text("from_today")
        else read_schedule(call.owner, call.ids["roadmap_id"]).begins_on
    )
    values = {"deadline": None, "begins_on": begins_on, **form.given("hours_per_week", "deadline")}
    try:
        schedule_settings.reschedule(
            call.owner, call.ids["roadmap_id"], filled(ScheduleRequest, values)
        )
    except Invalid as error:
        return _page(call, pace_error=error)
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}#pace")


def cancel(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    apply_command(roadmap_id, commands.cancel(call.owner, roadmap_id))
    return _back(call)


def retry(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    apply_command(roadmap_id, commands.retry(call.owner, roadmap_id))
    return _back(call)


def retry_part(call: Call) -> Response:
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    apply_command(roadmap_id, commands.retry_part(call.owner, roadmap_id, concept_id, kind))
    if call.body.text("from") == "concept":
        return see_other(f"/roadmaps/{roadmap_id}/concepts/{concept_id}")
    return _back(call)


def drawn(request: Request, tree: RoadmapTree) -> Markup:
    """The picture, which is escaped where it is made."""
    words = texts(language_of(request))
    return Markup(
        inlined(tree, lambda concept_id: f"/roadmaps/{tree.id}/concepts/{concept_id}", words)
    )


def _page(
    call: Call, *, error: Invalid | None = None, pace_error: Invalid | None = None
) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    view = view_of(call.owner, roadmap_id)
    words = texts(language_of(call.request))
    wrong = error or pace_error
    return page(
        call.request,
        "roadmap.html",
        status=status_of(wrong) if wrong else 200,
        view=view,
        tree=view.tree,
        told=_told(roadmap_id, view.seq),
        drawn=drawn(call.request, view.tree),
        errors=_said(words, error) if error else {},
        follows_words=has_model(),
        feedback=call.body.text("feedback") if error else "",
        pace_errors=error_messages.of_fields(words, pace_error.fields) if pace_error else {},
        pace_typed={
            name: call.body.text(name) for name in ("hours_per_week", "deadline", "from_today")
        }
        if pace_error
        else None,
    )


def _said(words: NullTranslations, error: Invalid) -> dict[str, str]:
    if not has_model():
        return {"feedback": words.gettext(NO_WORDS)}
    return error_messages.of_fields(words, error.fields)


def _told(roadmap_id: UUID, seq: int) -> list[Event]:
    """The newest first, and none that is newer than the rest of the page."""
    newest = events.events_after(roadmap_id, max(seq - TOLD, 0))
    return [event for event in reversed(newest) if event.seq <= seq]


def _back(call: Call) -> Response:
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}")
