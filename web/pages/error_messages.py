"""Messages and pages of errors: the problem, and what to do."""

from collections.abc import Iterable
from datetime import timedelta
from gettext import NullTranslations
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    InTrash,
    Invalid,
    KeyInUse,
    NotFound,
    RateLimited,
    RoadmapError,
    Unauthenticated,
    Unavailable,
)
from core.i18n import gettext_noop
from roadmap.accounts.accounts import TAKEN
from roadmap.learning.progress import NO_ATTEMPT
from roadmap.learning.projects import NO_WORK
from web.http.problems import status_of
from web.pages.forms import is_part, page_of
from web.pages.schedule_text import ScheduleText
from web.pages.templates import page, texts_of

FIELDS = {
    "goal": gettext_noop("Describe what you want to learn in 2 to 1,000 characters."),
    "level": gettext_noop("Choose one of the options."),
    "hours_per_week": gettext_noop("Enter a whole number from 1 to 80."),
    "deadline": gettext_noop("Choose a date within the next ten years."),
    "language": gettext_noop("Choose one of the options."),
    "resource_language": gettext_noop("Choose one of the options."),
    "weekly_goal": gettext_noop("Enter a whole number, of days at most 7, of hours at most 80."),
    "time_zone": gettext_noop("Enter the name of a time zone, such as Europe/Berlin."),
    "background": gettext_noop("Use at most 2,000 characters."),
    "motivation": gettext_noop("Use at most 2,000 characters."),
    "preferences": gettext_noop("Use at most 2,000 characters."),
    "feedback": gettext_noop("Describe the change in 2 to 4,000 characters."),
    "instructions": gettext_noop("Use at most 2,000 characters."),
    "notes": gettext_noop("Use at most 20,000 characters, without control characters."),
    "exercise_attempt": gettext_noop("Use at most 20,000 characters, without control characters."),
    "work": gettext_noop("Use at most 20,000 characters, without control characters."),
    "marks": gettext_noop("Mark each criterion."),
    "comments": gettext_noop("Use at most 1,000 characters, without control characters."),
    "email": gettext_noop("Enter an address such as you@example.org."),
    "name": gettext_noop("Use at most 100 characters, in one line."),
    "password": gettext_noop(
        "Use at least 12 characters, and not a common password, a repetition, your name or your"
        " email address."
    ),
    "new_password": gettext_noop(
        "Use at least 12 characters, and not a common password, a repetition, your name or your"
        " email address."
    ),
    "invitation": gettext_noop(
        "This invitation is not valid, was used, or has expired. Ask for a new one."
    ),
    "url": gettext_noop(
        "Enter a public address that starts with https://, without user name, password or"
        " fragment, on port 443 or on port 1024 or higher."
    ),
    "description": gettext_noop("Use at most 200 characters, in one line."),
    "reviews": gettext_noop("Enter a whole number from 1 to 500."),
    "new": gettext_noop("Enter a whole number from 0 to 500."),
    "events": gettext_noop("Choose at least one."),
    "spent_minutes": gettext_noop("Enter whole minutes, at most four times the concept's hours."),
    "text": gettext_noop("Enter at least one word, at most 500 characters in one line."),
    "category": gettext_noop("Enter names of categories, separated by commas."),
    "step": gettext_noop("Enter the name of a step, at most 80 characters."),
    "since": gettext_noop("Enter a date and a time in UTC."),
    "until": gettext_noop("Enter a date and a time in UTC."),
    "roadmap_id": gettext_noop("Enter the ID of a roadmap, as in its address."),
    "concept_id": gettext_noop("Enter the ID of a concept, as in its address."),
    "trace_id": gettext_noop("Enter the ID of a trace: 32 hexadecimal digits."),
}
DETAILS = {  # before FIELDS
    TAKEN: gettext_noop("This email address is already registered."),
    NO_WORK: gettext_noop("Describe what you made first, or paste a link to it."),
    NO_ATTEMPT: gettext_noop("Write your attempt at the exercise before you check it."),
}
PROBLEMS: dict[type[RoadmapError], str] = {
    InTrash: gettext_noop("This roadmap is in the trash. Restore it from “My roadmaps”."),
    NotFound: gettext_noop("This page does not exist, or it belongs to another account."),
    Gone: gettext_noop(
        "This link no longer works: it was revoked, has expired, or its roadmap is gone."
    ),
    Forbidden: gettext_noop("You do not have permission to do this."),
    Unauthenticated: gettext_noop(
        "Please log in. Then return to this tab and go back: your input is kept."
    ),
    Conflict: gettext_noop("This has changed in the meantime. Refresh the page and try again."),
    KeyInUse: gettext_noop(
        "This is already in progress. Wait a moment, then try again. It will not be done twice."
    ),
    Invalid: gettext_noop("Please correct the highlighted fields."),
    RateLimited: gettext_noop("Too many attempts. Wait a moment, then try again."),
    Unavailable: gettext_noop(
        "This is not possible right now, and nothing has changed. Try again in a moment."
    ),
}
# For htmx: the part to be replaced stays as it is, with everything chosen and typed there.
BESIDE = {"HX-Retarget": "#problems", "HX-Reswap": "innerHTML", "HX-Reselect": ".problem"}
LIMITED = gettext_noop("Too many attempts. You can try again %(when)s.")
OTHER = gettext_noop("The request could not be processed.")
UNEXPECTED = gettext_noop(
    "Something went wrong on our side. The request ID below identifies it in the log."
)


