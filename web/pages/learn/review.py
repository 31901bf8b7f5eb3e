"""One question after the other that comes back: what was learned is asked before it is forgotten.

What was chosen stands in the address of the page that shows whether it is right, so that it can be looked at again: to check
changes nothing. To rate does.
"""

import re
from uuid import UUID

from pydantic import Field, ValidationError
from starlette.responses import Response

from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.i18n import gettext_noop, texts
from roadmap.learning import reviews
from roadmap.learning.continue_learning import onward
from roadmap.learning.reviews import CheckedReview, Review, ReviewCheck, ReviewRequest
from web.call import Call
from web.http.problems import status_of
from web.pages.forms import AnyQuery, Form, filled, see_other
from web.pages.preferences import language_of
from web.pages.templates import page

NOTHING = "-"  # was chosen
EMPTY = gettext_noop("Choose an answer, or say that you do not know it.")
PROBLEMS = {
    Conflict: gettext_noop(
        "This question was rated already, perhaps in another window. Here is the next one."
    ),
    Invalid: gettext_noop("This does not belong to the question. Answer it here."),
}


class ReviewSession(AnyQuery):
    """`roadmap`: only questions of this one; `done`: how many were rated since one began."""

    roadmap: UUID | None = None
    done: int = Field(0, ge=0, le=100_000)

    def path(self, **more: object) -> str:
        """Of the page, with what is not as it is anyway."""
        said = {"roadmap": self.roadmap, "done": self.done, **more}
        query = "&".join(f"{name}={value}" for name, value in said.items() if value)
        return f"/review?{query}" if query else "/review"


class ReviewQuery(ReviewSession):
    """`card`: a question that was answered with `chosen`, the indexes of options with points between."""

    card: UUID | None = None
    chosen: str = Field("", pattern=r"^(-|[0-9]{1,4}(\.[0-9]{1,4}){0,99})?$")


def show(call: Call) -> Response:
    query: ReviewQuery = call.query
    return _page(
        call,
        ReviewSession(roadmap=query.roadmap, done=query.done),
        card_id=query.card,
        chosen=query.chosen,
    )


def check(call: Call) -> Response:
    """`unknown`: one does not know, whatever was chosen before."""
    form: Form = call.body
    sitting, card_id, is_unknown = _sitting(form), call.ids["card_id"], bool(form.text("unknown"))
    chosen = [
        text for text in form.all("chosen") if re.fullmatch(r"[0-9]{1,4}", text) and not is_unknown
    ]
    if not chosen and not is_unknown:
        return _page(call, sitting, card_id=card_id, error=Invalid(EMPTY))
    try:
        reviews.check(call.owner, card_id, filled(ReviewCheck, {"chosen": chosen}))
    except Invalid as error:
        return _page(call, sitting, card_id=card_id, error=error)
    return see_other(sitting.path(card=card_id, chosen=".".join(chosen) or NOTHING))


def rate(call: Call) -> Response:
    """And on to the next question."""
    form: Form = call.body
    sitting = _sitting(form)
    try:
        reviews.review(
            call.owner, call.ids["card_id"], filled(ReviewRequest, form.given("rating", "reviews"))
        )
    except (Conflict, Invalid) as error:
        return _page(call, sitting, error=error)
    return see_other(sitting.model_copy(update={"done": sitting.done + 1}).path())


def _page(
    call: Call,
    sitting: ReviewSession,
    *,
    card_id: UUID | None = None,
    chosen: str = "",
    error: Conflict | Invalid | None = None,
) -> Response:
    due = reviews.list_due(call.owner, limit=1, roadmap_id=sitting.roadmap)
    asked = _asked(call, card_id) or next(iter(due.items), None)
    checked = _checked(call, asked, chosen) if asked is not None and asked.id == card_id else None
    return page(
        call.request,
        "review.html",
        status=status_of(error) if error else 200,
        sitting=sitting,
        card=asked,
        checked=checked,
        due=due,
        counted=reviews.MOST_COUNTED,
        now=clock.now(),
        onward=onward(call.owner, limit=1) if asked is None else [],
        problem=texts(language_of(call.request)).gettext(_problem(error)) if error else "",
    )


def _problem(error: Conflict | Invalid) -> str:
    return EMPTY if error.detail == EMPTY else PROBLEMS[type(error)]


def _asked(call: Call, card_id: UUID | None) -> Review | None:
    """The one that is meant, while it is due."""
    try:
        card = None if card_id is None else reviews.read_card(call.owner, card_id)
    except NotFound:
        return None
    return card if card is not None and card.due_at <= clock.now() else None


def _checked(call: Call, card: Review, chosen: str) -> CheckedReview | None:
    if not chosen:
        return None
    numbers = [] if chosen == NOTHING else [int(number) for number in chosen.split(".")]
    try:
        return reviews.check(call.owner, card.id, filled(ReviewCheck, {"chosen": numbers}))
    except (
        Invalid,
        NotFound,
    ):  # a link that somebody has changed, or a question that is gone at this moment
        return None


def _sitting(form: Form) -> ReviewSession:
    try:
        return ReviewSession.model_validate(form.given("roadmap", "done"))
    except ValidationError:
        return ReviewSession()
