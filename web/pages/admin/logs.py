"""The execution log as operators read it: filters in the address, the newest first."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from core import clock
from core.errors import Invalid
from core.i18n import gettext_noop, texts
from core.json_types import Page
from roadmap.operations import log_search
from roadmap.operations.execution_log import LogLevel
from roadmap.operations.log_search import SLOW, LogEntry
from web.call import Call
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.admin.layout import room_page
from web.pages.forms import AnyQuery, filled
from web.pages.preferences import language_of
from web.search_filters import LogsQuery as Asked

FILTERS = (
    "text",
    "level",
    "category",
    "step",
    "last",
    "since",
    "until",
    "roadmap_id",
    "concept_id",
    "trace_id",
)
RANGES = {
    "1h": (timedelta(hours=1), gettext_noop("the last hour")),
    "24h": (timedelta(days=1), gettext_noop("the last 24 hours")),
    "7d": (timedelta(days=7), gettext_noop("the last 7 days")),
    "30d": (timedelta(days=30), gettext_noop("the last 30 days")),
}
LEVELS = {
    LogLevel.debug: gettext_noop("Debug"),
    LogLevel.info: gettext_noop("Info"),
    LogLevel.warning: gettext_noop("Warning"),
    LogLevel.error: gettext_noop("Error"),
}
CHOICES = {"error": gettext_noop("errors"), "warning,error": gettext_noop("errors and warnings")}
CHOICES |= {"info,warning,error": gettext_noop("all but debug")}
TOO_SLOW = gettext_noop(
    "This search takes too long. Narrow it: by a range of time, a roadmap or a request."
)
LOCAL = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?"
)  # what a field for a moment can show; another text is shown as text


class LogPageQuery(AnyQuery):
    """The filters of the API as a form gives them: texts. `last`: a range of time up to now, in place of `since`."""

    text: str = ""
    level: str = ""
    category: str = ""
    step: str = ""
    last: str = ""
    since: str = ""
    until: str = ""
    roadmap_id: str = ""
    concept_id: str = ""
    trace_id: str = ""
    cursor: str = ""


def show(call: Call) -> Response:
    given = {name: text.strip() for name, text in call.query.model_dump().items() if text.strip()}
    words = texts(language_of(call.request))
    try:
        asked = filled(Asked, _meant(given))
        log = log_search.search(asked.wanted, before=asked.cursor)
    except Invalid as error:
        problem = (
            words.gettext(TOO_SLOW) if error.detail == SLOW else error_messages.said(words, error)
        )
        errors = {} if error.detail == SLOW else error_messages.of_fields(words, error.fields)
        return _page(
            call,
            given,
            Page(items=[], next_cursor=None),
            status=status_of(error),
            problem=problem,
            errors=errors,
        )
    exported = urlencode(
        asked.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "limit"})
    )
    return _page(call, given, log, exported=exported)


def _page(
    call: Call,
    given: Mapping[str, str],
    log: Page[LogEntry],
    *,
    status: int = 200,
    problem: str = "",
    errors: Mapping[str, str] | None = None,
    exported: str | None = None,
) -> Response:
    """`exported`: the query of the same records as a file; None where there are none."""
    words = texts(language_of(call.request))
    values = {name: given.get(name, "") for name in FILTERS}
    kept = {name: text for name, text in values.items() if text}
    following = urlencode({**kept, "cursor": log.next_cursor}) if log.next_cursor else ""
    told: dict[str, Any] = {
        **{"log": log, "values": values, "problem": problem, "errors": errors or {}},
        **{
            "exported": exported,
            "following": following,
            "newest": urlencode(kept),
            "is_first": "cursor" not in given,
        },
        "names": {level.value: words.gettext(name) for level, name in LEVELS.items()},
        "types": {
            name: "datetime-local" if LOCAL.fullmatch(values[name]) else "text"
            for name in ("since", "until")
        },
        "levels": {**LEVELS, **CHOICES},
        "ranges": {name: text for name, (_, text) in RANGES.items()},
    }
    return room_page(call, "operator/logs.html", status=status, **told)


def _meant(given: Mapping[str, str]) -> dict[str, str]:
    """As the API is asked. A field for a moment has no zone: it is UTC, like all times of this page. Raises Invalid."""
    meant = {name: text for name, text in given.items() if name != "last"}
    for name in ("since", "until"):
        if name in meant and _is_without_zone(meant[name]):
            meant[name] += "Z"
    if given.get("last") in RANGES and "since" not in meant:
        meant["since"] = (clock.now() - RANGES[given["last"]][0]).isoformat(timespec="seconds")
    return meant


def _is_without_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False
