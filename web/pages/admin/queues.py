"""A queue's own page: its messages by state, and what can be done about them, each time after a page that asks."""

from functools import partial
from typing import Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound, RoadmapError, Unavailable
from core.i18n import gettext_noop, texts
from roadmap.operations.audit_log import Action
from tasks import queue_admin
from tasks.message_browser import LONGEST_SEARCH, MessageInfo, MessageState
from tasks.queue_actions import DeadLettersRequest, act_on, act_on_dead
from tasks.queue_admin import MOST_SKIPPED, QueueState
from web.audit_actor import actor_of
from web.call import Call, Handler
from web.http.problems import status_of
from web.pages import error_messages
from web.pages.admin.actions import ACTS, consequences, success_message
from web.pages.admin.formatters import STATES
from web.pages.admin.layout import address, room_page
from web.pages.forms import AnyQuery, filled, is_part, see_other
from web.pages.preferences import language_of
from web.search_filters import EARLIEST

SHOWN = 50  # messages of a page
EVERY, SLOWLY = (
    "2s",
    "10s",
)  # after which a page is asked for again: up to 10,000 messages may be read for it each time
QUICKLY_READ = 1000  # messages
TOO_LONG = gettext_noop("Search for at most 200 characters.")
NOT_THERE = gettext_noop(
    "This message is not there any more: it was run, or somebody else has dealt with it."
)
REFUSALS = (Conflict, Invalid, NotFound, Unavailable)


class QueueQuery(AnyQuery):
    """`state`: of which messages. `search`: with what in them. `after`: how many are passed over. `arguments`: yes, to show
    them. `live`: off, to keep the page as it is. `did`, `count`: what was done a moment ago.
    """

    state: MessageState = MessageState.held
    search: str = ""
    after: int = Field(0, ge=0, le=MOST_SKIPPED)
    arguments: str = ""
    live: str = ""
    did: str = ""
    count: int = 0


class ActQuery(AnyQuery):
    """Where one comes from: `state` and `search` of the list, or the overview."""

    state: str = ""
    search: str = ""
    back: str = ""


class SeenLetters(DeadLettersRequest):
    """Those that were there when it was asked: what came while somebody was thinking is not theirs to delete."""

    up_to: AwareDatetime


def show(call: Call) -> Response:
    query: QueueQuery = call.query
    words = texts(language_of(call.request))
    search = query.search.strip()
    is_too_long = len(search) > LONGEST_SEARCH
    queue = queue_admin.queue_state(call.ids["queue"])
    found = None
    if not is_too_long:
        found = queue_admin.messages(
            queue.name, query.state, search=search, limit=SHOWN, offset=query.after
        )
    kept = {
        "state": query.state,
        "search": search[:LONGEST_SEARCH],
        "arguments": query.arguments,
        "live": query.live,
    }
    at = {"after": query.after or "", **kept}
    path = f"/admin/queues/{queue.name}"
    context: dict[str, Any] = {
        **{
            "queue": queue,
            "found": found,
            "state": query.state,
            "search": search,
            "path": path,
            "after": query.after,
        },
        **{
            "tabs": _tabs(path, queue, query),
            "with_arguments": query.arguments == "yes",
            "is_live": query.live != "off",
        },
        **{"here_again": address(path, **at), "back": _from(query.state, search[:LONGEST_SEARCH])},
        "pace": SLOWLY if found and found.looked_at > QUICKLY_READ else EVERY,
        "switch": address(path, **{**at, "live": "" if query.live == "off" else "off"}),
        "other_arguments": address(
            path, **{**at, "arguments": "" if query.arguments == "yes" else "yes"}
        ),
        "older": address(path, **kept, after=query.after + SHOWN) if found and found.more else "",
        "newer": address(path, **kept, after=max(query.after - SHOWN, 0) or "")
        if query.after
        else "",
    }
    if is_part(call.request):
        return room_page(call, "operator/queue_live.html", **context)
    said = success_message(words, query.did, queue.name, query.count)
    problem = words.gettext(TOO_LONG) if is_too_long else ""
    return room_page(
        call,
        "operator/queue.html",
        status=422 if problem else 200,
        said=said,
        problem=problem,
        **context,
    )


