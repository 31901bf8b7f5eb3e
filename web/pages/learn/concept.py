"""One concept: what there is to learn, what was understood of it, and where to go on."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from gettext import NullTranslations
from uuid import UUID

from markupsafe import Markup
from pydantic import BaseModel
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound
from core.i18n import gettext_noop, texts
from roadmap.generation.context import BUILT_IN
from roadmap.generation.generator import has_model
from roadmap.learning import progress
from roadmap.learning.lesson_navigation import Course, CourseStep, course
from roadmap.learning.progress import Attempt, AttemptRequest, NotesRequest
from roadmap.lifecycle import queries
from roadmap.lifecycle.commands import EDITABLE
from roadmap.plan import schemas
from roadmap.plan.concept_marks import mark_of
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import ProgressRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus, RoadmapStatus
from roadmap.plan.views import ConceptDetail
from web.call import Call
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.forms import AnyQuery, Form, filled, is_part, see_other
from web.pages.lazy import prose
from web.pages.learn.home import CHOICES
from web.pages.preferences import language_of
from web.pages.templates import page

RENDERED = 16  # tutorials that are kept as HTML, usually 30 KB each: versions never change
EMPTY = gettext_noop("Answer at least one question.")
THE_SAME = gettext_noop(
    "Without a model key it would be the same again: a built-in roadmap has one text for each part."
)
QUIZ = {
    Conflict: gettext_noop("This quiz was written anew meanwhile. Here is the new one."),
    Invalid: gettext_noop("These answers do not belong to this quiz. Answer it here."),
}
OPEN = (ContentStatus.pending, ContentStatus.building)


class Following(BaseModel):
    """Where one goes on, if one does."""

    next: UUID | None = None


class ConceptQuery(AnyQuery):
    """`attempt`: one at the quiz, whose result is shown; `seen`: the version of a part that is shown while another is written."""

    attempt: UUID | None = None
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """The way through the roadmap, and where on it this concept stands."""

    course: Course
    at: int

    @property
    def here(self) -> CourseStep:
        return self.course.steps[self.at]

    @property
    def previous(self) -> CourseStep | None:
        return self.course.steps[self.at - 1] if self.at else None

    @property
    def next(self) -> CourseStep | None:
        return self.course.steps[self.at + 1] if self.at + 1 < len(self.course.steps) else None


def show(call: Call) -> Response:
    return _page(call, attempt_id=call.query.attempt)


def again(call: Call, error: Conflict | Invalid, instructions: str) -> Response:
    """The concept once more: this wish for another version of a part does not go."""
    return _page(call, error=error, wish=instructions)


def read(call: Call) -> ConceptDetail:
    """Raises NotFound."""
    return queries.concept_detail(*_ids(call))


def prose_of(call: Call, markdown: str) -> Markup:
    words = texts(language_of(call.request))
    return _prose(markdown, words.gettext("Code"), words.gettext("Table"))


def set_progress(call: Call) -> Response:
    """With `next`, on to the next concept."""
    following = filled(Following, call.body.given("next")).next
    progress.set_progress(
        *_ids(call), filled(ProgressRequest, call.body.given("progress", "status"))
    )
    if following is not None:
        return see_other(f"/roadmaps/{call.ids['roadmap_id']}/concepts/{following}")
    return see_other(_path(call) + "#progress")


def set_notes(call: Call) -> Response:
    """As a part of the page only that they are saved; otherwise back to them. What another window has saved meanwhile stays."""
    form: Form = call.body
    text = {"notes": form.text("notes").replace("\r\n", "\n")} if "notes" in form else {}
    try:
        made = progress.set_notes(*_ids(call), filled(NotesRequest, {**text, **form.given("base")}))
    except Conflict as error:
        if is_part(call.request):
            return page(
                call.request, "parts/saved.html", status=409, tag=form.text("base"), is_old=True
            )
        return _page(call, error=error, notes=form.text("notes"))
    except Invalid as error:
        if is_part(call.request):
            raise
        return _page(call, error=error, notes=form.text("notes"))
    if is_part(call.request):
        return page(call.request, "parts/saved.html", tag=made.notes_tag, is_old=False)
    return see_other(_path(call) + "#notes")


def answer(call: Call) -> Response:
    """Grade what was chosen. What does not go is said above the questions, with the answers still in their places."""
    form: Form = call.body
    count = (
        min(int(text), schemas.MOST_QUESTIONS)
        if (text := form.text("questions")).isdecimal() and len(text) < 5
        else 0
    )
    if not any(form.all(f"q{number}") for number in range(count)):
        return _page(call, error=Invalid("Nothing was answered."), chosen=[], is_empty=True)
    answers = [
        [int(n) for n in form.all(f"q{number}") if n.isdecimal() and len(n) < 5]
        for number in range(count)
    ]
    try:
        request = filled(AttemptRequest, {"version": form.text("version"), "answers": answers})
        made = progress.attempt(*_ids(call), request)
    except (Conflict, Invalid) as error:
        return _page(call, error=error, chosen=answers)
    return see_other(f"{_path(call)}?attempt={made.id}#quiz")


def _page(
    call: Call,
    *,
    attempt_id: UUID | None = None,
    error: Invalid | Conflict | None = None,
    notes: str | None = None,
    chosen: list[list[int]] | None = None,
    is_empty: bool = False,
    wish: str | None = None,
) -> Response:
    owner_id, roadmap_id, concept_id = _ids(call)
    concept = queries.concept_detail(owner_id, roadmap_id, concept_id)
    walked = course(owner_id, roadmap_id)
    at = next((number for number, step in enumerate(walked.steps) if step.id == concept_id), None)
    if at is None:
        raise NotFound("There is no such concept in this roadmap: it was taken out at this moment.")
    attempt = _attempt(call, attempt_id)
    words = texts(language_of(call.request))
    is_about_quiz, is_about_notes = error is not None and chosen is not None, notes is not None
    return page(
        call.request,
        "concept.html",
        status=status_of(error) if error else 200,
        concept=concept,
        way=Way(walked, at),
        needs=[step for step in walked.steps if step.id in concept.prerequisites],
        tutorial=_tutorial(call, concept),
        mark=mark_of(concept),
        statuses=list(ConceptProgress),
        open=OPEN,
        kinds=list(ContentKind),
        shown=attempt
        if attempt and concept.quiz and attempt.version == concept.quiz.version
        else None,
        attempts=progress.list_attempts(owner_id, roadmap_id, concept_id, limit=1).items,
        chosen=chosen or [],
        notes=concept.notes if notes is None else notes,
        errors=_errors(words, error, is_wish=wish is not None)
        if error and not is_about_quiz
        else {},
        stored=concept.notes if isinstance(error, Conflict) and is_about_notes else None,
        seen=getattr(call.query, "seen", 0),
        wish=wish,
        wished=call.ids.get("kind"),
        wish_problem=error_messages.said(words, error)
        if error is not None and wish is not None
        else "",
        follows_words=has_model(),
        may_upgrade=_may_upgrade(concept),
        may_wish=walked.status in EDITABLE and walked.status != RoadmapStatus.awaiting_review,
        quiz_problem=words.gettext(EMPTY if is_empty else QUIZ[type(error)])
        if error and is_about_quiz
        else "",
        choices=CHOICES,
    )


def _may_upgrade(concept: ConceptDetail) -> bool:
    """Whether a model could write what is from the built-in catalogue, and does not yet."""
    by_whom = concept.tutorial.generator if concept.tutorial else ""
    is_open = any(state.status in OPEN for state in concept.contents.values())
    return by_whom == BUILT_IN and not is_open and has_model()


def _errors(words: NullTranslations, error: Invalid | Conflict, *, is_wish: bool) -> dict[str, str]:
    if is_wish and error.fields and not has_model():
        return {"instructions": words.gettext(THE_SAME)}
    return error_messages.of_fields(words, error.fields)


def _attempt(call: Call, attempt_id: UUID | None) -> Attempt | None:
    """None also when it is not there any more: the lesson is."""
    if attempt_id is None:
        return None
    with suppress(NotFound):
        return progress.read_attempt(*_ids(call), attempt_id)
    return None


def _tutorial(call: Call, concept: ConceptDetail) -> Markup | None:
    return prose_of(call, concept.tutorial.markdown) if concept.tutorial is not None else None


@lru_cache(maxsize=RENDERED)
def _prose(markdown: str, code: str, table: str) -> Markup:
    return prose(markdown, code_label=code, table_label=table)


def _ids(call: Call) -> tuple[UUID, UUID, UUID]:
    return call.owner, call.ids["roadmap_id"], call.ids["concept_id"]


def _path(call: Call) -> str:
    return f"/roadmaps/{call.ids['roadmap_id']}/concepts/{call.ids['concept_id']}"
