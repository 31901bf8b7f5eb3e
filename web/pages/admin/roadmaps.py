"""All roadmaps: searched, and one of them with its ledger, its timeline and what was logged last."""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from gettext import NullTranslations
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from core.errors import Conflict, Invalid
from core.i18n import gettext_noop, texts
from roadmap.lifecycle import admin_queries
from roadmap.lifecycle import transfer as transfer_
from roadmap.lifecycle.admin_queries import SLOW, OverseenList, RoadmapSearch
from roadmap.lifecycle.commands import ENDED, UNDER_WAY, CommandResult
from roadmap.lifecycle.timeline.timeline import trace_of
from roadmap.lifecycle.transfer import NoWayIn, TransferRequest
from roadmap.operations.audit_log import Actor
from roadmap.plan.statuses import RoadmapStatus
from web.audit_actor import actor_of
from web.call import Call
from web.http.problems import status_of
from web.job_sender import send
from web.pages import error_messages
from web.pages.admin.layout import address, room_page
from web.pages.forms import AnyQuery, Form, filled, see_other
from web.pages.plan import timeline
from web.pages.plan.timeline import TraceQuery
from web.pages.preferences import language_of
from web.search_filters import SearchQuery

ON_A_PAGE = 50
LAST_RECORDS = 20
DAYS = ("since", "until")
TOO_SLOW = gettext_noop(
    "This search takes too long. Narrow it: by owner, state or time, or look for whole words."
)
NO_WAY_IN = gettext_noop(
    "Nobody can log in as that account, so that the roadmaps would be lost there. Name another one."
)
CHOICES = {  # of statuses
    "": gettext_noop("All"),
    "queued,planning,building": gettext_noop("Under way"),
    "failed,partial": gettext_noop("Went wrong"),
}
DID = {
    "roadmap.cancel": gettext_noop("The roadmap is cancelled."),
    "roadmap.retry": gettext_noop("What is missing is tried again."),
    "roadmaps.transfer": gettext_noop(
        "The roadmaps are transferred. This is the list of their new owner."
    ),
}
RULES = {
    "status": gettext_noop("One or several states, separated by commas."),
    "owner": gettext_noop("An e-mail address or the id of an account."),
    "new_owner": gettext_noop("The e-mail address or the id of another account."),
    "text": gettext_noop("At most 200 characters, in one line."),
    "error": gettext_noop("At most 200 characters, in one line."),
    "generator": gettext_noop("At most 100 characters, in one line."),
    "since": gettext_noop("A day: year, month, day."),
    "until": gettext_noop("A day: year, month, day."),
}


class RoadmapsQuery(AnyQuery):
    """Texts as they were typed: what does not fit is told beside its field."""

    status: str = ""
    owner: str = ""
    text: str = ""
    error: str = ""
    generator: str = ""
    over_budget: str = ""
    since: str = ""
    until: str = ""
    cursor: str = ""
    did: str = ""  # what was done a moment ago


def show_roadmaps(call: Call) -> Response:
    query: RoadmapsQuery = call.query
    given = {
        name: value.strip()
        for name, value in query.model_dump(exclude={"did"}).items()
        if value.strip()
    }
    try:
        sought = filled(SearchQuery, {**given, **_days(given), "limit": ON_A_PAGE})
        found = admin_queries.search(
            RoadmapSearch(**sought.sought), before=sought.cursor, limit=ON_A_PAGE
        )
    except Invalid as error:
        return _list(call, given, OverseenList(items=[], next_cursor=None), error)
    return _list(call, given, found)


class RoadmapQuery(TraceQuery):
    """`did`: what was done a moment ago."""

    did: str = ""


def show_roadmap(call: Call) -> Response:
    return _one(call, call.query)


def cancel(call: Call) -> Response:
    return _decide(call, "roadmap.cancel", admin_queries.cancel)


def retry(call: Call) -> Response:
    return _decide(call, "roadmap.retry", admin_queries.retry)


