"""Map of a roadmap as an SVG file."""

from pydantic import Field

from core.i18n import texts
from core.json_types import LazyModel
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.map.drawing import exported
from roadmap.exchange.map.layout import Direction


class PictureQuery(LazyModel, extra="forbid"):
    layout: Direction = Field(
        Direction.columns,
        description="Layout: stages side by side, or below each other for narrow screens.",
    )


def render(source: Source) -> bytes:
    return exported(source.tree, source.query.layout, texts(source.reader_language)).encode()
