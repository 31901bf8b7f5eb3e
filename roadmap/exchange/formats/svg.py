"""Map of a roadmap as an SVG file."""

from pydantic import BaseModel, ConfigDict, Field

from core.i18n import texts
from roadmap.exchange.formats.source import Source
from roadmap.exchange.map.drawing import exported
from roadmap.exchange.map.shapes import Direction


class PictureQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    layout: Direction = Field(
        Direction.columns,
        description="Stages beside each other, or below each other as for a phone.",
    )


def render(source: Source) -> bytes:
    return exported(source.tree, source.query.layout, texts(source.reader_language)).encode()
