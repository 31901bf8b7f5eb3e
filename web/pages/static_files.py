"""What pages need beside themselves: two style sheets, a script, an icon. Few and small, so they are kept in memory."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from core.errors import NotFound
from roadmap.exchange.map.style import STYLE
from web.call import Call
from web.http.responses import compressed_tag, etag, is_not_modified, takes_gzip

FOLDER = Path(__file__).parent.parent / "static"
SHEET = "style.css"  # made of these, and of that of the picture
SHEETS = ("page.css", "code.css")
OPERATOR_SHEET = "operator.css"  # only in the operator's room
SCRIPT = (
    "script.js"  # made of these, in this order: htmx must not begin before its extension is there
)
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
    """Where it is; another one when its content is another, so that browsers may keep it."""
    return f"/static/{name}?v={files()[name].version}"


@cache
def files() -> dict[str, File]:
    return dict(_files())


async def serve(call: Call) -> Response:
    file = files().get(call.ids["file"])
    if file is None:
        raise NotFound("There is no such file.")
    return _answer(call.request, file)


def _answer(request: Request, file: File) -> Response:
    is_named = request.query_params.get("v") == file.version
    caching = f"public, max-age={A_YEAR}, immutable" if is_named else "no-cache"
    is_packed = takes_gzip(request)
    tag = compressed_tag(file.tag) if is_packed else file.tag
    headers = {"ETag": tag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if is_not_modified(request, file.tag):
        return Response(status_code=304, headers=headers)
    content = file.content
    if is_packed:
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, headers=headers, media_type=file.media_type)


def _files() -> Iterator[tuple[str, File]]:
    sheets = [(FOLDER / name).read_text("utf-8") for name in SHEETS]
    yield SHEET, _file("\n".join([*sheets, STYLE]).encode(), "text/css")
    yield OPERATOR_SHEET, _file((FOLDER / OPERATOR_SHEET).read_bytes(), "text/css")
    scripts = [(FOLDER / name).read_text("utf-8") for name in SCRIPTS]
    yield SCRIPT, _file(";\n".join(scripts).encode(), "text/javascript")
    yield ICON, _file((FOLDER / ICON).read_bytes(), "image/svg+xml")


def _file(content: bytes, media_type: str) -> File:
    return File(content, gzip.compress(content, 9, mtime=0), media_type, etag(content))
