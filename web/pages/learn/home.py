"""Where one begins: a goal, and the roadmaps that one has."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from starlette.responses import Response

from core.errors import Invalid, RateLimited, RoadmapError, Unavailable
from core.i18n import gettext_noop, texts
from roadmap.accounts.identity import IdempotencyKey
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import BrokenFile, Track
from roadmap.generation.generator import current_generator
from roadmap.learning import progress, reviews
from roadmap.learning.continue_learning import NextLesson, onward
from roadmap.learning.progress import Profile
from roadmap.lifecycle import queries
from roadmap.lifecycle.create import NewRoadmap, new_roadmap
from roadmap.plan.outline import Level
from roadmap.plan.schemas import RoadmapRequest
from web import idempotency
from web.authentication import run_for_caller
from web.call import Call
from web.create_writer import accept
from web.http.problems import status_of
from web.pages import error_messages, form_idempotency
from web.pages.forms import AnyQuery, Form, filled, see_other
from web.pages.preferences import language_of
from web.pages.templates import page

GOING_ON = 3  # roadmaps with which one may go on, on the first page
LATEST = 5  # roadmaps on the first page
ON_A_PAGE = 20
CHOICES = {  # what the lists of languages offer; each in its own words
    "en": "English",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
    "ar": "العربية",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "hi": "हिन्दी",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ru": "Русский",
    "tr": "Türkçe",
    "uk": "Українська",
    "vi": "Tiếng Việt",
}
LIMITS_OF_CATALOGUE = {
    "goal": gettext_noop(
        "Without a model key there are only the roadmaps named here. With one, any goal works."
    ),
    "language": gettext_noop(
        "Without a model key this roadmap is not there in this language. Choose “Automatic”; with a key, any language works."
    ),
}
NOTHING: Mapping[str, str] = {}
REMEMBERED = ("level", "hours_per_week", "language", "resource_language")
ASKED = ("goal", *REMEMBERED, "deadline", "background", "motivation", "preferences")


class StartQuery(AnyQuery):
    """`language` is that of the roadmap, as it was chosen last where none stands; one that is not offered is automatic."""

    goal: str = ""
    language: str | None = None


class RoadmapListQuery(AnyQuery):
    cursor: UUID | None = None


def show(call: Call) -> Response:
    profile = progress.read_profile(call.owner).model_dump(mode="json", exclude_none=True)
    chosen = call.query.language
    asked = {} if chosen is None else {"language": chosen if chosen in CHOICES else ""}
    values = {**_defaults(), **profile, **asked, "goal": call.query.goal[:1000]}
    return _shown(
        call,
        values,
        going_on=onward(call.owner, limit=GOING_ON),
        due=reviews.count_due(call.owner),
    )


async def create(call: Call) -> Response:
    """What was typed stays in the form until it is accepted."""
    form: Form = call.body
    try:
        request = filled(
            RoadmapRequest, {**form.given(*ASKED), "review": bool(form.text("review"))}
        )
    except Invalid as error:
        return await run_for_caller(call.caller, _again, call, error)
    asked = (
        request.model_dump_json().encode()
    )  # the same for the same form, in whichever language it is sent
    try:
        request = await run_for_caller(
            call.caller, _remember, call, request.in_language_of_goal(language_of(call.request))
        )
    except Invalid as error:
        return await run_for_caller(
            call.caller, _again, call, error, LIMITS_OF_CATALOGUE if _has_catalogue() else {}
        )
    try:
        return await _accepted(
            form_idempotency.name_of(call, asked), new_roadmap(call.owner, request)
        )
    except (RateLimited, Unavailable) as error:
        return await run_for_caller(call.caller, _again, call, error)


def list_(call: Call) -> Response:
    listed = queries.list_roadmaps(
        call.owner, limit=ON_A_PAGE, before=call.query.cursor, status=None
    )
    return page(call.request, "roadmaps.html", roadmaps=listed, is_first=call.query.cursor is None)


async def _accepted(named: IdempotencyKey | None, new: NewRoadmap) -> Response:
    """Raises TooMany, Unavailable."""
    response = see_other(f"/roadmaps/{new.id}")
    if named is None:
        await accept(new)
        return response
    earlier = await accept(replace(new, answer=idempotency.to_stored(named, response)))
    return idempotency.replay(named, earlier) if earlier is not None else response


def _remember(call: Call, request: RoadmapRequest) -> RoadmapRequest:
    """For the next one what was chosen; as it is served. Raises Invalid when the generator cannot serve this one."""
    fitted = current_generator().fit(request)
    chosen = {
        name: getattr(request, name)
        for name in REMEMBERED
        if name != "language" or request.names_language
    }
    progress.save_profile(call.owner, Profile(**chosen))
    return fitted


def _defaults() -> dict[str, Any]:
    return {name: field.default or "" for name, field in RoadmapRequest.model_fields.items()} | {
        "language": ""
    }


def _again(call: Call, error: RoadmapError, instead: Mapping[str, str] = NOTHING) -> Response:
    """The form once more, with what was typed; `instead` has other sentences for fields than the usual ones."""
    words = texts(language_of(call.request))
    errors = error_messages.of_fields(words, error.fields)
    errors |= {name: words.gettext(instead[name]) for name in errors.keys() & instead.keys()}
    form: Form = call.body
    values = _defaults() | {
        name: form.text(name) for name in (*ASKED, "review", "form")
    }  # the same form: it may be done
    return _shown(
        call,
        values,
        status=status_of(error),
        errors=errors,
        problem=error_messages.said(words, error),
    )


def _shown(
    call: Call,
    values: dict[str, Any],
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
    problem: str = "",
    going_on: Sequence[NextLesson] = (),
    due: int = 0,
) -> Response:
    """What one may go on with comes first, unless somebody is at the form already."""
    return page(
        call.request,
        "start.html",
        status=status,
        values={"form": secrets.token_urlsafe(16)} | values,
        errors=errors or {},
        problem=problem,
        going_on=going_on,
        due=due,
        counted=reviews.MOST_COUNTED,
        levels=list(Level),
        choices=CHOICES,
        tracks=_offered(language_of(call.request)) if _has_catalogue() else [],
        latest=queries.list_roadmaps(call.owner, limit=LATEST, before=None, status=None),
    )


def _offered(language: str) -> list[Track]:
    """Every built-in roadmap, in the language of the page where it is there in that."""
    wanted = loader.language_of(language) or loader.ENGLISH
    return [_told(track, wanted) for track in loader.tracks().values()]


def _told(track: Track, language: str) -> Track:
    try:
        return loader.load_track(
            track.id, language if language in loader.languages(track) else track.language
        )
    except BrokenFile:  # whoever asks for it is told
        return track


def _has_catalogue() -> bool:
    return current_generator().name == CatalogueGenerator.name
