"""The home page: a form for a goal, and the roadmaps of the account."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from starlette.responses import Response

from core import clock
from core.errors import Invalid, RateLimited, RoadmapError, Unavailable
from core.i18n import gettext_noop
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.generator import current_generator, has_model
from roadmap.learning import progress, reviews
from roadmap.learning.today import find_lessons, home_state, today_with
from roadmap.lifecycle.making.create import NewRoadmap
from roadmap.lifecycle.reading import queries
from roadmap.plan.match import CourseScope
from roadmap.plan.outline import Level
from roadmap.plan.schemas import RoadmapRequest
from web.auth.authentication import run_for_principal
from web.endpoints import idempotency
from web.http.response_cache import DocumentSource
from web.pages import error_messages, own_chat
from web.pages.forms import AnyQuery, Form, OpenedQuery, filled, form_key, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import FORM, language_of, own_page, page, texts_of
from web.roadmaps.create_writer import accept

MOST_CONTINUED = 3  # roadmaps to continue with, on the first page
LATEST = 5  # roadmaps on the first page
MOST_READERS = 1000  # accounts of which is known what their first page shows
ON_A_PAGE = 20
LIMITS_OF_CATALOGUE = {
    "goal": gettext_noop(
        "There is no ready-made roadmap for this goal. Below are other ways to one."
    ),
    "language": gettext_noop(
        "This ready-made roadmap is not available in this language. Choose “Automatic”. For other"
        " languages, the operator of this service must set OPENAI_API_KEY."
    ),
}
# Not the level, which differs from subject to subject.
REMEMBERED = tuple(name for name in progress.DEFAULTS if name != "level")
CHECKED = ("review", "clarify")
FIELDS = ("goal", "level", *REMEMBERED, "deadline", "background", "motivation", "preferences")


class StartQuery(AnyQuery):
    """`language` of the roadmap: by default the last one; automatic if it is not offered."""

    goal: str = ""
    language: str | None = None


def home_page(call: PageCall[StartQuery]) -> Response:
    owner, query, now = call.owner, call.query, clock.now()

    def state() -> bytes:
        return home_state(owner, now, latest=LATEST + 1, read=_read_for(owner))

    def read() -> dict[str, Any]:
        values = progress.read_profile(owner).model_dump(mode="json", exclude_none=True)
        if query.language is not None:
            values["language"] = query.language if query.language in ROADMAP_LANGUAGES else ""
        lessons, _read_for(owner)[:] = find_lessons(owner, limit=MOST_CONTINUED)
        today = today_with(owner, next(iter(lessons), None))
        return _context(
            call,
            {**values, "goal": query.goal[:1000], "form": FORM},
            problem="",
            errors={},
            going_on=lessons,
            today=today,
            recall=reviews.forecast(owner),
            tested_roadmap=today.test_of and queries.summary(owner, today.test_of),
        )

    return own_page(call, "start.html", DocumentSource(state, read), dict, has_form=True)


@lru_cache(maxsize=MOST_READERS)
def _read_for(_: UUID) -> list[UUID]:
    """Return the roadmaps that were read for the lessons on the last page of an account.

    The page depends on them alone and on the order of the others. The list is filled with the page.
    """
    return []


def roadmaps_page(call: PageCall[OpenedQuery]) -> Response:
    before = call.query.cursor
    listed = queries.list_roadmaps(call.owner, limit=ON_A_PAGE, before=before, status=None)
    return page(
        call.request,
        "roadmaps.html",
        roadmaps=listed,
        learned=progress.hours_learned(call.owner, [each.id for each in listed.items]),
        is_first=before is None,
    )


def dismiss_note(call: PageCall) -> Response:
    """Explain no longer why hours changed."""
    progress.dismiss_note(call.owner)
    return see_other("/")


async def create(call: PageCall) -> Response:
    """Create a roadmap and go to it; after an error, the form keeps its values."""
    sentences: Mapping[str, str] = {}
    values = {**call.body.given(*FIELDS), **{name: bool(call.body.text(name)) for name in CHECKED}}
    if "track" in call.body:  # in its own language
        values |= {"goal": call.body.text("track"), "language": None, "scope": CourseScope.track}
    try:
        request = filled(
            RoadmapRequest, {name: each for name, each in values.items() if each is not None}
        )
        sent = request.model_dump_json().encode()  # the same in each language of the page
        sentences = LIMITS_OF_CATALOGUE if _has_catalogue() else {}
        request = request.in_language_of_goal(language_of(call.request))
        request = await run_for_principal(call.caller, _fit, call, request)
    except Invalid as error:
        return await run_for_principal(call.caller, _again, call, error, sentences)
    try:
        new = NewRoadmap(call.owner, request)
        named, response = form_key(call, sent), see_other(f"/roadmaps/{new.id}")
        if named is not None:
            new = replace(new, answer=idempotency.to_stored(named, response))
        earlier = await accept(new)
        return response if named is None or earlier is None else idempotency.replay(named, earlier)
    except (RateLimited, Unavailable) as error:
        return await run_for_principal(call.caller, _again, call, error, sentences)


def _fit(call: PageCall, request: RoadmapRequest) -> RoadmapRequest:
    """Return the request as the generator serves it, and remember its choices.

    Raises Invalid if the generator cannot serve it.
    """
    fitted = current_generator().fit(request)
    chosen = {name: getattr(request, name) for name in REMEMBERED}
    chosen["language"] = request.language if request.names_language else None
    progress.change_profile(call.owner, progress.ProfilePatch(**chosen))
    return fitted


def _again(call: PageCall, error: RoadmapError, sentences: Mapping[str, str]) -> Response:
    """Return the form with its values; `sentences` replace the usual ones of fields."""
    words = texts_of(call.request)
    errors = error_messages.of_fields(words, error.fields)
    errors |= {name: words.gettext(sentences[name]) for name in errors.keys() & sentences.keys()}
    values = {name: call.body.text(name) for name in (*FIELDS, *CHECKED, "form")}
    context = _context(call, values, errors=errors, going_on=[], today=None)
    if "nearest" in error.members:
        context |= _ways_out(call.body, error.members, context["tracks"])
    return error_messages.form_page(call.request, "start.html", error, **context)


def _ways_out(
    form: Form, members: Mapping[str, Any], tracks: Sequence[loader.Track]
) -> dict[str, Any]:
    """Return what a page shows for a goal that no track covers."""
    titled = {track.id: track for track in tracks}
    near = [(titled[each["id"]], each) for each in members["nearest"]]
    wishes = own_chat.ChatQuery.model_validate(form.given(*own_chat.ChatQuery.model_fields))
    chat = {**own_chat.box(wishes), "prompt": members["chat_prompt"]}
    return {"near": near, "chat": chat, "problem": ""}  # the field says what is wrong


def _context(call: PageCall, values: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    defaults = {name: field.default or "" for name, field in RoadmapRequest.model_fields.items()}
    language = language_of(call.request)
    return {
        "values": {**defaults, "language": "", "clarify": True, **values},
        "may_clarify": has_model(),
        "most_counted": reviews.MOST_COUNTED,
        "levels": list(Level),
        "choices": ROADMAP_LANGUAGES,
        "tracks": [loader.shown_in(each, language) for each in loader.tracks().values()]
        if _has_catalogue()
        else [],
        "latest": queries.list_roadmaps(call.owner, limit=LATEST, before=None, status=None),
        **{"near": [], "chat": None},  # only for a goal that no track covers
        **others,
    }


def _has_catalogue() -> bool:
    return current_generator().name == CatalogueGenerator.name


PAGES = (
    PageRoute("GET", "/", home_page),
    PageRoute("GET", "/roadmaps", roadmaps_page),
    PageRoute("POST", "/roadmaps", create),
    PageRoute("POST", "/hours-note", dismiss_note),
)
