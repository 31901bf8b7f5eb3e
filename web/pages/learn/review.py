"""Review: questions that come due, one after the other, within the limits of the day.

The chosen options are in the URL of the page that shows whether they are right, so that it can be
opened again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlencode
from uuid import UUID

from pydantic import Field, ValidationError
from starlette.responses import Response

from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.i18n import gettext_noop
from roadmap.learning import reviews
from roadmap.learning.daily_limits import MOST_A_DAY, ReviewLimits
from roadmap.learning.grading import LONGEST_ANSWER
from roadmap.learning.today import find_lessons
from web.pages.error_messages import form_page
from web.pages.forms import (
    INCOMPLETE,
    UNORDERED,
    AnyQuery,
    Form,
    answer_in,
    filled,
    see_other,
)
from web.pages.page_route import PageCall, PageRoute

NOTHING = "-"  # was chosen
EMPTY = gettext_noop("Choose an answer, or “I don't know”.")
TEXTS = {  # by detail, before those of PROBLEMS
    EMPTY: EMPTY,
    UNORDERED: UNORDERED,
    reviews.GAVE_UP: gettext_noop(
        "You chose “I don't know” for this question, so it can only be rated “Again”."
    ),
    reviews.MISSED: gettext_noop(
        "Your answer was incorrect, so it can only be rated “Again” or “Hard”."
    ),
    reviews.NOT_LAST: gettext_noop(
        "This rating can no longer be undone. Only the last one can, within 30 minutes."
    ),
}
PROBLEMS = {
    Conflict: gettext_noop(
        "This question was already rated, perhaps in another window. Here is the next one."
    ),
    Invalid: gettext_noop(
        "This answer belongs to another question. Please answer the one on this page."
    ),
}


class ReviewSession(AnyQuery):
    """`roadmap`: only questions of this one; `done`: number of ratings so far.

    `beyond`: also questions above the limits of the day.
    """

    roadmap: UUID | None = None
    beyond: bool = False
    done: int = Field(0, ge=0, le=100_000)

    def path(self, **more: object) -> str:
        """Return the path of the page, without defaults in its query."""
        values = {**self.model_dump(include={"roadmap", "beyond", "done"}), **more}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/review?{query}" if query else "/review"


class ReviewQuery(ReviewSession):
    """`card`: a question that was answered with `chosen` (indexes, joined by points) or `typed`."""

    card: UUID | None = None
    chosen: str = Field("", pattern=r"^(-|[0-9]{1,4}(\.[0-9]{1,4}){0,99})?$")
    typed: str = Field("", max_length=LONGEST_ANSWER)

    @property
    def answer(self) -> list[int] | str | None:
        if self.typed or not self.chosen:
            return self.typed or None
        return [] if self.chosen == NOTHING else [int(each) for each in self.chosen.split(".")]


def review_page(call: PageCall[ReviewQuery]) -> Response:
    return _page(call, call.query, card_id=call.query.card, answer=call.query.answer)


def check(call: PageCall) -> Response:
    """Check an answer; with `unknown`, none, whatever was chosen before."""
    form = call.body
    sitting, card_id, is_unknown = _sitting(form), call.ids["card_id"], bool(form.text("unknown"))
    answer = [] if is_unknown else answer_in(form, "chosen")
    try:
        if not answer and not is_unknown:
            raise Invalid(EMPTY)
        if isinstance(answer, list) and INCOMPLETE in answer:
            raise Invalid(UNORDERED)
        reviews.check(call.owner, card_id, filled(reviews.ReviewCheck, {"chosen": answer}))
    except Invalid as error:
        return _page(call, sitting, card_id=card_id, error=error, picked=answer)
    if isinstance(answer, str):
        return see_other(sitting.path(card=card_id, typed=answer))
    return see_other(sitting.path(card=card_id, chosen=".".join(map(str, answer)) or NOTHING))


def rate(call: PageCall) -> Response:
    """Rate a question, and go to the next one."""
    sitting = _sitting(call.body)
    try:
        request = filled(reviews.ReviewRequest, call.body.given("rating", "reviews"))
        reviews.review(call.owner, call.ids["card_id"], request)
    except (Conflict, Invalid) as error:
        return _page(call, sitting, error=error)
    return see_other(sitting.path(done=sitting.done + 1))


def undo(call: PageCall) -> Response:
    """Undo the last rating, and ask its question again."""
    sitting, card_id = _sitting(call.body), call.ids["card_id"]
    try:
        reviews.undo(call.owner, card_id, filled(reviews.UndoRequest, call.body.given("reviews")))
    except (Conflict, Invalid) as error:
        return _page(call, sitting, error=error)
    return see_other(sitting.path(done=max(0, sitting.done - 1), card=card_id))


def save_limits(call: PageCall) -> Response:
    sitting = _sitting(call.body)
    try:
        reviews.save_limits(call.owner, filled(ReviewLimits, call.body.given("reviews", "new")))
    except Invalid as error:
        kept = {name: call.body.text(name) for name in ReviewLimits.model_fields}
        return _page(call, sitting, error=error, limits=kept)
    return see_other(sitting.path())


def _page(
    call: PageCall,
    sitting: ReviewSession,
    *,
    card_id: UUID | None = None,
    answer: list[int] | str | None = None,
    picked: Sequence[int] | str = (),
    error: Conflict | Invalid | None = None,
    limits: Mapping[str, str] | None = None,
) -> Response:
    due = reviews.list_due(call.owner, limit=1, roadmap_id=sitting.roadmap, beyond=sitting.beyond)
    asked, checked = None, None
    with suppress(NotFound):
        asked = reviews.read_card(call.owner, card_id) if card_id else None
    if asked is None or asked.due_at > clock.now():
        asked = next(iter(due.items), None)
    if asked is not None and asked.id == card_id and answer is not None:
        with suppress(Invalid, NotFound):  # somebody changed the link, or the question is gone
            request = filled(reviews.ReviewCheck, {"chosen": answer})
            checked = reviews.check(call.owner, asked.id, request, is_shown=True)
    return form_page(
        call.request,
        "review.html",
        error,
        instead=TEXTS.get(error.detail) or PROBLEMS[type(error)]
        if error is not None and limits is None
        else "",
        sitting=sitting,
        card=asked,
        checked=checked,
        picked=picked,
        due=due,
        most_counted=reviews.MOST_COUNTED,
        now=clock.now(),
        limits=limits or due.limits,
        most_a_day=MOST_A_DAY,
        forecast=reviews.forecast(call.owner) if asked is None else None,
        onward=find_lessons(call.owner, limit=1)[0] if asked is None else [],
    )


def _sitting(form: Form) -> ReviewSession:
    try:
        return ReviewSession.model_validate(form.given("roadmap", "beyond", "done"))
    except ValidationError:
        return ReviewSession()


PAGES = (
    PageRoute("GET", "/review", review_page),
    PageRoute("POST", "/review/limits", save_limits),
    PageRoute("POST", "/review/{card_id}/check", check),
    PageRoute("POST", "/review/{card_id}/undo", undo),
    PageRoute("POST", "/review/{card_id}", rate),
)
