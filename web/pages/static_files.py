"""Static files of pages: style sheets, a script, an icon; small, so they are kept in memory."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import Response

from core.errors import NotFound
from roadmap.exchange.map.style import STYLE
from web.call import Call
from web.http.responses import compressed_tag, etag, is_not_modified, takes_gzip

FOLDER = Path(__file__).parent.parent / "static"
SHEET = "style.css"  # made of these, and of that of the picture
SHEETS = ("page.css", "code.css")
OPERATOR_SHEET = "operator.css"  # only on operators' pages
SCRIPT = "script.js"  # made of these, in this order: htmx starts after its extension
SCRIPTS = ("htmx.min.js", "hx-sse.min.js", "page.js")
ICON = "icon.svg"
A_YEAR = 365 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    compressed: bytes
    media_type: str
    tag: str  # changes with the content

    @property
    def version(self) -> str:
        return self.tag.strip('"')[:12]


def address(name: str) -> str:
    """Return the URL of a file, which changes with its content so that browsers may keep it."""
    return f"/static/{name}?v={files()[name].version}"


@cache
def files() -> dict[str, File]:
    sheets = [(FOLDER / name).read_text("utf-8") for name in SHEETS]
    scripts = [(FOLDER / name).read_text("utf-8") for name in SCRIPTS]
    return {
        SHEET: _file("\n".join([*sheets, STYLE]).encode(), "text/css"),
        OPERATOR_SHEET: _file((FOLDER / OPERATOR_SHEET).read_bytes(), "text/css"),
        SCRIPT: _file(";\n".join(scripts).encode(), "text/javascript"),
        ICON: _file((FOLDER / ICON).read_bytes(), "image/svg+xml"),
    }


async def serve(call: Call) -> Response:
    file, request = files().get(call.ids["file"]), call.request
    if file is None:
        raise NotFound("There is no such file.")
    is_named = request.query_params.get("v") == file.version
    is_packed = takes_gzip(request)
    headers = {
        "ETag": compressed_tag(file.tag) if is_packed else file.tag,
        "Cache-Control": f"public, max-age={A_YEAR}, immutable" if is_named else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if is_not_modified(request, file.tag):
        return Response(status_code=304, headers=headers)
    content = file.content
    if is_packed:
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, headers=headers, media_type=file.media_type)


def _file(content: bytes, media_type: str) -> File:
    return File(content, gzip.compress(content, 9, mtime=0), media_type, etag(content))
