"""A roadmap that was taken along as JSON is brought in from a file."""

import secrets

from starlette.responses import Response

from core.errors import Invalid, RoadmapError, TooLarge, TooMany
from core.text import size_said
from core.texts import gettext_noop, texts
from roadmap import portable
from roadmap.formats import LARGEST
from roadmap.portable_rules import RoadmapFile
from web.accepting import take_in
from web.endpoint import Call
from web.errors import status_of
from web.pages import problems
from web.pages.look import language_of
from web.pages.once import made_once
from web.pages.rendering import page
from web.pages.upload import FileForm

NONE = gettext_noop("Choose the file first.")
TOO_LARGE = gettext_noop("This file is too large: a roadmap has at most %(size)s.")
NO_JSON = gettext_noop(
    "This is no roadmap, or not all of it. Choose the file that was taken along as JSON."
)
NO_ROADMAP = gettext_noop(
    "This file has no roadmap in it. Choose the one that was taken along as JSON."
)
NEWER = gettext_noop(
    "This file was made by a newer version of Roadmap than this one, which cannot read it."
)
NOT_FITTING = gettext_noop(
    "This file does not fit, and nothing was changed. Somebody has altered it, or it is damaged:"
)


def show(call: Call) -> Response:
    return _page(call)


def take(call: Call) -> Response:
    """The same file sent twice by the same form is one roadmap."""
    form: FileForm = call.body
    if form.error is not None:
        return _page(call, form.error)
    if form.document is None:
        return _page(call, Invalid("There is no file."), NONE)
    document = form.document
    assert isinstance(document, RoadmapFile)
    try:
        return made_once(
            call, form.digest.encode(), lambda: document, lambda read: take_in(call.owner, read)
        )
    except TooMany as error:
        return _page(call, error)


def _page(call: Call, error: RoadmapError | None = None, said: str = "") -> Response:
    words = texts(language_of(call.request))
    form = call.body.text("form") if error is not None else ""
    return page(
        call.request,
        "import.html",
        status=status_of(error) if error else 200,
        form=form or secrets.token_urlsafe(16),
        problem=words.gettext(said or _said(error)) % {"size": size_said(LARGEST)} if error else "",
        fields=error.fields if error and not said and _said(error) == NOT_FITTING else (),
    )


def _said(error: RoadmapError) -> str:
    if isinstance(error, TooLarge):
        return TOO_LARGE
    if isinstance(error, TooMany):
        return problems.PROBLEMS[TooMany]
    if not isinstance(error, Invalid):
        return NO_JSON
    first = error.fields[0]
    if first.kind == portable.NEWER:
        return NEWER
    return NO_ROADMAP if first.pointer in ("/format", "") else NOT_FITTING
