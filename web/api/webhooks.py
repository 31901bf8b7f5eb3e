"""Webhooks of the caller: where events are told, and the log of what was told."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from roadmap import webhooks
from roadmap.statuses import DeliveryStatus
from roadmap.webhooks import DeliveryDetail, DeliveryInfo, WebhookInfo, WebhookList
from web.accepting import sender
from web.endpoint import Call, Reply
from web.noting import note

BASE = "/api/v1/webhooks"


class DeliveriesQuery(BaseModel):
    """`cursor` is `next_cursor` of the page before."""

    model_config = ConfigDict(extra="forbid")
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before.")
    limit: Annotated[int, Field(ge=1, le=100, description="Deliveries on a page.")] = 20
    status: DeliveryStatus | None = Field(None, description="Only those that are so.")


def create_webhook(call: Call) -> Reply:
    made = webhooks.create(call.owner, call.body)
    note(call.request, "webhook-made", account=call.owner, webhook=made.id)
    return Reply(made, headers={"Location": f"{BASE}/{made.id}"})


def list_webhooks(call: Call) -> WebhookList:
    return webhooks.list_webhooks(call.owner)


def read_webhook(call: Call) -> WebhookInfo:
    return webhooks.read(call.owner, call.ids["webhook_id"])


def change_webhook(call: Call) -> WebhookInfo:
    changed = webhooks.change(call.owner, call.ids["webhook_id"], call.body)
    note(call.request, "webhook-changed", account=call.owner, webhook=changed.id)
    return changed


def delete_webhook(call: Call) -> None:
    webhooks.delete(call.owner, call.ids["webhook_id"])
    note(call.request, "webhook-deleted", account=call.owner, webhook=call.ids["webhook_id"])


def rotate_webhook_secret(call: Call) -> Reply:
    made = webhooks.rotate_secret(call.owner, call.ids["webhook_id"])
    note(call.request, "webhook-secret-rotated", account=call.owner, webhook=made.id)
    return Reply(made)


def test_webhook(call: Call) -> Reply:
    made, steps = webhooks.test(call.owner, call.ids["webhook_id"])
    sender.submit(steps)
    return _on_its_way(made)


def list_deliveries(call: Call) -> Reply:
    query: DeliveriesQuery = call.query
    webhook_id = call.ids["webhook_id"]
    page = webhooks.list_deliveries(call.owner, webhook_id, limit=query.limit, before=query.cursor, status=query.status)
    if page.next_cursor is None:
        return Reply(page)
    following = urlencode({**query.model_dump(mode="json", exclude_none=True), "cursor": page.next_cursor})
    return Reply(page, headers={"Link": f'<{BASE}/{webhook_id}/deliveries?{following}>; rel="next"'})


def read_delivery(call: Call) -> DeliveryDetail:
    return webhooks.read_delivery(call.owner, call.ids["webhook_id"], call.ids["delivery_id"])


def retry_delivery(call: Call) -> Reply:
    made, steps = webhooks.retry(call.owner, call.ids["webhook_id"], call.ids["delivery_id"])
    sender.submit(steps)
    return _on_its_way(made)


def _on_its_way(delivery: DeliveryInfo) -> Reply:
    location = f"{BASE}/{delivery.webhook_id}/deliveries/{delivery.id}"
    return Reply(delivery, headers={"Location": location, "Retry-After": "1"})
