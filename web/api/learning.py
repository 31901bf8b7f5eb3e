"""Progress, notes, quizzes, projects and schedule of a learner."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from starlette.responses import Response

from core import clock
from core.db import transaction
from core.errors import Conflict
from roadmap.generation.generator import has_model
from roadmap.learning import mixed_test, placement, progress, projects, today
from roadmap.learning.schedule import Schedule
from roadmap.lifecycle import schedule_settings
from roadmap.lifecycle.reading import read_states
from roadmap.plan.schemas import ProgressRequest
from tasks.dispatcher import send_after_commit
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import API, CONCEPT, ROADMAP, Endpoint
from web.endpoints.stated_endpoint import DocumentKind, DocumentPlace, StatedEndpoint
from web.http.pagination import Limit, PageQuery, paged
from web.http.responses import Document, Reply
from web.http.urls import quoted_path
from web.roadmaps.roadmap_commands import write_ahead

PROJECT = ROADMAP + "/stages/{stage_id}/project"
TEST = ROADMAP + "/tests/{test_id}"


def _schedule_states(places: Sequence[read_states.Ids]) -> list[bytes | None]:
    day = clock.now().date().isoformat().encode()
    return [state and state + day for state in read_states.tree_states(places)]


_schedules = DocumentKind(_schedule_states)


class AttemptsQuery(PageQuery):
    limit: Limit = 20


def set_progress(call: Call[ProgressRequest]) -> progress.LearnerConcept:
    """Set the learner's progress with this concept, and the time spent if it is stated.

    Otherwise that is the time between requests that mark something, within the plan.
    """
    made = progress.set_progress(*call.concept, call.body)
    write_ahead(call.owner, call.ids["roadmap_id"])
    return made


def finish_part(call: Call[progress.PartRequest]) -> progress.LearnerConcept:
    """Mark a part of the concept, and those before it, as done.

    `GET /api/v1/today` names the next part. The last one ends with the concept.
    """
    return progress.finish_part(*call.concept, call.body)


def note_reading(call: Call[EmptyBody]) -> progress.LearnerConcept:
    """Note that the lesson is opened. Time counts from then on, after a pause.

    After a quiz that was not passed, it is the reading that a retry needs.
    """
    return progress.note_reading(*call.concept)


def read_today(call: Call) -> today.Today:
    """The reviews that are due, the next part of a concept, and the week so far.

    Unlike the rest of the API, days are in the time zone of the account.
    """
    return today.read_today(call.owner)


def set_notes(call: Call[progress.NotesRequest]) -> progress.LearnerConcept:
    """Replace the notes. `base` or `If-Match` avoids overwriting other changes."""
    return progress.set_notes(*call.concept, call.body)


def save_exercise(call: Call[progress.ExerciseRequest]) -> progress.LearnerConcept:
    """Save the attempt at the exercise of the tutorial, and that it was checked.

    With a passed quiz, the attempt makes the concept learned.
    """
    made = progress.save_exercise(*call.concept, call.body)
    write_ahead(call.owner, call.ids["roadmap_id"])
    return made


def answer_quiz(call: Call[progress.AttemptRequest]) -> Reply[progress.Attempt]:
    """Grade the answers. The response has the correct answers and explanations.

    If it is passed, the concept is done unless it is skipped, and learned with its exercise or with
    a second pass on another day. If not, the next attempt asks only what was missed, after
    `PUT .../reading` or ten minutes: see `asks` and `opens_at` of the list. 409 before that.
    """
    made = progress.attempt(*call.concept, call.body)
    if made.passed:
        write_ahead(call.owner, call.ids["roadmap_id"])
    return Reply(made, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def list_attempts(call: Call[None, AttemptsQuery]) -> Reply[progress.Attempts]:
    """Attempts without their questions, newest first."""
    place, query = (call.ids["roadmap_id"], call.ids["concept_id"]), call.query
    page = progress.list_attempts(call.owner, *place, limit=query.limit, before=query.cursor)
    return paged(call.request, query, page)


def read_notes(call: Call) -> progress.LearnerConcept:
    """Notes and progress of a concept.

    Send the ETag as `If-Match` with a change to avoid overwriting other changes.
    """
    return progress.read_learner(*call.concept)


def read_progress(call: Call) -> progress.LearnerConcept:
    """Progress and notes of a concept; the same as for the notes."""
    return read_notes(call)


def read_exercise(call: Call) -> progress.LearnerConcept:
    """Attempt at the exercise of the tutorial; the same as for the notes."""
    return read_notes(call)


def read_attempt(call: Call) -> progress.Attempt:
    """Each question with the chosen and correct answers and the explanation."""
    return progress.read_attempt(*call.concept, call.ids["attempt_id"])


def read_project(call: Call) -> projects.Project:
    """Task, rubric and hints of the project at the end of a stage.

    With what the learner made, and how it was judged.
    """
    return projects.read_project(*call.stage)


def save_project(call: Call[projects.ProjectRequest]) -> projects.Project:
    """Replace the work, and with `marks` the learner's own judgement."""
    return projects.save_project(*call.stage, call.body)


def order_judgement(call: Call[EmptyBody]) -> Reply[projects.Project]:
    """The model judges the work by the rubric, within the budget.

    Read the project again for its judgement. 409 without a model, or without saved work.
    """
    made, jobs = projects.order_judgement(*call.stage, has_model=has_model())
    send_after_commit(jobs)
    place = quoted_path(call.request.scope["path"]).removesuffix("/judgement")
    return Reply(made, headers={"Location": place, "Retry-After": "1"})


