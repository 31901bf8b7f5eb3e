"""A roadmap to take along, in the forms that other programs read."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.db import snapshot
from core.i18n import negotiated, texts
from roadmap.exchange.formats.anki import deck_of
from roadmap.exchange.formats.json_ import PortableRoadmap, as_json, portable
from roadmap.exchange.map.drawing import exported
from roadmap.exchange.map.shapes import Direction
from roadmap.lifecycle import queries
from roadmap.plan.views import RoadmapTree
from web.call import Call
from web.exported_files import (
    BY_LANGUAGE,
    MEDIA_TYPES,
    calendar_file,
    headers_of,
    send_calendar,
    texts_for,
    today,
)
from web.http.responses import Document, conditional_response


class PictureQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    layout: Direction = Field(
        Direction.columns,
        description="Stages beside each other, or below each other as for a phone.",
    )


def export_picture(call: Call) -> Response:
    """SVG with its own style sheet, light and dark, with the words in the language of
    `Accept-Language`.
    """
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    language = negotiated(call.request.headers.get("accept-language", ""))
    picture = exported(tree, call.query.layout, texts(language)).encode()
    headers = {**BY_LANGUAGE, "Content-Language": language}
    return _file(call, picture, tree.title, "svg", headers)


def export_json(call: Call) -> Response:
    """All that it is now, and all that you have left: progress, notes, attempts and cards. `POST
    /api/v1/imports` makes a roadmap of it again, here or on another instance. There is no id in it.
    """
    document = portable(call.owner, call.ids["roadmap_id"], with_learner=True)
    return _file(call, as_json(document), document.outline.title, "json", {})


def export_markdown(call: Call) -> Response:
    """One document to read: tutorials, resources, questions without their answers, your notes, and
    your progress to tick off.
    """
    from roadmap.exchange.formats.markdown import as_markdown
    from roadmap.exchange.formats.zip_ import details_of

    tree, document = _whole(call)
    words = texts_for(call, tree)
    parts = as_markdown(tree.model_dump(mode="json"), details_of(tree, document).values(), words)
    return _file(call, "".join(parts).encode(), tree.title, "md")


def export_archive(call: Call) -> Response:
    """A ZIP archive with a Markdown file for each concept, an index, the map as SVG, and the JSON
    that can be imported.
    """
    from roadmap.exchange.formats.zip_ import details_of, zipped

    tree, document = _whole(call)
    archive = zipped(tree, details_of(tree, document), document, texts_for(call, tree))
    return _file(call, archive, tree.title, "zip")


def export_calendar(call: Call) -> Response:
    """iCalendar: the days for each concept that is left, as your plan has them today, and the
    deadline.
    """
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    return send_calendar(call, calendar_file(call, tree, today()))


def export_cards(call: Call) -> Response:
    """A deck for Anki: a note for each question, with the right answers and why. Imported again, it
    changes what is there.
    """
    document = portable(call.owner, call.ids["roadmap_id"], with_learner=False)
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    deck = deck_of(document, tree.id, texts_for(call, tree))
    return _file(call, deck, tree.title, "apkg")


def _whole(call: Call) -> tuple[RoadmapTree, PortableRoadmap]:
    """Of one moment. Raises NotFound, Conflict."""
    with snapshot():
        document = portable(call.owner, call.ids["roadmap_id"], with_learner=True)
        return queries.roadmap_tree(call.owner, call.ids["roadmap_id"]), document


def _file(
    call: Call, content: bytes, title: str, ending: str, headers: Mapping[str, str] = BY_LANGUAGE
) -> Response:
    return conditional_response(
        call.request, Document(content), MEDIA_TYPES[ending], headers_of(title, ending, headers)
    )
