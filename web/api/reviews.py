"""Questions that come back before they are forgotten."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from roadmap.learning import reviews
from roadmap.learning.reviews import MOST_AT_ONCE, CardState, CheckedReview, Reviews
from web.call import Call


class ReviewsQuery(BaseModel, extra="forbid"):
    roadmap_id: UUID | None = Field(None, description="Only those of this roadmap.")
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="How many at most.")] = 20


def list_reviews(call: Call) -> Reviews:
    """Questions of quizzes that were answered, or whose concepts are done, when they are due. They
    become less by reviewing.
    """
    query: ReviewsQuery = call.query
    return reviews.list_due(call.owner, limit=query.limit, roadmap_id=query.roadmap_id)


def check_review(call: Call) -> CheckedReview:
    """Graded here: what is right, and why, and when the question comes back by each rating. Nothing
    is changed.
    """
    return reviews.check(call.owner, call.ids["card_id"], call.body)


def rate_review(call: Call) -> CardState:
    """The question comes back after minutes, days or months, by how it went. It may be reviewed
    before it is due.
    """
    return reviews.review(call.owner, call.ids["card_id"], call.body)
