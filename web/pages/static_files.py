"""Static files of pages: style sheets, scripts, icons; small, so they are kept in memory.

What runs the code of lessons is large, and is there only after `make run-code`.
"""

import gzip
from functools import cache
from pathlib import Path

from starlette.responses import FileResponse, Response

from core.errors import NotFound
from roadmap.exchange.map.style import STYLE
from web.endpoints.call import Call
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
    "review.js",  # only on the page of reviews
    "map.js",
    "run.js",  # only on lessons with code that can run
    "icon.svg",
    "icon-192.png",
    "icon-512.png",
    "manifest.webmanifest",
    "offline.js",
)
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".zip": "application/zip",
}
A_YEAR = 365 * 24 * 3600  # seconds
IMMUTABLE = f"public, max-age={A_YEAR}, immutable"
BROUGHT = FOLDER.parent / "run"
WORKER = FOLDER / "worker.js"
# The policy of the worker alone: it compiles WebAssembly, and reaches no network.
WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"


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
        "Cache-Control": IMMUTABLE if is_named else "no-cache",
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


@cache
def run_folder() -> str:
    """Return the folder of URLs of what runs the code of lessons, empty without `make run-code`."""
    version = BROUGHT / "version"
    if not version.exists():
        return ""
    return f"/static/run/{_version(etag(version.read_bytes() + WORKER.read_bytes()))}/"


async def serve_run(call: Call) -> Response:
    """Return a file of `run_folder`, from the disk."""
    name, request = call.ids["file"], call.request
    path = WORKER if name == WORKER.name else BROUGHT / name
    media_type = MEDIA_TYPES.get(path.suffix)
    if request.url.path != run_folder() + name or media_type is None or not path.is_file():
        raise NotFound("This file does not exist.")
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
    if path == WORKER:
        headers["Content-Security-Policy"] = WORKER_POLICY
    packed = path.with_name(f"{name}.gz")
    if packed.is_file() and takes_gzip(request):
        path, headers["Content-Encoding"] = packed, "gzip"
    return FileResponse(path, headers=headers, media_type=media_type)


def _version(tag: str) -> str:
    return tag.strip('"')[:12]