def ask(name: str) -> Handler:
    """Return the page that says what an act will do, and lets one do it or go back."""
    return partial(_ask, name=name)


def do(name: str) -> Handler:
    """Return the handler of its button."""
    return partial(_do, name=name)


def _ask(call: Call, name: str) -> Response:
    query: ActQuery = call.query
    return _asked(
        call, name, state=query.state, search=query.search[:LONGEST_SEARCH], back=query.back
    )


def _do(call: Call, name: str) -> Response:
    """Act and go back, or show on the same page why it cannot be done."""
    form, queue, action = call.body, call.ids["queue"], Action(name)
    state, search, back = form.text("state"), form.text("search"), form.text("back")
    count: int | str = ""
    try:
        if _is_many(name):
            seen = {"search": search or None, "up_to": form.text("up_to")}
            count = act_on_dead(actor_of(call), action, queue, filled(SeenLetters, seen))
        elif "message" in call.ids:
            act_on(actor_of(call), action, queue, call.ids["message"])
        else:
            act_on(actor_of(call), action, queue)
    except REFUSALS as error:
        return _asked(
            call, name, state=state, search=search[:LONGEST_SEARCH], back=back, error=error
        )
    path = "/admin" if back == "overview" else f"/admin/queues/{queue}"
    kept = _list(state, search)
    return see_other(address(path, **kept, did=name, count=count, queue=queue if back else ""))


def _asked(
    call: Call, name: str, *, state: str, search: str, back: str, error: RoadmapError | None = None
) -> Response:
    words = texts(language_of(call.request))
    queue, act = queue_admin.queue_state(call.ids["queue"]), ACTS[name]
    letters = queue_admin.found_dead(queue.name, search or None) if _is_many(name) else []
    count = len(letters) if _is_many(name) else 1
    up_to = (
        {"up_to": max((at for _, at in letters), default=EARLIEST).isoformat()}
        if _is_many(name)
        else {}
    )
    message = _message(queue, state, call.ids["message"]) if "message" in call.ids else None
    path = (
        "/admin"
        if back == "overview"
        else address(f"/admin/queues/{queue.name}", **_list(state, search))
    )
    values = {"queue": queue.name, "count": count}
    return room_page(
        call,
        "operator/confirm.html",
        status=status_of(error) if error else 200,
        problem=_said(words, error) if error else "",
        asked=words.gettext(act.asked) % values,
        button=words.gettext(act.button) % values,
        will=consequences(words, name, queue.name, count),
        queue=queue,
        message=message,
        message_id=call.ids.get("message", ""),
        kept={"state": state, "search": search, "back": back, **up_to},
        is_final=name.endswith(".delete"),
        path=path,
    )


def _said(words: Any, error: RoadmapError) -> str:
    if isinstance(error, NotFound):
        return str(words.gettext(NOT_THERE))
    return error_messages.said(words, error)


def _is_many(name: str) -> bool:
    return name.startswith("dead.")


def _message(queue: QueueState, state: str, message_id: str) -> MessageInfo | None:
    """As far as it is found where one has seen it; others may speak of its id."""
    if state not in list(MessageState):
        return None
    found = queue_admin.messages(
        queue.name, MessageState(state), search=message_id, limit=SHOWN
    ).items
    return next((message for message in found if message.id == message_id), None)


def _list(state: str, search: str) -> dict[str, str]:
    return {
        "state": state if state in list(MessageState) else "",
        "search": search[:LONGEST_SEARCH],
    }


def _from(state: MessageState, search: str) -> str:
    """What a link to a page that asks brings along."""
    return address("", state=state, search=search)


def _tabs(
    path: str, queue: QueueState, query: QueueQuery
) -> list[tuple[MessageState, str, int | None]]:
    """Each with where it is and how many there are."""
    kept = {
        "search": query.search.strip()[:LONGEST_SEARCH],
        "arguments": query.arguments,
        "live": query.live,
    }
    return [(state, address(path, state=state, **kept), getattr(queue, state)) for state in STATES]
