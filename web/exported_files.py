"""Files of exported roadmaps: media types, names, headers, and the calendar."""

from collections.abc import Mapping
from datetime import datetime
from gettext import NullTranslations
from urllib.parse import quote

from starlette.responses import Response

from core import clock
from core.i18n import DEFAULT, negotiated, texts
from core.sanitize import one_line
from roadmap.exchange.formats.ics import calendar_of
from roadmap.exchange.map.style import STYLE_SOURCE
from roadmap.learning.schedule import schedule_of
from roadmap.plan.views import RoadmapTree
from web.call import Call
from web.http.host_and_csrf import own_address
from web.http.responses import Document, conditional_response

# A file that a browser opens by itself may use its own style sheet, and nothing else.
POLICY = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
MEDIA_TYPES = {
    "svg": "image/svg+xml",
    "json": "application/json",
    "md": "text/markdown",
    "zip": "application/zip",
    "ics": "text/calendar",
    "apkg": "application/apkg",
}
BY_LANGUAGE = {"Vary": "Accept-Language"}


def texts_for(call: Call, tree: RoadmapTree) -> NullTranslations:
    """Return the texts in the roadmap's language, or else in the reader's."""
    language = negotiated(tree.language)
    if language == DEFAULT and not tree.language.lower().startswith(DEFAULT):
        language = negotiated(call.request.headers.get("accept-language", ""))
    return texts(language)


def today() -> datetime:
    """Return the beginning of the day."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def calendar_file(call: Call, tree: RoadmapTree, day: datetime) -> Document:
    """Return the calendar, which is the same all day unless the roadmap changes."""
    calendar = calendar_of(
        tree,
        schedule_of(tree, day.date()),
        url=own_address(call.request),
        now=day,
        texts=texts_for(call, tree),
    )
    return Document(calendar, headers_of(tree.title, "ics", BY_LANGUAGE))


def send_calendar(call: Call, calendar: Document) -> Response:
    return conditional_response(call.request, calendar, MEDIA_TYPES["ics"], calendar.headers)


def headers_of(title: str, ending: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a file to keep, with a name from the title.

    The picture is shown in the browser, where no file may do anything.
    """
    kept = "".join(c if c.isalnum() or c in " -" else " " for c in one_line(title))
    name = quote(" ".join(kept.split())[:80].strip() or "roadmap", safe="")
    way = "inline" if ending == "svg" else "attachment"
    names = f"filename=\"roadmap.{ending}\"; filename*=UTF-8''{name}.{ending}"
    return {
        **headers,
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f"{way}; {names}",
    }
