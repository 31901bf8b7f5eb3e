"""Static files of pages: style sheets, scripts, icons; small, so they are kept in memory."""

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
SCRIPT = "script.js"  # made of these, in this order: htmx starts after its extension
SCRIPTS = ("htmx.min.js", "hx-sse.min.js", "page.js")
LESSON_SCRIPT, LESSON_SCRIPTS = "lesson.js", ("copy.js", "quiz.js")  # only in lessons
# As they are. The last one is a service worker, which sees all pages.
FILES = (
    OPERATOR_SHEET,
    "icon.svg",
    "icon-192.png",
    "icon-512.png",
    "manifest.webmanifest",
    "offline.js",
)
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
A_YEAR = 365 * 24 * 3600  # seconds


def address(name: str) -> str:
    """Return the URL of a file, which changes with its content so that browsers may keep it."""
    return f"/static/{name}?v={_version(files()[name][2])}"


@cache
def files() -> dict[str, tuple[bytes, bytes, str]]:
    """Return the content, the compressed content and the tag of each file."""
    sheets = [(FOLDER / name).read_text("utf-8") for name in SHEETS]
    scripts = {SCRIPT: SCRIPTS, LESSON_SCRIPT: LESSON_SCRIPTS}
    contents = {
        SHEET: "\n".join([*sheets, STYLE]).encode(),
        **{
            name: b";\n".join((FOLDER / part).read_bytes() for part in parts)
            for name, parts in scripts.items()
        },
        **{name: (FOLDER / name).read_bytes() for name in FILES},
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
        # Of the service worker, which asks for what it keeps.
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
        "Service-Worker-Allowed": "/",
    }
    if is_not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        content, headers["Content-Encoding"] = compressed, "gzip"
    return Response(content, headers=headers, media_type=MEDIA_TYPES[Path(name).suffix])


def _version(tag: str) -> str:
    return tag.strip('"')[:12]
