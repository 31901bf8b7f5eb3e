"""Progress, notes, quizzes and schedule of a learner."""

from roadmap.learning import progress
from roadmap.learning.progress import Attempt, LearnerConcept, Profile
from roadmap.learning.schedule import Schedule
from roadmap.lifecycle import schedule_settings
from web.call import Call
from web.http.pagination import Limit, PageQuery, paged
from web.http.responses import Reply
from web.http.urls import quoted_path


class AttemptsQuery(PageQuery):
    limit: Limit = 20


def set_progress(call: Call) -> LearnerConcept:
    """Of this learner with this concept."""
    return progress.set_progress(
        call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body
    )


def set_notes(call: Call) -> LearnerConcept:
    """Instead of those that are there. With `base`, or `If-Match`, nothing is overwritten
    unseen.
    """
    return progress.set_notes(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body)


def answer_quiz(call: Call) -> Reply:
    """Graded here; the answer says what was right, and why."""
    made = progress.attempt(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body)
    return Reply(made, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def list_attempts(call: Call) -> Reply:
    """The newest first, without the single questions."""
    place, query = (call.ids["roadmap_id"], call.ids["concept_id"]), call.query
    page = progress.list_attempts(call.owner, *place, limit=query.limit, before=query.cursor)
    return paged(call.request, query, page)


def read_notes(call: Call) -> LearnerConcept:
    """With how far the learner is. Send its ETag as `If-Match` with a change, so that nothing is
    overwritten unseen.
    """
    return progress.read_learner(call.owner, call.ids["roadmap_id"], call.ids["concept_id"])


def read_progress(call: Call) -> LearnerConcept:
    """With the notes: the same answer as that of the notes."""
    return read_notes(call)


def read_attempt(call: Call) -> Attempt:
    """With each question: what was chosen, what is right, and why."""
    return progress.read_attempt(
        call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.ids["attempt_id"]
    )


def read_profile(call: Call) -> Profile:
    """Defaults of the form for the next roadmap."""
    return progress.read_profile(call.owner)


def save_profile(call: Call) -> Profile:
    """Instead of what is there."""
    return progress.save_profile(call.owner, call.body)


def patch_profile(call: Call) -> Profile:
    """As a merge patch (RFC 7396): what is left out stays, null is not said."""
    return progress.change_profile(call.owner, call.body)


def read_schedule(call: Call) -> Schedule:
    """The remaining concepts by day and week, compared with the first plan and the deadline.

    Without a plan it is empty.
    """
    return schedule_settings.read_schedule(call.owner, call.ids["roadmap_id"])


def save_schedule(call: Call) -> Schedule:
    """Instead of what is set. The weeks of the plan are counted anew; nothing is written anew, and
    nothing learned is lost.
    """
    return schedule_settings.reschedule(call.owner, call.ids["roadmap_id"], call.body)
