"""Webhooks: receivers, tests, and the log of deliveries."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from starlette.responses import Response

from core.errors import Conflict, Invalid, RateLimited, RoadmapError
from core.i18n import gettext_noop
from roadmap.plan.statuses import DeliveryStatus, Job, WebhookEvent
from roadmap.webhooks import subscriptions
from tasks.dispatcher import send_after_commit
from web.http.security_log import log_security_event
from web.pages.error_messages import form_page
from web.pages.forms import OpenedQuery, filled, see_other
from web.pages.page_route import PageCall, PageRoute

HOOK = "/webhooks/{webhook_id}"

REFUSALS = (Conflict, Invalid, RateLimited)
MOST_SHOWN = 20  # deliveries
FULL = gettext_noop("There are already 10 webhooks. Delete one first.")


def webhooks_page(call: PageCall, error: RoadmapError | None = None) -> Response:
    """Return the list; after an error, the form for a new webhook keeps its values."""
    values = {"url": "", "description": "", "events": list(WebhookEvent)}
    if error:
        typed = {name: call.body.text(name) for name in ("url", "description")}
        values = {**typed, "events": call.body.getlist("events")}
    return form_page(
        call.request,
        "webhooks.html",
        error,
        instead=FULL if isinstance(error, Conflict) else "",
        values=values,
        webhooks=subscriptions.list_webhooks(call.owner).items,
        events=list(WebhookEvent),
    )


def add_webhook(call: PageCall) -> Response:
    """Add a webhook; its secret is on the page that this returns, and nowhere else."""
    values = {**call.body.given("url", "description"), "events": call.body.getlist("events")}
    try:
        request = filled(subscriptions.WebhookRequest, values)
        made = subscriptions.create(call.owner, request)
    except REFUSALS as error:
        return webhooks_page(call, error)
    log_security_event(call.request, "webhook-made", account=call.owner, webhook=made.id)
    return _webhook(call, made.id, secret=made.secret)


def webhook_page(call: PageCall[OpenedQuery]) -> Response:
    return _webhook(call, call.ids["webhook_id"], cursor=call.query.cursor)


def test_webhook(call: PageCall) -> Response:
    return _send(call, partial(subscriptions.test, call.owner, call.ids["webhook_id"]))


def rotate_secret(call: PageCall) -> Response:
    made = subscriptions.rotate_secret(call.owner, call.ids["webhook_id"])
    log_security_event(call.request, "webhook-secret-rotated", account=call.owner, webhook=made.id)
    return _webhook(call, made.id, secret=made.secret)


def set_enabled(call: PageCall) -> Response:
    before = subscriptions.read(call.owner, call.ids["webhook_id"])
    wanted = {name: getattr(before, name) for name in ("url", "events", "description")}
    change = subscriptions.WebhookChange(**wanted, enabled=call.body.text("enabled") == "yes")
    subscriptions.change(call.owner, before.id, change)
    log_security_event(call.request, "webhook-changed", account=call.owner, webhook=before.id)
    return see_other(f"/webhooks/{before.id}")


def delete_webhook(call: PageCall) -> Response:
    webhook_id = call.ids["webhook_id"]
    subscriptions.delete(call.owner, webhook_id)
    log_security_event(call.request, "webhook-deleted", account=call.owner, webhook=webhook_id)
    return see_other("/webhooks")


def retry_delivery(call: PageCall) -> Response:
    place = (call.owner, call.ids["webhook_id"], call.ids["delivery_id"])
    return _send(call, partial(subscriptions.retry, *place))


def _send(
    call: PageCall, order: Callable[[], tuple[subscriptions.DeliveryInfo, Sequence[Job]]]
) -> Response:
    """Send a delivery and go back to its webhook, with the error if there is one."""
    try:
        send_after_commit(order()[1])
    except REFUSALS as error:
        return _webhook(call, call.ids["webhook_id"], error)
    return see_other(f"/webhooks/{call.ids['webhook_id']}")


def _webhook(
    call: PageCall,
    webhook_id: UUID,
    error: RoadmapError | None = None,
    *,
    secret: str = "",
    cursor: UUID | None = None,
) -> Response:
    webhook = subscriptions.read(call.owner, webhook_id)
    log = subscriptions.list_deliveries(
        call.owner, webhook_id, limit=MOST_SHOWN, before=cursor, status=None
    )
    return form_page(
        call.request,
        "webhook.html",
        error,
        webhook=webhook,
        log=log,
        secret=secret,
        holds_secret=bool(secret),
        is_first=cursor is None,
        # The state of one may change in a moment; between two tries there may be hours.
        is_sending=cursor is None
        and any(
            each.status == DeliveryStatus.delivering
            or (each.status == DeliveryStatus.pending and each.attempts == 0)
            for each in log.items
        ),
    )


PAGES = (
    PageRoute("GET", "/webhooks", webhooks_page),
    PageRoute("POST", "/webhooks", add_webhook, has_secret=True),
    PageRoute("GET", HOOK, webhook_page),
    PageRoute("POST", HOOK + "/test", test_webhook),
    PageRoute("POST", HOOK + "/secret", rotate_secret, has_secret=True),
    PageRoute("POST", HOOK + "/enabled", set_enabled, confirms=True),
    PageRoute("POST", HOOK + "/delete", delete_webhook),
    PageRoute("POST", HOOK + "/deliveries/{delivery_id}/retry", retry_delivery),
)
