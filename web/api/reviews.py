"""Spaced repetition: due questions, answers and ratings."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel
from roadmap.learning import reviews
from roadmap.learning.reviews import MOST_AT_ONCE, CardState, CheckedReview, Reviews
from web.call import Call


class ReviewsQuery(LazyModel, extra="forbid"):
    roadmap_id: UUID | None = Field(None, description="Only questions of this roadmap.")
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="Maximum number of items.")] = 20


def list_reviews(call: Call) -> Reviews:
    """Due questions of answered quizzes and finished concepts.

    Reviewing removes them from the list.
    """
    query: ReviewsQuery = call.query
    return reviews.list_due(call.owner, limit=query.limit, roadmap_id=query.roadmap_id)


def check_review(call: Call) -> CheckedReview:
    """Grade an answer without changes.

    The response has the correct answers, the explanation, and the next due time for each rating.
    """
    return reviews.check(call.owner, call.ids["card_id"], call.body)


def rate_review(call: Call) -> CardState:
    """Rate a question.

    It comes back after minutes, days or months, depending on the rating. Reviews before the due
    time are allowed.
    """
    return reviews.review(call.owner, call.ids["card_id"], call.body)
