"""Static files of pages: style sheets, scripts, icons; small, so they are kept in memory.

What runs the code of lessons is large, and is there only after `make run-code`.
"""

from functools import cache
from pathlib import Path

from roadmap.exchange.map.style import STYLE
from web.http.responses import Document, etag

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
BROUGHT = FOLDER.parent / "run"
WORKER = FOLDER / "worker.js"


def address(name: str) -> str:
    """Return the URL of a file, which changes with its content so that browsers may keep it."""
    return f"/static/{name}?v={version_of(files()[name].tag)}"


@cache
def files() -> dict[str, Document]:
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
    return {name: Document(content) for name, content in contents.items()}


@cache
def run_folder() -> str:
    """Return the folder of URLs of what runs the code of lessons, empty without `make run-code`."""
    version = BROUGHT / "version"
    if not version.exists():
        return ""
    return f"/static/run/{version_of(etag(version.read_bytes() + WORKER.read_bytes()))}/"


def version_of(tag: str) -> str:
    """Return the version of a file, as its URL has it."""
    return tag.strip('"')[:12]
