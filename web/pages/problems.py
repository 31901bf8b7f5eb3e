"""What a page says when something does not go: what is wrong, and what to do."""

from collections.abc import Iterable
from gettext import NullTranslations

from starlette.requests import Request
from starlette.responses import Response

from core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    RoadmapError,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from core.texts import mark, texts
from web.pages.look import language_of
from web.pages.page import is_part, page_of
from web.pages.rendering import page

FIELDS = {
    "goal": mark("Say in 2 to 1000 characters what you want to learn."),
    "level": mark("Choose one of these."),
    "hours_per_week": mark("A whole number from 1 to 80."),
    "deadline": mark("A day in the future, within ten years."),
    "language": mark("Choose one of these."),
    "resource_language": mark("Choose one of these."),
    "background": mark("At most 2000 characters."),
    "motivation": mark("At most 2000 characters."),
    "preferences": mark("At most 2000 characters."),
    "feedback": mark("Say in 2 to 4000 characters what should be different."),
    "notes": mark("At most 20,000 characters, and no control characters."),
    "email": mark("An address such as you@example.org."),
    "name": mark("At most 100 characters, in one line."),
    "password": mark("At least 12 characters, not a common password, and without your address."),
    "new_password": mark("At least 12 characters, not a common password, and without your address."),
    "invitation": mark("This invitation is not valid, was used, or has expired. Ask for another."),
}
PROBLEMS: dict[type[RoadmapError], str] = {
    NotFound: mark("This does not exist, or it belongs to somebody else."),
    Forbidden: mark("This is not allowed."),
    Unauthenticated: mark("Log in first. What you have typed is still there when you go back."),
    Conflict: mark("This cannot be done at the moment: it has changed meanwhile. Look at it again."),
    Invalid: mark("Something does not fit. Look at what is marked."),
    TooMany: mark("Too many requests. Wait a moment, then try again."),
    Unavailable: mark("This is not possible at the moment, and nothing has changed. Try again in a moment."),
}
OTHER = mark("The request cannot be answered.")
UNEXPECTED = mark("Something went wrong on our side. The request ID below finds it in the log.")


def of_fields(words: NullTranslations, fields: Iterable[FieldError]) -> dict[str, str]:
    """What to say beside each field, by its name."""
    names = [field.pointer.strip("/?").split("/")[0] for field in fields]
    return {name: words.gettext(FIELDS.get(name, OTHER)) for name in names}


def said(words: NullTranslations, error: RoadmapError) -> str:
    kind = next((kind for kind in PROBLEMS if isinstance(error, kind)), None)
    return words.gettext(PROBLEMS[kind] if kind else OTHER)


def problem_page(request: Request, status: int, error: Exception) -> Response:
    """Instead of the page; where only a part of a page was asked for, a sentence for its place."""
    words = texts(language_of(request))
    fields = of_fields(words, error.fields) if isinstance(error, Invalid) else {}
    if is_part(request) and len(fields) == 1:  # there is no other place where it could be said
        sentence = next(iter(fields.values()))
    elif isinstance(error, RoadmapError):
        sentence = said(words, error)
    else:
        sentence = words.gettext(PROBLEMS[NotFound] if status == 404 else UNEXPECTED if status == 500 else OTHER)
    detail = error.detail if isinstance(error, Forbidden | Unavailable) else ""  # in words for operators
    request_id = request.scope.get("state", {}).get("request_id", "")
    template = "parts/problem.html" if is_part(request) else "problem.html"
    told = {"sentence": sentence, "detail": detail, "code": status, "request_id": request_id}
    return page(request, template, status=status, back=page_of(request), **told)
