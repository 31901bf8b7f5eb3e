"""Roadmaps of all accounts: their search, and one with its ledger, timeline and last records."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from core.errors import Conflict, Invalid
from core.i18n import gettext_noop
from core.json_types import Page
from roadmap.accounts import transfer as transfer_
from roadmap.lifecycle.administration import admin_queries
from roadmap.lifecycle.commands import ENDED, UNDER_WAY
from roadmap.lifecycle.timeline.timeline import trace_of
from roadmap.operations import log_search
from roadmap.operations.audit_log import Action
from roadmap.operations.execution_log import LogLevel
from roadmap.operations.search_filters import LogFilter, RoadmapSearch
from roadmap.plan.statuses import RoadmapStatus
from tasks.dispatcher import send_after_commit
from web.endpoints.endpoint import actor_of
from web.operations.search_filters import SearchQuery
from web.pages.admin.layout import act_page, address, admin_page, observe_page
from web.pages.forms import TypedQuery, filled, see_other
from web.pages.page_route import PageCall
from web.pages.templates import texts_of
from web.pages.timeline_view import TraceQuery, timeline_context

ADMIN_ROADMAP = "/admin/roadmaps/{roadmap_id}"

ON_A_PAGE = 50
LAST_RECORDS = 20
LEVELS = ",".join(level for level in LogLevel if level is not LogLevel.debug)  # of these
FILTERS = tuple(name for name in SearchQuery.model_fields if name not in ("cursor", "limit"))
DAYS = ("since", "until")
SEARCH_TOO_SLOW = gettext_noop(
    "The search took too long. Narrow it by owner, status or time, or search for whole words."
)
NEW_OWNER_CANNOT_LOG_IN = gettext_noop(
    "That account cannot log in, so the roadmaps would be unreachable. Choose another one."
)
CHOICES = {  # of statuses
    "": gettext_noop("All"),
    "queued,planning,building": gettext_noop("In progress"),
    "failed,partial": gettext_noop("Failed or partly ready"),
}
SUCCESS_MESSAGES = {
    "roadmap.cancel": gettext_noop("The roadmap is cancelled."),
    "roadmap.retry": gettext_noop("Missing parts are being retried."),
    "roadmaps.transfer": gettext_noop(
        "The roadmaps are transferred. This is the list of their new owner."
    ),
}
RULES = {
    "status": gettext_noop("Enter one or more statuses, separated by commas."),
    "owner": gettext_noop("Enter an email address or an account ID."),
    "new_owner": gettext_noop("Enter the email address or ID of another account."),
    "text": gettext_noop("Use at most 200 characters, in one line."),
    "error": gettext_noop("Use at most 200 characters, in one line."),
    "generator": gettext_noop("Use at most 100 characters, in one line."),
    "since": gettext_noop("Enter a date: year, month, day."),
    "until": gettext_noop("Enter a date: year, month, day."),
}


class RoadmapQuery(TraceQuery):
    """`did`: the last action, for a message."""

    did: str = ""


def roadmaps_page(call: PageCall[TypedQuery]) -> Response:
    given = call.query.texts(*FILTERS, "cursor")
    moments = {}
    for later, name in enumerate(DAYS):  # from the beginning of a day, or to its end
        with suppress(ValueError):
            day = min(date.fromisoformat(given.get(name, "")), date(9000, 1, 1))
            moments[name] = f"{day + timedelta(days=later)}T00:00:00Z"
    try:
        query = filled(SearchQuery, {**given, **moments, "limit": ON_A_PAGE})
        found = admin_queries.search(query, before=query.cursor, limit=ON_A_PAGE)
    except Invalid as error:
        return _list_page(call, given, Page(items=[], next_cursor=None), error)
    return _list_page(call, given, found)


def roadmap_page(call: PageCall[RoadmapQuery], error: Conflict | None = None) -> Response:
    roadmap_id: UUID = call.ids["roadmap_id"]
    detail = admin_queries.detail(roadmap_id)
    logs = f"/admin/logs?roadmap_id={roadmap_id}"
    trace = trace_of(detail.owner.id, roadmap_id, with_trash=True)
    words = texts_of(call.request)
    has_ended = detail.status in ENDED and detail.status != RoadmapStatus.ready
    return admin_page(
        call,
        "admin/roadmap.html",
        error,
        message=words.gettext(SUCCESS_MESSAGES[call.query.did])
        if call.query.did in SUCCESS_MESSAGES
        else "",
        roadmap=detail,
        may_cancel=detail.status in UNDER_WAY and detail.trashed_at is None,
        may_retry=has_ended and detail.trashed_at is None,
        records=log_search.search(
            LogFilter(roadmap_id=roadmap_id, level=LEVELS), limit=LAST_RECORDS
        ).items,
        logs=logs,
        trace=trace,
        **timeline_context(
            call.request,
            call.query,
            trace.spans,
            lambda concept_id: f"{logs}&concept_id={concept_id}",
        ),
    )


def transfer(call: PageCall[TypedQuery]) -> Response:
    """Transfer all roadmaps and list those of the new owner, or the error above the old list."""
    given = {"owner": call.body.text("owner"), "new_owner": call.body.text("new_owner")}
    try:
        request = filled(transfer_.TransferRequest, given)
        made = transfer_.transfer(request.owner, request.new_owner, actor_of(call))
    except (Invalid, Conflict) as error:
        found = admin_queries.search(
            RoadmapSearch.model_construct(owner=given["owner"]), before=None, limit=ON_A_PAGE
        )
        return _list_page(call, given, found, error)
    return see_other(
        address("/admin/roadmaps", owner=made.new_owner.email, did="roadmaps.transfer")
    )


def _run_command(call: PageCall[RoadmapQuery], *, action: Action) -> Response:
    """Run a command and go back to the roadmap, with a message or the error."""
    try:
        made = admin_queries.decide(actor_of(call), action, call.ids["roadmap_id"])
    except Conflict as error:
        return roadmap_page(call, error)
    send_after_commit(made.steps)
    return see_other(address(f"/admin/roadmaps/{call.ids['roadmap_id']}", did=action))


cancel = partial(_run_command, action=Action.roadmap_cancel)
retry = partial(_run_command, action=Action.roadmap_retry)


def _list_page(
    call: PageCall[TypedQuery],
    given: Mapping[str, str],
    found: Page[admin_queries.AdminRoadmap],
    error: Invalid | Conflict | None = None,
) -> Response:
    words, did = texts_of(call.request), call.query.did
    invalid_fields = (
        {field.pointer.strip("/").split("/")[0] for field in error.fields} if error else set()
    )
    filters = {name: value for name, value in given.items() if name not in ("cursor", "new_owner")}
    following = urlencode({**filters, "cursor": found.next_cursor}) if found.next_cursor else ""
    values = {name: filters.get(name, "") for name in FILTERS}
    for name in DAYS:  # browsers show only a day in such a field
        day = re.match(r"\d{4}-\d{2}-\d{2}", values[name])
        values[name] = day[0] if day else ""
    instead = NEW_OWNER_CANNOT_LOG_IN if isinstance(error, transfer_.NewOwnerCannotLogIn) else ""
    if error and error.detail == admin_queries.SLOW:
        instead = SEARCH_TOO_SLOW
    return admin_page(
        call,
        "admin/roadmaps.html",
        error,
        instead=instead,
        found=found,
        filters=values,
        is_filtered=bool(filters),
        first=urlencode(filters),
        is_first="cursor" not in given,
        following=following,
        choices={key: words.gettext(text) for key, text in CHOICES.items()},
        statuses=list(RoadmapStatus),
        errors={
            name: words.gettext(rule) for name, rule in RULES.items() if name in invalid_fields
        },
        message=words.gettext(SUCCESS_MESSAGES[did]) if did in SUCCESS_MESSAGES else "",
        new_owner=given.get("new_owner"),
    )


PAGES = (
    observe_page("/admin/roadmaps", roadmaps_page),
    observe_page(ADMIN_ROADMAP, roadmap_page),
    act_page("POST", ADMIN_ROADMAP + "/cancel", cancel),
    act_page("POST", ADMIN_ROADMAP + "/retry", retry),
    act_page("POST", "/admin/transfers", transfer, confirms=True),
)
