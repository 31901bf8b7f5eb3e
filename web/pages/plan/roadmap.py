"""One roadmap: its page, also to print, and the commands on it; and the trash."""

from collections.abc import Callable
from functools import partial
from time import thread_time
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core.errors import InTrash, Invalid, NotFound
from core.i18n import gettext_noop
from roadmap.accounts.zones import now_of, today_of
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.map.drawing import inlined
from roadmap.generation.generator import check_feedback, has_model
from roadmap.learning import progress
from roadmap.lifecycle import commands, events, schedule_settings, trash
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import MOST_CLARIFYING_QUESTIONS
from roadmap.plan.schemas import AnswersRequest, ApproveRequest, ReviseRequest
from roadmap.plan.statuses import Event
from roadmap.plan.views import RoadmapTree, concepts_of, without_answers
from tasks.dispatcher import send_after_commit
from web.http.problems import status_of
from web.http.response_cache import DocumentSource
from web.pages import error_messages
from web.pages.forms import AnyQuery, OpenedQuery, filled, see_other
from web.pages.lazy import labels_of, parted, prose
from web.pages.page_route import LESSON, PAGE, PageCall, PageRoute
from web.pages.roadmap_view import View, view_of
from web.pages.templates import own_page, page, texts_of
from web.roadmaps.roadmap_commands import apply_command

NO_WORDS = gettext_noop(
    "Changing a plan by prompt needs a model: the operator of this service must set OPENAI_API_KEY."
)
MOST_EVENTS = 20  # the newest ones, on the page
# Characters of tutorials on the page to print: five times what a long course has, and some
# 500 sheets of paper.
PRINTED_CHARACTERS = 1_000_000
PRINT_SECONDS = 1.2  # of making HTML of them; a built-in roadmap takes 0.3
TRASH_ON_A_PAGE = 20
DONE = {
    "trashed": gettext_noop("The roadmap is in the trash."),
    "deleted": gettext_noop("The roadmap was permanently deleted."),
}
SCHEDULE = ("hours_per_week", "deadline", "from_today")


class PanelQuery(AnyQuery):
    """`changed`: its progress was, so all that shows it is sent as well."""

    changed: bool = False


class PrintQuery(AnyQuery):
    """`stage`: its number from 1, to print it alone."""

    stage: int = 0


def roadmap_page(
    call: PageCall, *, error: Invalid | None = None, pace_error: Invalid | None = None
) -> Response:
    """Return the page; an error is about the wish or the schedule that comes with it."""
    place = call.owner, call.ids["roadmap_id"]
    if (wrong := error or pace_error) is None:

        def state() -> bytes:
            now = now_of(call.owner)
            return queries.tree_state(*place) + f"{now.date()} {now.tzinfo}".encode()

        source = DocumentSource(state, partial(_view_and_events, *place))
        return own_page(
            call,
            "roadmap.html",
            source,
            partial(_context, call.request),
            is_cacheable=lambda found: found[0].is_finished,
        )
    words = texts_of(call.request)
    errors = error_messages.of_fields(words, error.fields) if error else {}
    if error and not has_model():
        errors = {"feedback": words.gettext(NO_WORDS)}
    shown = _context(call.request, _view_and_events(*place)) | {
        "errors": errors,
        "feedback": call.body.text("feedback"),
    }
    if pace_error:
        shown["pace_errors"] = error_messages.of_fields(words, pace_error.fields)
        shown["pace_typed"] = {name: call.body.text(name) for name in SCHEDULE}
    return page(call.request, "roadmap.html", status=status_of(wrong), **shown)


