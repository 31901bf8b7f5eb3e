"""A roadmap to take along, in the forms that other programs read."""

from datetime import datetime
from gettext import NullTranslations
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core import clock
from core.db import snapshot
from core.i18n import DEFAULT, negotiated, texts
from core.sanitize import one_line
from roadmap.exchange.formats.anki import deck_of
from roadmap.exchange.formats.ics import calendar_of
from roadmap.exchange.formats.json_ import PortableRoadmap, as_json, portable
from roadmap.exchange.map.drawing import exported
from roadmap.exchange.map.shapes import Direction
from roadmap.exchange.map.style import STYLE_SOURCE
from roadmap.learning.schedule import schedule_of
from roadmap.lifecycle import queries
from roadmap.plan.views import RoadmapTree
from web.call import Call
from web.http.host_and_csrf import own_address
from web.http.responses import Document, conditional_response

# Of a file that is opened by itself: its own style sheet, and nothing else.
POLICY = f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
MEDIA_TYPES = {
    **{
        "svg": "image/svg+xml",
        "json": "application/json",
        "md": "text/markdown",
        "zip": "application/zip",
    },
    **{"ics": "text/calendar", "apkg": "application/apkg"},
}


class PictureQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    layout: Direction = Field(
        Direction.columns,
        description="Stages beside each other, or below each other as for a phone.",
    )


def export_picture(call: Call) -> Response:
    """SVG with its own style sheet, light and dark, with the words in the language of `Accept-Language`."""
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    language = negotiated(call.request.headers.get("accept-language", ""))
    picture = exported(tree, call.query.layout, texts(language)).encode()
    told = {"Content-Language": language, "Vary": "Accept-Language"}
    return _file(call, picture, tree.title, "svg", told)


def export_json(call: Call) -> Response:
    """All that it is now, and all that you have left: progress, notes, attempts and cards. `POST /api/v1/imports` makes a
    roadmap of it again, here or on another instance. There is no id in it.
    """
    document = portable(call.owner, call.ids["roadmap_id"], with_learner=True)
    return _file(call, as_json(document), document.outline.title, "json", {})


def export_markdown(call: Call) -> Response:
    """One document to read: tutorials, resources, questions without their answers, your notes, and your progress to tick off."""
    from roadmap.exchange.formats.markdown import as_markdown
    from roadmap.exchange.formats.zip_ import details_of

    tree, document = _whole(call)
    words, told = _words(call, tree)
    parts = as_markdown(tree.model_dump(mode="json"), details_of(tree, document).values(), words)
    return _file(call, "".join(parts).encode(), tree.title, "md", told)


def export_archive(call: Call) -> Response:
    """A ZIP archive with a Markdown file for each concept, an index, the map as SVG, and the JSON that can be imported."""
    from roadmap.exchange.formats.zip_ import details_of, zipped

    tree, document = _whole(call)
    words, told = _words(call, tree)
    return _file(
        call, zipped(tree, details_of(tree, document), document, words), tree.title, "zip", told
    )


def export_calendar(call: Call) -> Response:
    """iCalendar: the days for each concept that is left, as your plan has them today, and the deadline."""
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    return sent_calendar(call, calendar_file(call, tree, today()))


def today() -> datetime:
    """Its beginning."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def calendar_file(call: Call, tree: RoadmapTree, day: datetime) -> Document:
    """The same all day long, unless something of the roadmap changes."""
    words, told = _words(call, tree)
    calendar = calendar_of(
        tree, schedule_of(tree, day.date()), url=own_address(call.request), now=day, texts=words
    )
    return Document(calendar, _headers(tree.title, "ics", told))


def sent_calendar(call: Call, calendar: Document) -> Response:
    return conditional_response(call.request, calendar, MEDIA_TYPES["ics"], calendar.headers)


def export_cards(call: Call) -> Response:
    """A deck for Anki: a note for each question, with the right answers and why. Imported again, it changes what is there."""
    document = portable(call.owner, call.ids["roadmap_id"], with_learner=False)
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    words, told = _words(call, tree)
    return _file(call, deck_of(document, tree.id, words), tree.title, "apkg", told)


def _whole(call: Call) -> tuple[RoadmapTree, PortableRoadmap]:
    """Of one moment. Raises NotFound, Conflict."""
    with snapshot():
        document = portable(call.owner, call.ids["roadmap_id"], with_learner=True)
        return queries.roadmap_tree(call.owner, call.ids["roadmap_id"]), document


def _words(call: Call, tree: RoadmapTree) -> tuple[NullTranslations, dict[str, str]]:
    """What is said around the texts of the roadmap is in its language, if we speak it, or else in the reader's."""
    language = negotiated(tree.language)
    if language == DEFAULT and not tree.language.lower().startswith(DEFAULT):
        language = negotiated(call.request.headers.get("accept-language", ""))
    return texts(language), {"Vary": "Accept-Language"}


def _file(call: Call, content: bytes, title: str, ending: str, told: dict[str, str]) -> Response:
    return conditional_response(
        call.request, Document(content), MEDIA_TYPES[ending], _headers(title, ending, told)
    )


def _headers(title: str, ending: str, told: dict[str, str]) -> dict[str, str]:
    """To be kept; the picture shows in a browser, where no file may do anything."""
    way = "inline" if ending == "svg" else "attachment"
    return {
        **told,
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f"{way}; filename=\"roadmap.{ending}\"; filename*=UTF-8''{_file_name(title)}.{ending}",
    }


def _file_name(title: str) -> str:
    kept = "".join(c if c.isalnum() or c in " -" else " " for c in one_line(title))
    return quote(" ".join(kept.split())[:80].strip() or "roadmap", safe="")
