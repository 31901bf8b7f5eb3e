"""The page of a queue: messages by state, and actions on them after a page that asks."""

from functools import partial
from typing import Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound, RoadmapError, Unavailable
from core.i18n import gettext_noop
from roadmap.operations.audit_log import Action
from roadmap.operations.search_filters import EARLIEST
from tasks import queue_admin
from tasks.message_browser import LONGEST_SEARCH, MessageState
from tasks.queue_admin import DeadLettersRequest, act_on, act_on_dead
from web.endpoints.endpoint import actor_of
from web.pages.admin.actions import ACTION_TEXTS, consequences, success_message
from web.pages.admin.labels import STATES
from web.pages.admin.layout import act_page, address, admin_page, observe_page
from web.pages.forms import AnyQuery, filled, is_part, see_other
from web.pages.page_route import PageCall
from web.pages.templates import texts_of

QUEUE_PAGE = "/admin/queues/{queue}"
MESSAGE_PAGE = QUEUE_PAGE + "/messages/{message}"
QUEUE_ACTIONS = {
    QUEUE_PAGE + "/pause": "queue.pause",
    QUEUE_PAGE + "/resume": "queue.resume",
    QUEUE_PAGE + "/dead/retry": "dead.retry",
    QUEUE_PAGE + "/dead/delete": "dead.delete",
    MESSAGE_PAGE + "/retry": "message.retry",
    MESSAGE_PAGE + "/revoke": "message.revoke",
    MESSAGE_PAGE + "/delete": "message.delete",
}  # pages that ask before an action, and carry it out

SHOWN = 50  # messages of a page
# Intervals between updates of a page: each may read up to 10,000 messages.
EVERY, SLOWLY = "2s", "10s"
QUICKLY_READ = 1000  # messages
TOO_LONG = gettext_noop("Enter at most 200 characters.")
NOT_THERE = gettext_noop(
    "This message no longer exists: it was processed, or someone else has handled it."
)
REFUSALS = (Conflict, Invalid, NotFound, Unavailable)


class QueueQuery(AnyQuery):
    """`state` and `search`: the messages to list. `after`: the number of messages to skip.

    `arguments`: yes, to show them. `live`: off, to keep the page as it is. `did`, `count`: the
    last action, for a message.
    """

    state: MessageState = MessageState.held
    search: str = ""
    after: int = Field(0, ge=0, le=queue_admin.MOST_SKIPPED)
    arguments: str = ""
    live: str = ""
    did: str = ""
    count: int = 0


class ReturnQuery(AnyQuery):
    """The page to go back to: `state` and `search` of the list, or `back` overview."""

    state: str = ""
    search: str = ""
    back: str = ""


class SeenLetters(DeadLettersRequest):
    """The dead letters that the page has counted: later ones were not seen, and stay."""

    up_to: AwareDatetime


def queue_page(call: PageCall[QueueQuery]) -> Response:
    query = call.query
    words = texts_of(call.request)
    search, after = query.search.strip(), query.after
    is_too_long = len(search) > LONGEST_SEARCH
    queue = queue_admin.queue_state(call.ids["queue"])
    found = None
    if not is_too_long:
        found = queue_admin.messages(
            queue.name, query.state, search=search, limit=SHOWN, offset=after
        )
    listed = {"state": query.state, "search": search[:LONGEST_SEARCH]}
    kept = {**listed, "arguments": query.arguments, "live": query.live}
    with_arguments, is_live = query.arguments == "yes", query.live != "off"
    path = f"/admin/queues/{queue.name}"

    def link(**changes: object) -> str:
        return address(path, **{"after": after or "", **kept, **changes})

    context: dict[str, Any] = {
        "queue": queue,
        "found": found,
        "state": query.state,
        "search": search,
        "path": path,
        "after": after,
        "tabs": [
            (each, name, link(after="", state=each), getattr(queue, each))
            for each, name in STATES.items()
        ],
        "with_arguments": with_arguments,
        "is_live": is_live,
        "here_again": link(),
        "back": address("", **listed),
        "pace": SLOWLY if found and found.looked_at > QUICKLY_READ else EVERY,
        "switch": link(live="off" if is_live else ""),
        "other_arguments": link(arguments="" if with_arguments else "yes"),
        "older": address(path, **kept, after=after + SHOWN) if found and found.more else "",
        "newer": address(path, **kept, after=max(after - SHOWN, 0) or "") if after else "",
    }
    if is_part(call.request):
        return admin_page(call, "admin/queue_live.html", **context)
    return admin_page(
        call,
        "admin/queue.html",
        status=422 if is_too_long else 200,
        done=success_message(words, query.did, queue.name, query.count),
        problem=words.gettext(TOO_LONG) if is_too_long else "",
        **context,
    )