def print_page(call: PageCall[PrintQuery]) -> Response:
    """Return texts, resources, questions without answers, and notes of a roadmap or a stage."""
    source = Source(call.owner, call.ids["roadmap_id"])
    document, tree = source.document, source.tree
    stages, number = tree.stages, call.query.stage
    if 0 < number <= len(stages):
        tree = tree.model_copy(update={"stages": stages[number - 1 : number]})
    words = texts_of(call.request)
    labels = labels_of(words)
    named = words.gettext("%(label)s: %(text)s")
    left, until = PRINTED_CHARACTERS, thread_time() + PRINT_SECONDS
    printed = {}
    for number, node in enumerate(concepts_of(tree), 1):
        kept = document.concepts[node.key]
        written, quiz = kept.contents.tutorial, kept.contents.quiz
        html, solution = None, Markup()
        if written is not None:
            left -= len(written.body.markdown)
            if left >= 0 and thread_time() < until:
                # Regions have names of their own.
                table = named % {"label": labels["table_label"], "text": node.title}
                options = {**labels, "table_label": table, "prefix": f"t{number}"}
                html, work = parted(prose(written.body.markdown, top=5, **options))
                html += Markup().join(task for task, _, _ in work)
                titled = ((title if task else "") + text for task, title, text in work)
                solution = Markup().join(titled)
        printed[node.id] = {
            "kept": kept,
            "quiz": quiz and without_answers(quiz.body, 1),
            "tutorial": html,
            "solution": solution,
            "is_long": written is not None and html is None,  # there was no room for it
        }
    return page(call.request, "print.html", tree=tree, stages=stages, printed=printed)


def picture(call: PageCall) -> Response:
    """Return the part of the page that is replaced while it is watched."""
    try:
        tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    except InTrash:  # put there in another window: the stream says so
        return Response(status_code=204)
    return page(call.request, "parts/picture.html", drawn=_map(call.request, tree), tree=tree)


def panel(call: PageCall[PanelQuery]) -> Response:
    """Return a concept beside the map."""
    roadmap_id, concept_id = call.ids["roadmap_id"], call.ids["concept_id"]
    view = view_of(call.owner, roadmap_id)
    for number, stage in enumerate(view.tree.stages, 1):
        for module in stage.modules:
            for concept in module.concepts:
                if concept.id == concept_id:
                    return page(
                        call.request,
                        "parts/panel.html",
                        **_context(call.request, (view, [])),
                        concept=concept,
                        module=module,
                        stage=stage,
                        number=number,
                        is_changed=call.query.changed,
                        is_new_plan=True,
                    )
    raise NotFound(progress.NO_CONCEPT)


def answer(call: PageCall) -> Response:
    form = call.body
    answers = [
        {"choice": form.text(f"choice{number}") or None, "text": form.text(f"text{number}")}
        for number in range(MOST_CLARIFYING_QUESTIONS)
        if f"text{number}" in form
    ]
    is_skipped = bool(form.text("skip")) or not answers
    given: dict[str, Any] = {"skip": True} if is_skipped else {"answers": answers}
    sent = filled(AnswersRequest, form.given("scope") or given)
    roadmap_id = call.ids["roadmap_id"]
    return _apply(call, commands.answer(call.owner, roadmap_id, sent.answers, sent.scope))


def approve(call: PageCall) -> Response:
    revision = call.body.text("revision")
    request = filled(ApproveRequest, {"revision": revision} if revision else {})
    return _apply(call, commands.approve(call.owner, call.ids["roadmap_id"], request.revision))


def revise(call: PageCall) -> Response:
    try:
        request = filled(ReviseRequest, {"feedback": call.body.text("feedback")})
        check_feedback("/feedback")
        made = commands.revise(call.owner, call.ids["roadmap_id"], request.feedback)
        return _apply(call, made)
    except Invalid as error:
        return roadmap_page(call, error=error)


def reschedule(call: PageCall) -> Response:
    """Change hours and deadline; the plan's first day stays, unless it is to be today."""
    place = (call.owner, call.ids["roadmap_id"])
    begins_on = (
        today_of(call.owner)
        if call.body.text("from_today")
        else schedule_settings.read_schedule(*place).begins_on
    )
    typed = call.body.given("hours_per_week", "deadline")
    values = {"deadline": None, "begins_on": begins_on, **typed}
    try:
        schedule_settings.reschedule(*place, filled(schedule_settings.ScheduleRequest, values))
    except Invalid as error:
        return roadmap_page(call, pace_error=error)
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}#pace")


