"""Webhooks of the account, and their deliveries."""

from collections.abc import Sequence

from pydantic import Field

from core.errors import Conflict
from core.json_types import Page
from roadmap.plan.statuses import DeliveryStatus, Job
from roadmap.webhooks import subscriptions
from tasks.dispatcher import send_after_commit
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import API, Endpoint
from web.http.pagination import Limit, PageQuery, paged
from web.http.responses import Reply
from web.http.security_log import log_security_event

BASE = API + "/webhooks"
WEBHOOK = BASE + "/{webhook_id}"
DELIVERY = WEBHOOK + "/deliveries/{delivery_id}"


class DeliveriesQuery(PageQuery):
    limit: Limit = 20
    status: DeliveryStatus | None = Field(None, description="Only this status.")


def create_webhook(
    call: Call[subscriptions.WebhookRequest],
) -> Reply[subscriptions.WebhookWithSecret]:
    """Create a webhook. Its secret is only returned here."""
    made = subscriptions.create(call.owner, call.body)
    log_security_event(call.request, "webhook-made", account=call.owner, webhook=made.id)
    return Reply(made, headers={"Location": f"{BASE}/{made.id}"})


def list_webhooks(call: Call) -> subscriptions.WebhookList:
    return subscriptions.list_webhooks(call.owner)


def read_webhook(call: Call) -> subscriptions.WebhookInfo:
    return subscriptions.read(call.owner, call.ids["webhook_id"])


def change_webhook(call: Call[subscriptions.WebhookChange]) -> subscriptions.WebhookInfo:
    changed = subscriptions.change(call.owner, call.ids["webhook_id"], call.body)
    log_security_event(call.request, "webhook-changed", account=call.owner, webhook=changed.id)
    return changed


def patch_webhook(call: Call[subscriptions.WebhookPatch]) -> subscriptions.WebhookInfo:
    """JSON merge patch (RFC 7396): omitted fields stay."""
    changed = subscriptions.change_part(call.owner, call.ids["webhook_id"], call.body)
    log_security_event(call.request, "webhook-changed", account=call.owner, webhook=changed.id)
    return changed


def delete_webhook(call: Call) -> None:
    subscriptions.delete(call.owner, call.ids["webhook_id"])
    log_security_event(
        call.request, "webhook-deleted", account=call.owner, webhook=call.ids["webhook_id"]
    )


def rotate_webhook_secret(call: Call[EmptyBody]) -> Reply[subscriptions.WebhookWithSecret]:
    """Create a new secret.

    The previous one also signs for one more day, so that receivers can switch.
    """
    made = subscriptions.rotate_secret(call.owner, call.ids["webhook_id"])
    log_security_event(call.request, "webhook-secret-rotated", account=call.owner, webhook=made.id)
    return Reply(made)


def test_webhook(call: Call[EmptyBody]) -> Reply[subscriptions.DeliveryInfo]:
    """Send a message of the type `webhook.test` once. The delivery has the outcome."""
    return _on_its_way(*subscriptions.test(call.owner, call.ids["webhook_id"]))


def list_deliveries(call: Call[None, DeliveriesQuery]) -> Reply[Page[subscriptions.DeliveryInfo]]:
    """Deliveries, newest first. They are deleted 30 days after they ended."""
    page = subscriptions.list_deliveries(
        call.owner,
        call.ids["webhook_id"],
        limit=call.query.limit,
        before=call.query.cursor,
        status=call.query.status,
    )
    return paged(call.request, call.query, page)


def read_delivery(call: Call) -> subscriptions.DeliveryDetail:
    return subscriptions.read_delivery(call.owner, call.ids["webhook_id"], call.ids["delivery_id"])


def retry_delivery(call: Call[EmptyBody]) -> Reply[subscriptions.DeliveryInfo]:
    """Send the same message again, with the same `webhook-id` and all attempts."""
    place = (call.owner, call.ids["webhook_id"], call.ids["delivery_id"])
    return _on_its_way(*subscriptions.retry(*place))


def _on_its_way(
    delivery: subscriptions.DeliveryInfo, steps: Sequence[Job]
) -> Reply[subscriptions.DeliveryInfo]:
    send_after_commit(steps)
    location = f"{BASE}/{delivery.webhook_id}/deliveries/{delivery.id}"
    return Reply(delivery, headers={"Location": location, "Retry-After": "1"})


ENDPOINTS = (
    Endpoint("POST", BASE, create_webhook, "Create a webhook", status=201,
        raises=(Conflict,), has_secret=True),
    Endpoint("GET", BASE, list_webhooks, "List webhooks"),
    Endpoint("GET", WEBHOOK, read_webhook, "Read a webhook"),
    Endpoint("PUT", WEBHOOK, change_webhook, "Replace a webhook", current=read_webhook,
        confirms=True),
    Endpoint("PATCH", WEBHOOK, patch_webhook, "Change fields of a webhook", current=read_webhook,
        confirms=True),
    Endpoint("DELETE", WEBHOOK, delete_webhook, "Delete a webhook", status=204,
        current=read_webhook),
    Endpoint("POST", WEBHOOK + "/secret", rotate_webhook_secret, "Rotate the secret of a webhook",
        current=read_webhook, has_secret=True),
    Endpoint("POST", WEBHOOK + "/test", test_webhook, "Send a test delivery", status=202,
        raises=(Conflict,)),
    Endpoint("GET", WEBHOOK + "/deliveries", list_deliveries, "List deliveries of a webhook"),
    Endpoint("GET", DELIVERY, read_delivery, "Read a delivery"),
    Endpoint("POST", DELIVERY + "/retry", retry_delivery, "Retry a delivery", status=202,
        raises=(Conflict,)),
)  # fmt: skip
