"""Spaced repetition: due questions, answers and ratings."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.errors import Conflict, NotFound
from core.json_types import LazyModel
from roadmap.learning import reviews
from roadmap.learning.daily_limits import ReviewForecast, ReviewLimits
from web.endpoints.call import Call
from web.endpoints.endpoint import API, Endpoint

REVIEW = API + "/reviews/{card_id}"


class ReviewsQuery(LazyModel, extra="forbid"):
    roadmap_id: UUID | None = Field(None, description="Only questions of this roadmap.")
    limit: Annotated[
        int, Field(ge=1, le=reviews.MOST_AT_ONCE, description="Maximum number of items.")
    ] = 20
    beyond_limits: bool = Field(False, description="Also questions above the limits of today.")


def list_reviews(call: Call[None, ReviewsQuery]) -> reviews.Reviews:
    """Due questions of answered quizzes and finished concepts, within the limits of today.

    Reviewing removes them from the list. A day begins at 0:00 UTC.
    """
    return reviews.list_due(
        call.owner,
        limit=call.query.limit,
        roadmap_id=call.query.roadmap_id,
        beyond=call.query.beyond_limits,
    )


def check_review(call: Call[reviews.ReviewCheck]) -> reviews.CheckedReview:
    """Grade an answer; its rating follows.

    The response has the correct answers, the explanation, and the next due time for each rating.
    After an empty answer, only `again` is accepted.
    """
    return reviews.check(call.owner, call.ids["card_id"], call.body)


def rate_review(call: Call[reviews.ReviewRequest]) -> reviews.CardState:
    """Rate a question.

    It comes back after minutes, days or months, depending on the rating. Reviews before the due
    time are allowed.
    """
    return reviews.review(call.owner, call.ids["card_id"], call.body)


def undo_review(call: Call[reviews.UndoRequest]) -> reviews.CardState:
    """Undo the last rating of the account.

    The question has its earlier state again. That is possible once and within 30 minutes.
    """
    return reviews.undo(call.owner, call.ids["card_id"], call.body)


def read_forecast(call: Call) -> ReviewForecast:
    """Numbers of questions of the next days, within the limits."""
    return reviews.forecast(call.owner)


def read_limits(call: Call) -> ReviewLimits:
    """Daily limits of reviews."""
    return reviews.read_limits(call.owner)


def save_limits(call: Call[ReviewLimits]) -> ReviewLimits:
    """Replace the daily limits; omitted fields get their defaults."""
    return reviews.save_limits(call.owner, call.body)


ENDPOINTS = (
    Endpoint("GET", API + "/reviews", list_reviews, "List due reviews", raises=(NotFound,)),
    Endpoint("POST", REVIEW + "/check", check_review, "Check an answer"),
    Endpoint("POST", REVIEW, rate_review, "Rate a review", raises=(Conflict,)),
    Endpoint("POST", REVIEW + "/undo", undo_review, "Undo a rating", raises=(Conflict,)),
    Endpoint("GET", API + "/review-forecast", read_forecast, "Read the review forecast"),
    Endpoint("GET", API + "/review-limits", read_limits, "Read the review limits"),
    Endpoint("PUT", API + "/review-limits", save_limits, "Set the review limits",
        current=read_limits),
)  # fmt: skip
