"""A roadmap that was taken along as JSON is brought in from a file."""

import hashlib
import secrets
from collections.abc import Callable

from starlette.responses import Response

from core.errors import Invalid, Malformed, RoadmapError, TooLarge, TooMany
from core.runtime import transaction
from core.texts import gettext_noop, texts
from roadmap.portable_rules import RoadmapFile
from roadmap.reading import RoadmapSummary
from web import idempotency
from web.api.exporting import take_in
from web.endpoint import Call
from web.errors import status_of
from web.idempotency import Named
from web.pages import problems
from web.pages.look import language_of
from web.pages.page import see_other
from web.pages.rendering import page
from web.pages.upload import FileForm
from web.parsing import body_of

NONE = gettext_noop("Choose the file first.")
TOO_LARGE = gettext_noop("This file is too large: a roadmap has at most 16 MiB.")
NO_JSON = gettext_noop("This is no roadmap, or not all of it. Choose the file that was taken along as JSON.")
NO_ROADMAP = gettext_noop("This file has no roadmap in it. Choose the one that was taken along as JSON.")
NEWER = gettext_noop("This file was made by a newer version of Roadmap than this one, which cannot read it.")
NOT_FITTING = gettext_noop("This file does not fit, and nothing was changed. Somebody has altered it, or it is damaged:")


def show(call: Call) -> Response:
    return _page(call)


def take(call: Call) -> Response:
    """The same file sent twice by the same form is one roadmap."""
    form: FileForm = call.body
    if form.error is not None:
        return _page(call, form.error)
    if not form.file:
        return _page(call, Invalid("There is no file."), NONE)
    try:
        document = body_of(RoadmapFile, form.file)
    except (Invalid, Malformed) as error:
        return _page(call, error)
    assert isinstance(document, RoadmapFile)
    try:
        return made_once(call, hashlib.sha256(form.file).hexdigest(), lambda: take_in(call, document))
    except TooMany as error:
        return _page(call, error)


def made_once(call: Call, content: str, make: Callable[[], RoadmapSummary]) -> Response:
    """To the page of the roadmap that is made; the same form sent again with the same content leads to the first one."""
    named = _named(call, content)
    with idempotency.one_at_a_time(named), transaction():
        if named is not None and (earlier := idempotency.begin(named)) is not None:
            return earlier
        response = see_other(f"/roadmaps/{make().id}")
        return response if named is None else idempotency.keep(named, response)


def _named(call: Call, content: str) -> Named | None:
    if not (name := call.body.text("form")):
        return None
    return idempotency.name_of(f"form {name[:100]} {content}", call.owner, call.request, content.encode())


def _page(call: Call, error: RoadmapError | None = None, said: str = "") -> Response:
    words = texts(language_of(call.request))
    form = call.body.text("form") if error is not None else ""
    return page(
        call.request,
        "import.html",
        status=status_of(error) if error else 200,
        form=form or secrets.token_urlsafe(16),
        problem=words.gettext(said or _said(error)) if error else "",
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
    if first.pointer == "/version" and "newer" in first.detail:
        return NEWER
    return NO_ROADMAP if first.pointer in ("/format", "") else NOT_FITTING