def transfer(call: Call) -> Response:
    """Back to the list, of the new owner; what does not go is said above that of the old one."""
    form: Form = call.body
    given = {"owner": form.text("owner"), "new_owner": form.text("new_owner")}
    try:
        request = filled(TransferRequest, given)
        made = transfer_.transfer(request.owner, request.new_owner, actor_of(call))
    except (Invalid, Conflict) as error:
        found = admin_queries.search(
            RoadmapSearch(owner=given["owner"]), before=None, limit=ON_A_PAGE
        )
        return _list(call, given, found, error)
    return see_other(
        address("/admin/roadmaps", owner=made.new_owner.email, did="roadmaps.transfer")
    )


def _decide(call: Call, name: str, decide: Callable[[Actor, UUID], CommandResult]) -> Response:
    """Back to the roadmap, where it is said; and so is what is not possible any more."""
    try:
        send(decide(actor_of(call), call.ids["roadmap_id"]).steps)
    except Conflict as error:
        return _one(call, RoadmapQuery(), error)
    return see_other(address(f"/admin/roadmaps/{call.ids['roadmap_id']}", did=name))


def _days(given: Mapping[str, str]) -> dict[str, str]:
    """Days as moments: from its beginning, and to its end."""
    moments = {}
    for later, name in enumerate(DAYS):
        try:
            day = date.fromisoformat(given.get(name, ""))
        except ValueError:
            continue
        moments[name] = f"{min(day, date(9000, 1, 1)) + timedelta(days=later)}T00:00:00Z"
    return moments


def _list(
    call: Call,
    given: Mapping[str, str],
    found: OverseenList,
    error: Invalid | Conflict | None = None,
) -> Response:
    words, did = texts(language_of(call.request)), getattr(call.query, "did", "")
    wrong = {field.pointer.strip("/").split("/")[0] for field in error.fields} if error else set()
    filters = {name: value for name, value in given.items() if name not in ("cursor", "new_owner")}
    following = urlencode({**filters, "cursor": found.next_cursor}) if found.next_cursor else ""
    return room_page(
        call,
        "operator/roadmaps.html",
        status=status_of(error) if error else 200,
        found=found,
        filters={name: _shown(name, filters.get(name, "")) for name in RoadmapsQuery.model_fields},
        is_filtered=bool(filters),
        first=urlencode(filters),
        is_first="cursor" not in given,
        following=following,
        choices={key: words.gettext(text) for key, text in CHOICES.items()},
        statuses=list(RoadmapStatus),
        errors={name: words.gettext(RULES[name]) for name in wrong & RULES.keys()},
        problem=_said(words, error) if error else "",
        said=words.gettext(DID[did]) if did in DID else "",
        new_owner=given.get("new_owner"),
    )


def _said(words: NullTranslations, error: Invalid | Conflict) -> str:
    if isinstance(error, NoWayIn):
        return words.gettext(NO_WAY_IN)
    return words.gettext(TOO_SLOW) if error.detail == SLOW else error_messages.said(words, error)


def _shown(name: str, value: str) -> str:
    """In the form: browsers show no day that is none."""
    if name not in DAYS:
        return value
    day = re.match(r"\d{4}-\d{2}-\d{2}", value)
    return day[0] if day else ""


def _one(call: Call, query: RoadmapQuery, error: Conflict | None = None) -> Response:
    roadmap_id: UUID = call.ids["roadmap_id"]
    detail = admin_queries.detail(roadmap_id)
    logs = f"/admin/logs?roadmap_id={roadmap_id}"
    told = trace_of(detail.owner.id, roadmap_id, with_trash=True)
    words = texts(language_of(call.request))
    return room_page(
        call,
        "operator/roadmap.html",
        status=status_of(error) if error else 200,
        problem=error_messages.said(words, error) if error else "",
        said=words.gettext(DID[query.did]) if query.did in DID else "",
        roadmap=detail,
        may_cancel=detail.status in UNDER_WAY and detail.trashed_at is None,
        may_retry=detail.status in ENDED
        and detail.status != RoadmapStatus.ready
        and detail.trashed_at is None,
        records=admin_queries.last_records(roadmap_id, LAST_RECORDS),
        logs=logs,
        **timeline.drawn(
            call.request, query, told, lambda concept_id: f"{logs}&concept_id={concept_id}"
        ),
    )
