"""The pages of the execution log and of the audit log: filters in the URL, the newest first."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from core import clock
from core.errors import Invalid
from core.i18n import gettext_noop
from core.json_types import Page
from roadmap.operations import audit_log, log_search
from roadmap.operations.search_filters import LogFilter
from web.operations.search_filters import LogSearchQuery
from web.pages.admin.labels import ACTIONS, OUTCOMES
from web.pages.admin.layout import address, admin_page, observe_page
from web.pages.forms import AnyQuery, TypedQuery, filled
from web.pages.labels import LOG_LEVELS
from web.pages.page_route import PageCall
from web.pages.templates import texts_of

SHOWN = 50  # entries of the audit log
RANGES = {
    "1h": (timedelta(hours=1), gettext_noop("the last hour")),
    "24h": (timedelta(days=1), gettext_noop("the last 24 hours")),
    "7d": (timedelta(days=7), gettext_noop("the last 7 days")),
    "30d": (timedelta(days=30), gettext_noop("the last 30 days")),
}
CHOICES = {
    "warning,error": gettext_noop("Errors and warnings"),
    "info,warning,error": gettext_noop("All except debug"),
}
# Those of the API, as texts of a form; `last`: a time range, in place of `since`.
FILTERS = (*LogFilter.model_fields, "last")
TOO_SLOW = gettext_noop("The search took too long. Narrow it by time, roadmap or request.")
# A time that a date-time field can show; another text is in a text field.
LOCAL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?")


class AuditPageQuery(AnyQuery):
    """`cursor`: only entries older than this one."""

    action: str = ""
    outcome: str = ""
    cursor: UUID | None = None


def logs_page(call: PageCall[TypedQuery]) -> Response:
    given = call.query.texts(*FILTERS, "cursor")
    words = texts_of(call.request)
    exported, refused = None, None
    try:
        query = filled(LogSearchQuery, _api_filters(given))
        log = log_search.search(query, before=query.cursor)
        same = query.model_dump(mode="json", exclude_defaults=True, exclude={"cursor", "limit"})
        exported = urlencode(same)
    except Invalid as error:
        log = Page(items=[], next_cursor=None)
        refused = (
            Invalid(log_search.SLOW) if error.detail == log_search.SLOW else error
        )  # of no single field
    values = {name: given.get(name, "") for name in FILTERS}
    kept = {name: text for name, text in values.items() if text}
    return admin_page(
        call,
        "admin/logs.html",
        refused,
        instead=TOO_SLOW if refused and refused.detail == log_search.SLOW else "",
        log=log,
        values=values,
        exported=exported,
        following=urlencode({**kept, "cursor": log.next_cursor}) if log.next_cursor else "",
        newest=urlencode(kept),
        is_first="cursor" not in given,
        names={level.value: words.gettext(name) for level, name in LOG_LEVELS.items()},
        types={
            name: "datetime-local" if LOCAL.fullmatch(values[name]) else "text"
            for name in ("since", "until")
        },
        levels={**LOG_LEVELS, **CHOICES},
        ranges={name: text for name, (_, text) in RANGES.items()},
    )


def audit_log_page(call: PageCall[AuditPageQuery]) -> Response:
    query = call.query
    outcome = (
        audit_log.AuditOutcome(query.outcome)
        if query.outcome in list(audit_log.AuditOutcome)
        else None
    )
    action = query.action if query.action in ACTIONS else ""
    log = audit_log.entries(limit=SHOWN, before=query.cursor, action=action, outcome=outcome)
    kept = {"action": action, "outcome": outcome or ""}
    return admin_page(
        call,
        "admin/audit.html",
        log=log,
        action=action,
        outcome=outcome,
        actions=ACTIONS,
        outcomes=OUTCOMES,
        older=address("/admin/audit", **kept, cursor=log.next_cursor) if log.next_cursor else "",
        newest=address("/admin/audit", **kept) if query.cursor else "",
    )


def _api_filters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filters for the API. Times without a zone are in UTC, as all of this page."""
    filters = {name: text for name, text in given.items() if name != "last"}
    for name in filters.keys() & {"since", "until"}:
        with suppress(ValueError):
            if datetime.fromisoformat(filters[name]).tzinfo is None:
                filters[name] += "Z"
    if given.get("last") in RANGES and "since" not in filters:
        filters["since"] = (clock.now() - RANGES[given["last"]][0]).isoformat(timespec="seconds")
    return filters


PAGES = (
    observe_page("/admin/logs", logs_page),
    observe_page("/admin/audit", audit_log_page),
)
