"""What a learner does with a roadmap."""

from pydantic import BaseModel, ConfigDict

from roadmap import learning
from roadmap.learning import Attempt, Attempts, LearnerConcept, Profile
from web.api.roadmaps import Limit
from web.endpoint import Call, Reply


class AttemptsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: Limit = 20


def set_progress(call: Call) -> LearnerConcept:
    return learning.set_progress(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body)


def set_notes(call: Call) -> LearnerConcept:
    return learning.set_notes(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body)


def attempt(call: Call) -> Reply:
    return Reply(learning.attempt(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.body))


def list_attempts(call: Call) -> Attempts:
    return learning.list_attempts(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], limit=call.query.limit)


def read_attempt(call: Call) -> Attempt:
    return learning.read_attempt(call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.ids["attempt_id"])


def read_profile(call: Call) -> Profile:
    return learning.read_profile(call.owner)


def save_profile(call: Call) -> Profile:
    return learning.save_profile(call.owner, call.body)
