"""Messages and pages of errors: the problem, and what to do."""

from collections.abc import Iterable
from gettext import NullTranslations
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

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
from web.http.problems import status_of
from web.pages.forms import is_part, page_of
from web.pages.templates import page, texts_of

FIELDS = {
    "goal": gettext_noop("Say in 2 to 1000 characters what you want to learn."),
    "level": gettext_noop("Choose one of these."),
    "hours_per_week": gettext_noop("A whole number from 1 to 80."),
    "deadline": gettext_noop("A day in the future, within ten years."),
    "language": gettext_noop("Choose one of these."),
    "resource_language": gettext_noop("Choose one of these."),
    "background": gettext_noop("At most 2000 characters."),
    "motivation": gettext_noop("At most 2000 characters."),
    "preferences": gettext_noop("At most 2000 characters."),
    "feedback": gettext_noop("Say in 2 to 4000 characters what should be different."),
    "instructions": gettext_noop("At most 2000 characters."),
    "notes": gettext_noop("At most 20,000 characters, and no control characters."),
    "email": gettext_noop("An address such as you@example.org."),
    "name": gettext_noop("At most 100 characters, in one line."),
    "password": gettext_noop(
        "At least 12 characters, not a common password, and without your address."
    ),
    "new_password": gettext_noop(
        "At least 12 characters, not a common password, and without your address."
    ),
    "invitation": gettext_noop(
        "This invitation is not valid, was used, or has expired. Ask for another."
    ),
    "url": gettext_noop(
        "A public address that begins with https://, without a user, a password or a fragment, "
        "on port 443 or one from 1024."
    ),
    "description": gettext_noop("At most 200 characters, in one line."),
    "events": gettext_noop("Choose at least one."),
    "text": gettext_noop("At most 500 characters in one line, with a word in it."),
    "category": gettext_noop("Names of categories, separated by commas."),
    "step": gettext_noop("The name of a step, at most 80 characters."),
    "since": gettext_noop("A day and a time, in UTC."),
    "until": gettext_noop("A day and a time, in UTC."),
    "roadmap_id": gettext_noop("The id of a roadmap, as its address has it."),
    "concept_id": gettext_noop("The id of a concept, as its address has it."),
    "trace_id": gettext_noop("The id of a trace, 32 hexadecimal digits."),
}
PROBLEMS: dict[type[RoadmapError], str] = {
    InTrash: gettext_noop(
        "This roadmap is in the trash. “My roadmaps” leads there, and it can be restored."
    ),
    NotFound: gettext_noop("This does not exist, or it belongs to somebody else."),
    Gone: gettext_noop(
        "This link no longer works: it was revoked, has expired, or its roadmap is gone."
    ),
    Forbidden: gettext_noop("This is not allowed."),
    Unauthenticated: gettext_noop(
        "Log in first. What you have typed is still there when you go back."
    ),
    Conflict: gettext_noop(
        "This cannot be done at the moment: it has changed meanwhile. Look at it again."
    ),
    KeyInUse: gettext_noop(
        "This is being done already. Wait a moment, then send it once more: it will be done once."
    ),
    Invalid: gettext_noop("Something does not fit. Look at what is marked."),
    RateLimited: gettext_noop("Too many requests. Wait a moment, then try again."),
    Unavailable: gettext_noop(
        "This is not possible at the moment, and nothing has changed. Try again in a moment."
    ),
}
# For htmx: the part to be replaced stays as it is, with everything chosen and typed there.
BESIDE = {"HX-Retarget": "#problems", "HX-Reswap": "innerHTML", "HX-Reselect": ".problem"}
OTHER = gettext_noop("The request cannot be answered.")
UNEXPECTED = gettext_noop(
    "Something went wrong on our side. The request ID below finds it in the log."
)


def of_fields(words: NullTranslations, fields: Iterable[FieldError]) -> dict[str, str]:
    """Return the rule of each field, by its name."""
    names = [field.pointer.strip("/?").split("/")[0] for field in fields]
    return {name: words.gettext(FIELDS.get(name, OTHER)) for name in names}


def sentence(words: NullTranslations, error: RoadmapError) -> str:
    """Return what an error means for a reader."""
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