def perform(call: PageCall[ReturnQuery], *, name: str) -> Response:
    """Do an action and go back to its page, or give the reason why it was not done."""
    form, queue, action = call.body, call.ids["queue"], Action(name)
    sent = ReturnQuery(**{field: form.text(field) for field in ReturnQuery.model_fields})
    count: int | str = ""
    try:
        if name.startswith("dead."):
            seen = {"search": sent.search or None, "up_to": form.text("up_to")}
            count = act_on_dead(actor_of(call), action, queue, filled(SeenLetters, seen))
        else:
            message = (call.ids["message"],) if "message" in call.ids else ()
            act_on(actor_of(call), action, queue, *message)
    except REFUSALS as error:
        return confirm_page(call, sent, error, name=name)
    path = "/admin" if sent.back == "overview" else f"/admin/queues/{queue}"
    done = {"did": name, "count": count, "queue": queue if sent.back else ""}
    return see_other(address(path, **_listed(sent), **done))


def confirm_page(
    call: PageCall[ReturnQuery],
    sent: ReturnQuery | None = None,
    error: RoadmapError | None = None,
    *,
    name: str,
) -> Response:
    """Return the page that asks before an action, or the reason why it was not done."""
    query = sent or call.query
    search = query.search[:LONGEST_SEARCH]
    words, texts = texts_of(call.request), ACTION_TEXTS[name]
    queue = queue_admin.queue_state(call.ids["queue"])
    kept, count = {"state": query.state, "search": search, "back": query.back}, 1
    if name.startswith("dead."):
        letters = queue_admin.found_dead(queue.name, search or None)
        kept["up_to"] = max((at for _, at in letters), default=EARLIEST).isoformat()
        count = len(letters)
    message, message_id = None, call.ids.get("message", "")
    if message_id and query.state in list(MessageState):  # as far as its list has it
        state = MessageState(query.state)
        found = queue_admin.messages(queue.name, state, search=message_id, limit=SHOWN).items
        message = next((each for each in found if each.id == message_id), None)
    list_path = address(f"/admin/queues/{queue.name}", **_listed(query))
    values = {"queue": queue.name, "count": count}
    return admin_page(
        call,
        "admin/confirm.html",
        error,
        instead=NOT_THERE if isinstance(error, NotFound) else "",
        asked=words.gettext(texts.question) % values,
        button=words.gettext(texts.button) % values,
        will=consequences(words, name, queue.name, count),
        queue=queue,
        message=message,
        message_id=message_id,
        kept=kept,
        is_final=name.endswith(".delete"),
        path="/admin" if query.back == "overview" else list_path,
    )


def _listed(query: ReturnQuery) -> dict[str, str]:
    """Return the query of the list to go back to."""
    state = query.state if query.state in list(MessageState) else ""
    return {"state": state, "search": query.search[:LONGEST_SEARCH]}


PAGES = (
    observe_page(QUEUE_PAGE, queue_page),
    *(
        act_page(method, path, partial(handler, name=action))
        for path, action in QUEUE_ACTIONS.items()
        for method, handler in (("GET", confirm_page), ("POST", perform))
    ),
)
