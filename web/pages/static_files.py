"""Static files of pages: style sheets, a script, an icon; small, so they are kept in memory."""

import gzip
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
MAP_SCRIPT = "map.js"  # only on the page of a roadmap
SCRIPT = "script.js"  # made of these, in this order: htmx starts after its extension
SCRIPTS = ("htmx.min.js", "hx-sse.min.js", "page.js")
ICON = "icon.svg"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
A_YEAR = 365 * 24 * 3600  # seconds


def address(name: str) -> str:
    """Return the URL of a file, which changes with its content so that browsers may keep it."""
    return f"/static/{name}?v={_version(files()[name][2])}"


@cache
def files() -> dict[str, tuple[bytes, bytes, str]]:
    """Return the content, the compressed content and the tag of each file."""
    sheets = [(FOLDER / name).read_text("utf-8") for name in SHEETS]
    scripts = [(FOLDER / name).read_text("utf-8") for name in SCRIPTS]
    contents = {
        SHEET: "\n".join([*sheets, STYLE]).encode(),
        OPERATOR_SHEET: (FOLDER / OPERATOR_SHEET).read_bytes(),
        SCRIPT: ";\n".join(scripts).encode(),
        MAP_SCRIPT: (FOLDER / MAP_SCRIPT).read_bytes(),
        ICON: (FOLDER / ICON).read_bytes(),
    }
    return {
        name: (content, gzip.compress(content, 9, mtime=0), etag(content))
        for name, content in contents.items()
    }


async def serve(call: Call) -> Response:
    name, request = call.ids["file"], call.request
    if name not in files():
        raise NotFound("This file does not exist.")
    content, compressed, tag = files()[name]
    is_named = request.query_params.get("v") == _version(tag)
    is_packed = takes_gzip(request)
    headers = {
        "ETag": compressed_tag(tag) if is_packed else tag,
        "Cache-Control": f"public, max-age={A_YEAR}, immutable" if is_named else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if is_not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        content, headers["Content-Encoding"] = compressed, "gzip"
    return Response(content, headers=headers, media_type=MEDIA_TYPES[Path(name).suffix])


def _version(tag: str) -> str:
    return tag.strip('"')[:12]