def of_fields(words: NullTranslations, fields: Iterable[FieldError]) -> dict[str, str]:
    """Return the rule of each field, by its name."""
    rules = {}
    for field in fields:
        name = field.pointer.strip("/?").split("/")[0]
        rules[name] = words.gettext(DETAILS.get(field.detail) or FIELDS.get(name, OTHER))
    return rules


def sentence(words: NullTranslations, error: RoadmapError) -> str:
    """Return what an error means for a reader."""
    if isinstance(error, RateLimited) and error.retry_after:
        now = clock.now()
        when = ScheduleText(words).until(now + timedelta(seconds=error.retry_after), now)
        return words.gettext(LIMITED) % {"when": when}
    found = (text for kind, text in PROBLEMS.items() if isinstance(error, kind))
    return words.gettext(next(found, OTHER))


def form_page(
    request: Request,
    template: str,
    error: RoadmapError | None = None,
    *,
    instead: str = "",
    **context: Any,
) -> Response:
    """Return a page with the status, problem and wrong fields of its error, if there is one.

    `instead` is a text for the problem in place of the usual one.
    """
    values: dict[str, Any] = {"problem": "", "errors": {}}
    if error is not None:
        words = texts_of(request)
        values["status"] = status_of(error)
        values["problem"] = words.gettext(instead) if instead else sentence(words, error)
        values["errors"] = of_fields(words, error.fields)
    return page(request, template, **{**values, **context})


def problem_page(request: Request, status: int, error: Exception) -> Response:
    """Return the page of an error, or a sentence if only a part of a page was asked for."""
    words = texts_of(request)
    fields = of_fields(words, error.fields) if isinstance(error, Invalid) else {}
    if is_part(request) and len(fields) == 1:  # there is no other place for it
        text = next(iter(fields.values()))
    elif isinstance(error, RoadmapError):
        text = sentence(words, error)
    else:
        other = {404: PROBLEMS[NotFound], 500: UNEXPECTED}
        text = words.gettext(other.get(status, OTHER))
    return page(
        request,
        "parts/problem.html" if is_part(request) else "problem.html",
        status=status,
        headers=BESIDE if is_part(request) else {},
        back=page_of(request),
        sentence=text,
        # Details are written for operators.
        detail=error.detail if isinstance(error, Forbidden | Unavailable) else "",
        code=status,
        request_id=request.scope.get("state", {}).get("request_id", ""),
    )
