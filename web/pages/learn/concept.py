"""One concept: its lesson, quiz, notes and progress, and the next concept."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from core import clock
from core.errors import Conflict, Invalid, NotFound, required
from core.i18n import gettext_noop
from roadmap.generation.content_drafts import tutorial_drafts
from roadmap.generation.context import BUILT_IN
from roadmap.generation.generator import check_feedback, has_model
from roadmap.learning import endings, progress, reviews
from roadmap.learning.grading import GradedQuestion
from roadmap.learning.learning_days import begin_sitting
from roadmap.learning.lesson_navigation import (
    Course,
    are_links_registered,
    course,
    lesson_state,
)
from roadmap.lifecycle import commands
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import MOST_EXERCISES, MOST_QUESTIONS, ProgressRequest, RegenerateRequest
from roadmap.plan.statuses import OPEN, ConceptProgress, ContentStatus, RoadmapStatus
from roadmap.plan.views import ConceptDetail, mark_of
from web.http.problems import status_of
from web.http.response_cache import DocumentSource
from web.pages import error_messages
from web.pages.forms import (
    INCOMPLETE,
    UNORDERED,
    AnyQuery,
    answer_in,
    filled,
    index_of,
    is_part,
    see_other,
)
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.lazy import tutorial_html
from web.pages.lesson_parts import pieces_of
from web.pages.page_route import LESSON, PageCall, PageRoute
from web.pages.templates import own_page, page, texts_of
from web.roadmaps.roadmap_commands import apply_command, write_ahead

EMPTY = gettext_noop("Answer at least one question.")
UNCHOSEN = gettext_noop("Answer this question, or skip it.")
UNANSWERED = "Questions without an answer"  # the page has their number
THE_SAME = gettext_noop(
    "Without a model the text would be the same: the built-in catalogue has only one text for each"
    " part. To use a model, the operator of this service must set OPENAI_API_KEY."
)
QUIZ = {
    Conflict: gettext_noop("This quiz was rewritten in the meantime. Here is the new one."),
    Invalid: gettext_noop(
        "These answers belong to another quiz. Please answer the one on this page."
    ),
}


class ProgressForm(ProgressRequest):
    """`next`: the concept to continue with; `panel`: it was set beside the map."""

    next: UUID | None = None
    panel: bool = False


class ConceptQuery(AnyQuery):
    """`attempt`: at the quiz, to show its result; `seen`: the version shown during a rewrite.

    `read`: the tutorial is read again, after a missed quiz.
    """

    read: bool = False
    attempt: UUID | None = None
    seen: int = 0


@dataclass(slots=True)
class QuizState:
    """The quiz while it is answered; `graded` has what was checked, one question at a time."""

    chosen: list[list[int] | str]
    asks: list[int] | None = None  # the questions of a retry; None: all
    graded: dict[int, GradedQuestion] = field(default_factory=dict)
    asked: int | None = None  # the question that was to be checked, or that lacks something

    @property
    def blanks(self) -> int:
        return sum(
            not each
            for number, each in enumerate(self.chosen)
            if self.asks is None or number in self.asks
        )


@dataclass(frozen=True, slots=True)
class LessonFacts:
    """A concept with its place in the course, and what the learner did there."""

    concept: ConceptDetail
    course: Course
    attempts: progress.Attempts  # the last one, and what the next one asks
    shown: progress.Attempt | None  # the attempt whose result is shown
    turn: str  # the id of the attempt before, by which options are shuffled
    returns: list[datetime]  # times at which questions of the shown attempt come back
    is_cacheable: bool  # until its state changes; a draft grows meanwhile


def concept_page(
    call: PageCall[ConceptQuery],
    *,
    error: Conflict | Invalid | None = None,
    notes: str | None = None,
    quiz: QuizState | None = None,
    exercise_attempt: str | None = None,
    tried: int = 1,
    wish: str | None = None,
) -> Response:
    """Return the page; an error is about the notes, answers or wish that come with it.

    For htmx, of a quiz only the quiz is returned.
    """
    if call.query.read:
        progress.note_reading(*call.concept)
    else:
        begin_sitting(call.owner)
    if error is None and quiz is None:
        source = DocumentSource(partial(lesson_state, *call.concept), partial(_read, call))
        return own_page(
            call,
            "concept.html",
            source,
            partial(_context, call),
            is_cacheable=attrgetter("is_cacheable"),
        )
    words, lesson = texts_of(call.request), _read(call)
    context = _context(call, lesson)
    if quiz is not None:
        context["answering"] = quiz
        if error is not None:
            is_ours = error.detail in (EMPTY, UNCHOSEN, UNORDERED, UNANSWERED)
            problem = error.detail if is_ours else QUIZ[type(error)]
            is_early = lesson.attempts.opens_at is not None  # which the page says
            context["quiz_problem"] = "" if is_early else words.gettext(problem)
            context["is_lacking"] = error.detail == UNANSWERED
    elif error is not None:
        context["errors"] = error_messages.of_fields(words, error.fields)
        if context["errors"] and wish is not None and not has_model():
            context["errors"] = {"instructions": words.gettext(THE_SAME)}
    if notes is not None:
        context["notes"] = notes
        context["stored"] = lesson.concept.notes if isinstance(error, Conflict) else None
    if exercise_attempt is not None:
        context |= {"attempt": exercise_attempt, "tried": tried}
    if wish is not None and error is not None:
        context["wish"] = wish
        context["wish_problem"] = error_messages.sentence(words, error)
    template = "concept.html" if quiz is None or not is_part(call.request) else "parts/quiz.html"
    return page(call.request, template, status=status_of(error) if error else 200, **context)


def set_progress(call: PageCall) -> Response:
    """Set the progress; then go to the end of what is over, or with `next` to that concept."""
    request = filled(
        ProgressForm, call.body.given("progress", "status", "spent_minutes", "next", "panel")
    )
    progress.set_progress(*call.concept, request)
    write_ahead(call.owner, call.ids["roadmap_id"])
    roadmap_path = f"/roadmaps/{call.ids['roadmap_id']}"
    if request.panel:
        return see_other(_path(call) + "/panel?changed=on")
    if request.progress in endings.BEHIND and request.spent_minutes is None:
        now = course(call.owner, call.ids["roadmap_id"])
        if endings.is_over(now.steps):
            return see_other(f"{roadmap_path}/completion")
        if number := endings.ended_stage(now, call.ids["concept_id"]):
            return see_other(f"{roadmap_path}/stages/{number}")
    if request.next is not None:
        return see_other(f"{roadmap_path}/concepts/{request.next}")
    return see_other(_path(call) + "#progress")


def finish_part(call: PageCall) -> Response:
    """Mark a part as done, and go to the next one or back to the home page."""
    request = filled(progress.PartRequest, call.body.given("part"))
    with suppress(Conflict):  # the tutorial was rewritten, and has other parts
        progress.finish_part(*call.concept, request)
    is_home = call.body.text("from") == "home"
    return see_other("/" if is_home else f"{_path(call)}#part-{request.part + 1}")


def set_notes(call: PageCall[ConceptQuery]) -> Response:
    """Save the notes, unless another window has changed them meanwhile.

    The response is a part of the page if only that was asked for, and otherwise leads there.
    """
    text = {"notes": call.body.text("notes").replace("\r\n", "\n")} if "notes" in call.body else {}
    try:
        made = progress.set_notes(
            *call.concept, filled(progress.NotesRequest, {**text, **call.body.given("base")})
        )
    except (Conflict, Invalid) as error:
        if not is_part(call.request):
            return concept_page(call, error=error, notes=call.body.text("notes"))
        if isinstance(error, Invalid):
            raise
        tag = call.body.text("base")
        return page(call.request, "parts/saved.html", status=409, tag=tag, is_old=True)
    if is_part(call.request):
        return page(call.request, "parts/saved.html", tag=made.notes_tag, is_old=False)
    return see_other(_path(call) + "#notes")


def save_exercise(call: PageCall[ConceptQuery]) -> Response:
    """Save the attempt at an exercise, and that it was checked; then show the solution."""
    text = call.body.text("exercise_attempt").replace("\r\n", "\n")
    values = {"exercise_attempt": text} if "exercise_attempt" in call.body else {}
    try:
        given = call.body.given("checked", "number")
        request = filled(progress.ExerciseRequest, {**values, **given})
        progress.save_exercise(*call.concept, request)
    except Invalid as error:
        tried = index_of(call.body.text("number")) or 1
        return concept_page(call, error=error, exercise_attempt=text, tried=tried)
    write_ahead(call.owner, call.ids["roadmap_id"])
    own = f"-{request.number}" if request.number > 1 else ""
    return see_other(_path(call) + ("#checked" if request.checked else f"#attempt{own}"))


def answer(call: PageCall[ConceptQuery]) -> Response:
    """Save the answers as an attempt; with `check`, show whether that one and others are right.

    Those that were checked before come along as `checked`, and answers stay in their places.
    """
    form = call.body
    count = min(index_of(form.text("questions")) or 0, MOST_QUESTIONS)
    answers = [answer_in(form, f"q{number}") for number in range(count)]
    unordered = [
        n for n, each in enumerate(answers) if isinstance(each, list) and INCOMPLETE in each
    ]
    asks = progress.list_attempts(*call.concept, limit=1).asks
    quiz = QuizState(answers, asks, asked=index_of(form.text("check")))
    whole = [[] if number in unordered else each for number, each in enumerate(answers)]
    checked = {quiz.asked, *map(index_of, form.getlist("checked"))}
    try:
        if "check" not in form and not any(answers):
            raise Invalid(EMPTY)
        request = filled(
            progress.AttemptRequest, {"version": form.text("version"), "answers": whole}
        )
        graded = progress.check(*call.concept, request)
        quiz.graded = {each.id: each for each in graded if each.id in checked and each.answer}
        if "check" in form and quiz.asked is not None and quiz.asked not in quiz.graded:
            raise Invalid(UNORDERED if quiz.asked in unordered else UNCHOSEN)
        if "check" in form:
            return concept_page(call, quiz=quiz)
        if unordered:
            quiz.asked = unordered[0]
            raise Invalid(UNORDERED)
        if quiz.blanks and not form.text("anyway"):
            raise Invalid(UNANSWERED)
        made = progress.attempt(*call.concept, request)
        if made.passed:
            write_ahead(call.owner, call.ids["roadmap_id"])
    except (Conflict, Invalid) as error:  # a new quiz has other answers
        return concept_page(
            call, error=error, quiz=QuizState([]) if isinstance(error, Conflict) else quiz
        )
    return see_other(f"{_path(call)}?attempt={made.id}#quiz")


def regenerate(call: PageCall[ConceptQuery]) -> Response:
    """Have a part written again; after an error its instructions are still in their place."""
    text = call.body.text("instructions")
    try:
        request = filled(RegenerateRequest, {"instructions": text})
        check_feedback("/instructions")
        made = commands.regenerate(*call.concept, call.ids["kind"], request.instructions)
        apply_command(call.ids["roadmap_id"], made)
    except (Conflict, Invalid) as error:
        return concept_page(call, error=error, wish=text)
    return see_other(f"{_path(call)}#{call.ids['kind']}")


def upgrade(call: PageCall) -> Response:
    """Have a built-in concept written by the model."""
    made = commands.upgrade(*call.concept, has_model=has_model())
    apply_command(call.ids["roadmap_id"], made)
    return see_other(_path(call))


def _read(call: PageCall[ConceptQuery]) -> LessonFacts:
    """Raises NotFound."""
    concept = queries.concept_detail(*call.concept)
    attempts = progress.list_attempts(*call.concept, limit=1)
    shown = _shown_attempt(call, concept)
    before, returns = attempts.items, []
    if shown is not None:
        before = progress.list_attempts(*call.concept, limit=1, before=shown.id).items
        answered = [each for each in shown.questions if each.answer]
        wanted = [each.id for each in answered if not each.is_right] or [e.id for e in answered]
        returns = reviews.due_times(call.owner, concept.id, shown.version, wanted)
    return LessonFacts(
        concept,
        course(call.owner, call.ids["roadmap_id"]),
        attempts,
        shown,
        str(before[0].id) if before else "",
        returns,
        concept.tutorial is not None
        and attempts.opens_at is None
        and are_links_registered(concept.id),
    )


def _context(call: PageCall[ConceptQuery], lesson: LessonFacts) -> dict[str, Any]:
    concept, steps = lesson.concept, lesson.course.steps
    tutorial = concept.tutorial
    at = required(
        next((number for number, step in enumerate(steps) if step.id == concept.id), None),
        "This concept does not exist in this roadmap: it has just been removed.",
    )
    status = lesson.course.status
    written = concept.exercise_attempt, *concept.more_attempts
    words = texts_of(call.request)
    pieces = pieces_of(tutorial.markdown, words) if tutorial else []
    is_open = any(state.status in OPEN for state in concept.contents.values())
    is_built_in = tutorial is not None and tutorial.generator == BUILT_IN
    return {
        "concept": concept,
        "course": lesson.course,
        "step": steps[at],
        "previous": steps[at - 1] if at else None,
        "following": next(iter(steps[at + 1 :]), None),
        "ended_stage": endings.ended_stage(lesson.course, concept.id),
        "needs": [step for step in steps if step.id in concept.prerequisites],
        "pieces": pieces,
        "prose": Markup().join(html for html, _ in pieces),
        "draft": _draft(call, concept) if tutorial is None else "",
        "mark": mark_of(concept),
        "statuses": list(ConceptProgress),
        "open": OPEN,
        "shown": lesson.shown,
        "turn": lesson.turn,
        "attempts": lesson.attempts.items,
        "exercise_attempts": [*written, *[""] * (MOST_EXERCISES - len(written))],
        "asks": lesson.attempts.asks,
        "opens_at": lesson.attempts.opens_at,
        "has_passed": lesson.attempts.has_passed,
        "returns": lesson.returns,
        "now": clock.now(),
        "answering": None,
        "is_part": is_part(call.request),
        "notes": concept.notes,
        "tried": 0,
        "errors": {},
        "stored": None,
        "seen": call.query.seen,
        "wish": None,
        "wished": call.ids.get("kind"),
        "wish_problem": "",
        "follows_words": has_model(),
        "may_write": status in commands.EDITABLE and not is_open,
        "may_upgrade": is_built_in and not is_open and has_model(),
        "may_wish": status in commands.EDITABLE and status != RoadmapStatus.awaiting_review,
        "is_later": not (concept.contents or concept.yours) and status in commands.GOING_ON,
        "quiz_problem": "",
        "is_lacking": False,
        "choices": ROADMAP_LANGUAGES,
    }


def _draft(call: PageCall, concept: ConceptDetail) -> str:
    """Return the tutorial as far as it is written, as HTML."""
    state = concept.contents.get(ContentKind.tutorial)
    if state is None or state.status != ContentStatus.building:
        return ""
    roadmap_id = call.ids["roadmap_id"]
    text = tutorial_drafts.read([roadmap_id]).get(roadmap_id, {}).get(concept.id, "")
    return tutorial_html(text, texts_of(call.request), keep=False)


def _shown_attempt(call: PageCall[ConceptQuery], concept: ConceptDetail) -> progress.Attempt | None:
    """Return the attempt to show, if there still is one at the present version of the quiz."""
    attempt_id = call.query.attempt
    if attempt_id is not None and concept.quiz is not None:
        with suppress(NotFound):
            attempt = progress.read_attempt(*call.concept, attempt_id)
            return attempt if attempt.version == concept.quiz.version else None
    return None


def _path(call: PageCall) -> str:
    return f"/roadmaps/{call.ids['roadmap_id']}/concepts/{call.ids['concept_id']}"


PAGES = (
    PageRoute("GET", LESSON, concept_page),
    PageRoute("POST", LESSON + "/progress", set_progress),
    PageRoute("POST", LESSON + "/part", finish_part),
    PageRoute("POST", LESSON + "/notes", set_notes),
    PageRoute("POST", LESSON + "/exercise", save_exercise),
    PageRoute("POST", LESSON + "/quiz", answer),
    PageRoute("POST", LESSON + "/upgrade", upgrade),
    PageRoute("POST", LESSON + "/{kind}/regenerate", regenerate),
)
