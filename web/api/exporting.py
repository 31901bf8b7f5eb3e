"""A roadmap to take along."""

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.text import one_line
from core.texts import negotiated, texts
from roadmap import reading
from roadmap.picture.drawing import exported
from roadmap.picture.shapes import Direction
from roadmap.picture.style import STYLE_SOURCE
from web.answering import Document, represented
from web.endpoint import Call

# Of a file that is opened by itself: its own style sheet, and nothing else.
POLICY = f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"


class PictureQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    layout: Direction = Field(Direction.columns, description="Stages beside each other, or below each other as for a phone.")


def export_picture(call: Call) -> Response:
    """SVG with its own style sheet, light and dark, with the words in the language of `Accept-Language`."""
    tree = reading.roadmap_tree(call.owner, call.ids["roadmap_id"])
    language = negotiated(call.request.headers.get("accept-language", ""))
    picture = Document(exported(tree, call.query.layout, texts(language)).encode())
    headers = {
        "Content-Language": language,
        "Vary": "Accept-Language",
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f"inline; filename=\"roadmap.svg\"; filename*=UTF-8''{_file_name(tree.title)}.svg",
    }
    return represented(call.request, picture, "image/svg+xml", headers)


def _file_name(title: str) -> str:
    kept = "".join(c if c.isalnum() or c in " -" else " " for c in one_line(title))
    return quote(" ".join(kept.split())[:80].strip() or "roadmap", safe="")