def read_test(call: Call) -> mixed_test.MixedTestDetail:
    """Mixed test of a stage, or of all concepts: its ID is that of the stage or the roadmap.

    A stage has one once all its concepts are done or skipped, a roadmap 60 days later.
    """
    return mixed_test.read(call.owner, call.ids["roadmap_id"], call.ids["test_id"])


def take_test(call: Call[mixed_test.MixedTestRequest]) -> mixed_test.MixedTestDetail:
    """Begin the mixed test, which draws its questions; with answers, end it.

    A wrong or missing answer takes *learned* away from its concept, and its questions are due. The
    test of a whole roadmap can be taken once.
    """
    return mixed_test.take(call.owner, call.ids["roadmap_id"], call.ids["test_id"], call.body)


def place_learner(call: Call[placement.PlacementRequest]) -> placement.Placement:
    """Ask up to 15 of the plan's questions, one per request, and propose concepts to skip.

    Begin with `{}`, which continues a placement that was left; a seed starts over. Each response
    has the state to send with the answer to its question. The same request gets the same response.
    """
    return placement.place(call.owner, call.ids["roadmap_id"], call.body)


def skip_concepts(call: Call[placement.SkipRequest]) -> placement.SkippedConcepts:
    """Skip the confirmed concepts together, or mark them as done."""
    made = placement.skip(call.owner, call.ids["roadmap_id"], call.body)
    write_ahead(call.owner, call.ids["roadmap_id"])
    return made


def read_profile(call: Call) -> progress.Profile:
    """Defaults of the form for the next roadmap."""
    return progress.read_profile(call.owner)


def save_profile(call: Call[progress.Profile]) -> progress.Profile:
    """Replace the whole profile."""
    return progress.save_profile(call.owner, call.body)


def patch_profile(call: Call[progress.ProfilePatch]) -> progress.Profile:
    """JSON merge patch (RFC 7396): omitted fields stay, null means not set."""
    return progress.change_profile(call.owner, call.body)


def read_schedule(call: Call) -> Document[Schedule]:
    """The remaining concepts by day and week.

    They are compared with the first schedule and the target date. Empty without a plan.
    """
    place = schedule_place(call)
    return place.document(partial(schedule_settings.read_schedule, *place.ids))


def schedule_place(call: Call) -> DocumentPlace:
    return DocumentPlace(_schedules, (call.owner, call.ids["roadmap_id"]))


def save_schedule(call: Call[schedule_settings.ScheduleRequest]) -> Annotated[Response, Schedule]:
    """Replace the schedule settings.

    The weeks are recalculated; contents and progress stay.
    """
    with transaction():
        schedule_settings.reschedule(call.owner, call.ids["roadmap_id"], call.body)
        now = read_schedule(call)
    return Response(now.content, headers={"ETag": now.tag}, media_type="application/json")


ENDPOINTS = (
    Endpoint("GET", CONCEPT + "/progress", read_progress, "Read the progress of a concept"),
    Endpoint("PUT", CONCEPT + "/part", finish_part, "Finish a part of a concept",
        current=read_progress, raises=(Conflict,)),
    Endpoint("PUT", CONCEPT + "/progress", set_progress, "Set the progress of a concept",
        current=read_progress),
    Endpoint("PUT", CONCEPT + "/reading", note_reading, "Note that a lesson is opened",
        current=read_progress),
    Endpoint("GET", CONCEPT + "/notes", read_notes, "Read the notes"),
    Endpoint("PUT", CONCEPT + "/notes", set_notes, "Save the notes", current=read_notes,
        raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/exercise", read_exercise, "Read the exercise of a concept"),
    Endpoint("PUT", CONCEPT + "/exercise", save_exercise, "Save the exercise of a concept",
        current=read_exercise),
    Endpoint("POST", CONCEPT + "/quiz/attempts", answer_quiz, "Answer a quiz", status=201,
        raises=(Conflict,)),
    Endpoint("GET", CONCEPT + "/quiz/attempts", list_attempts, "List attempts at a quiz"),
    Endpoint("GET", CONCEPT + "/quiz/attempts/{attempt_id}", read_attempt,
        "Read an attempt at a quiz"),
    Endpoint("GET", PROJECT, read_project, "Read the project of a stage"),
    Endpoint("PUT", PROJECT, save_project, "Save the work on a project", current=read_project),
    Endpoint("POST", PROJECT + "/judgement", order_judgement, "Have a project judged by the model",
        status=202, raises=(Conflict,)),
    Endpoint("GET", TEST, read_test, "Read a mixed test"),
    Endpoint("POST", TEST, take_test, "Take a mixed test", raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/placement", place_learner, "Ask what the learner knows already",
        raises=(Conflict,)),
    Endpoint("POST", ROADMAP + "/placement/skip", skip_concepts, "Skip known concepts",
        raises=(Conflict,)),
    StatedEndpoint("GET", ROADMAP + "/schedule", read_schedule, "Read the schedule",
        place=schedule_place),
    Endpoint("PUT", ROADMAP + "/schedule", save_schedule, "Set the schedule",
        current=read_schedule, raises=(Conflict,)),
    Endpoint("GET", API + "/today", read_today, "Read what to learn today"),
    Endpoint("GET", API + "/profile", read_profile, "Read the profile"),
    Endpoint("PUT", API + "/profile", save_profile, "Replace the profile", current=read_profile),
    Endpoint("PATCH", API + "/profile", patch_profile, "Change fields of the profile",
        current=read_profile),
)  # fmt: skip
