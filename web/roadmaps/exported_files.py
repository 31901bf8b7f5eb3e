"""Files of exported roadmaps: contents, names and headers."""

from urllib.parse import quote

from core.sanitize import one_line
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.formats.registry import ExportFormat, resolve
from roadmap.exchange.map.style import STYLE_SOURCE
from web.http.responses import Document

# A file that a browser opens by itself may use its own style sheet, and nothing else.
POLICY = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


def file_of(file_format: ExportFormat, source: Source) -> Document:
    """Return a file to keep, with a name from the title. Raises NotFound, Conflict.

    The picture is shown in the browser, where no file may do anything.
    """
    content = resolve(file_format.render)(source)
    kept = "".join(c if c.isalnum() or c in " -" else " " for c in one_line(source.tree.title))
    name = quote(" ".join(kept.split())[:80].strip() or "roadmap", safe="")
    way = "inline" if file_format.is_inline else "attachment"
    suffix = file_format.suffix
    names = f"filename=\"roadmap.{suffix}\"; filename*=UTF-8''{name}.{suffix}"
    headers = {"Content-Security-Policy": POLICY, "Content-Disposition": f"{way}; {names}"}
    if file_format.language:
        headers["Vary"] = "Accept-Language"
    if file_format.language == "reader":
        headers["Content-Language"] = source.reader_language
    return Document(content, headers)