def decide(call: PageCall, *, command: Callable[[UUID, UUID], commands.CommandResult]) -> Response:
    return _apply(call, command(call.owner, call.ids["roadmap_id"]))


cancel = partial(decide, command=commands.cancel)
retry = partial(decide, command=commands.retry)


def retry_part(call: PageCall) -> Response:
    roadmap_id, concept_id, kind = (call.ids[name] for name in ("roadmap_id", "concept_id", "kind"))
    place = f"/concepts/{concept_id}" if call.body.text("from") == "concept" else ""
    return _apply(call, commands.retry_part(call.owner, roadmap_id, concept_id, kind), place)


def trash_page(call: PageCall[OpenedQuery]) -> Response:
    words = texts_of(call.request)
    return page(
        call.request,
        "trash.html",
        trashed=trash.list_trash(call.owner, limit=TRASH_ON_A_PAGE, before=call.query.cursor),
        is_first=call.query.cursor is None,
        days=trash.KEPT.days,
        message=words.gettext(DONE[call.query.did]) if call.query.did in DONE else "",
    )


def move_to_trash(call: PageCall) -> Response:
    send_after_commit(trash.put(call.owner, call.ids["roadmap_id"]))
    return see_other("/trash?did=trashed")


def restore_from_trash(call: PageCall) -> Response:
    trash.restore(call.owner, call.ids["roadmap_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}")


def delete_for_ever(call: PageCall) -> Response:
    trash.delete(call.owner, call.ids["roadmap_id"])
    return see_other("/trash?did=deleted")


def _apply(call: PageCall, made: commands.CommandResult, place: str = "") -> Response:
    """Send the work of a command, and go to the roadmap, or to a place in it."""
    apply_command(call.ids["roadmap_id"], made)
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}{place}")


def _view_and_events(owner_id: UUID, roadmap_id: UUID) -> tuple[View, list[Event]]:
    """Return the view with its newest events, the newest first."""
    view = view_of(owner_id, roadmap_id)
    newest = events.events_after(view.tree.id, max(view.activity.seq - MOST_EVENTS, 0))
    # None that is newer than the rest of the page
    return view, [event for event in reversed(newest) if event.seq <= view.activity.seq]


def _context(request: Request, found: tuple[View, list[Event]]) -> dict[str, Any]:
    view, newest = found
    return {
        "view": view,
        "tree": view.tree,
        "events": newest,
        "drawn": _map(request, view.tree),
        "follows_words": has_model(),
        "errors": {},
        "feedback": "",
        "pace_errors": {},
        "pace_typed": None,
    }


def _map(request: Request, tree: RoadmapTree) -> Markup:
    """Return the map as SVG, which is escaped where it is made."""
    href = f"/roadmaps/{tree.id}/concepts/"
    return Markup(inlined(tree, lambda concept_id: f"{href}{concept_id}", texts_of(request)))


PAGES = (
    PageRoute("GET", PAGE, roadmap_page),
    PageRoute("GET", PAGE + "/print", print_page),
    PageRoute("GET", PAGE + "/picture", picture),
    PageRoute("POST", PAGE + "/answers", answer),
    PageRoute("POST", PAGE + "/approve", approve),
    PageRoute("POST", PAGE + "/revise", revise),
    PageRoute("POST", PAGE + "/cancel", cancel),
    PageRoute("POST", PAGE + "/retry", retry),
    PageRoute("POST", PAGE + "/schedule", reschedule),
    PageRoute("POST", PAGE + "/trash", move_to_trash),
    PageRoute("GET", "/trash", trash_page),
    PageRoute("POST", "/trash/{roadmap_id}/restore", restore_from_trash),
    PageRoute("POST", "/trash/{roadmap_id}/delete", delete_for_ever),
    PageRoute("GET", LESSON + "/panel", panel),
    PageRoute("POST", LESSON + "/{kind}/retry", retry_part),
)
