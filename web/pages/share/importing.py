"""Import of a roadmap from a JSON file."""

import secrets

from starlette.responses import Response

from core.errors import Invalid, RateLimited, RoadmapError, TooLarge
from core.i18n import gettext_noop
from core.sanitize import format_size
from roadmap.exchange.formats import json_
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.own_chat_answer import ANSWER
from roadmap.plan.format_version import LARGEST_DOCUMENT
from web.endpoints.call import Call
from web.http.problems import status_of
from web.pages import error_messages, own_chat
from web.pages.forms import Form, create_once
from web.pages.page_route import PageRoute, UploadPage
from web.pages.templates import page, texts_of
from web.pages.upload import FileForm
from web.roadmaps.roadmap_commands import import_document

NONE = gettext_noop("Choose a file first.")
TOO_LARGE = gettext_noop("This file is too large: a roadmap has at most %(size)s.")
NO_JSON = gettext_noop("This is not a complete roadmap. Choose a file that was exported as JSON.")
NO_ROADMAP = gettext_noop("This file contains no roadmap. Choose one that was exported as JSON.")
NO_COURSE = gettext_noop("There is no course in this answer. Paste the whole answer of the chat.")
NEWER = gettext_noop(
    "This file comes from a newer version of Roadmap and cannot be read by this one."
)
NOT_FITTING = gettext_noop(
    "This file is not valid, and nothing was changed. It was altered or is damaged:"
)
NO_ANSWER = gettext_noop(
    "This cannot be imported, and nothing was changed. Correct it, or send these remarks to the"
    " chat:"
)


def import_page(
    call: Call[Form | FileForm, own_chat.ChatQuery],
    error: RoadmapError | None = None,
    sentence: str = "",
) -> Response:
    words = texts_of(call.request)
    answer = call.body.text("answer")
    if error and not sentence:
        sentence = _sentence(error)
        if answer and sentence in (NO_JSON, NO_ROADMAP):
            sentence = NO_COURSE
    return page(
        call.request,
        "import.html",
        status=status_of(error) if error else 200,
        form=call.body.text("form") or secrets.token_urlsafe(16),
        problem=words.gettext(sentence) % {"size": format_size(LARGEST_DOCUMENT)}
        if sentence
        else "",
        fields=error.fields if error and sentence in (NOT_FITTING, NO_ANSWER) else (),
        chat=own_chat.box(call.query, answer),
    )


def take(call: Call[FileForm, own_chat.ChatQuery]) -> Response:
    """Import a file; the same file sent twice by the same form is one roadmap."""
    form = call.body
    if form.error is not None:
        return import_page(call, form.error)
    if form.document is None:
        return import_page(call, Invalid("There is no file."), NONE)
    document = form.document
    assert isinstance(document, RoadmapFile)
    try:
        return create_once(
            call,
            form.digest.encode(),
            lambda: document,
            lambda read: import_document(call.owner, read),
        )
    except RateLimited as error:
        return import_page(call, error)


def _sentence(error: RoadmapError) -> str:
    if not isinstance(error, Invalid):
        others = {TooLarge: TOO_LARGE, RateLimited: error_messages.PROBLEMS[RateLimited]}
        return others.get(type(error), NO_JSON)
    first = error.fields[0]
    if first.kind == ANSWER:
        return NO_ANSWER
    if first.kind == json_.NEWER:
        return NEWER
    return NO_ROADMAP if first.pointer in ("/format", "") else NOT_FITTING


PAGES = (
    PageRoute("GET", "/import", import_page),
    UploadPage("POST", "/import", take, body=RoadmapFile),
)
