"""What programmers read: the description of the API, chapter by chapter, and what its problems mean."""

from markupsafe import Markup
from starlette.responses import Response

from core.runtime import settings
from web.api import documentation
from web.api.documentation import ProblemMeaning
from web.endpoint import Call
from web.origins import own_address
from web.pages import reference
from web.pages.on_demand import prose
from web.pages.rendering import page


def show(call: Call) -> Response:
    """Whoever asks gets the page, also a program: the description for those is /openapi.json."""
    return page(
        call.request,
        "docs.html",
        introduction=reference.introduction(),
        headers_of_answers=reference.headers(),
        chapters=reference.chapters(),
        origin=own_address(call.request),
    )


def show_chapter(call: Call) -> Response:
    chapter = reference.chapter(call.ids["tag"])
    return page(
        call.request,
        "chapter.html",
        chapter=chapter,
        chapters=reference.chapters(),
        operations=reference.operations(chapter.name),
        origin=own_address(call.request),
        with_token=not settings.embedded,
    )


def list_problem_types(call: Call) -> Response:
    return page(call.request, "problem_types.html", problems=_problems(call))


def _problems(call: Call) -> list[tuple[ProblemMeaning, Markup]]:
    """Each with what it means, as a page shows it."""
    return [(kind, prose(kind.meaning)) for kind in documentation.list_problem_types(call).items]


def show_problem_type(call: Call) -> Response:
    kind = documentation.meaning_of(documentation.problem_type(call.ids["slug"]))
    return page(call.request, "problem_type.html", kind=kind, meaning=prose(kind.meaning), remedy=prose(kind.remedy))
