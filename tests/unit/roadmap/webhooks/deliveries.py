"""Webhooks, and deliveries to a receiver of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.accounts import WebhookDelivery
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle import events as events_
from roadmap.plan.statuses import Job, WebhookEvent
from roadmap.webhooks import sender
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.subscriptions import WebhookRequest
from tasks.queues import content_queue
from testing.receiver import Receiver, gate, status
from testing.stack import GOAL
from testing.waiting import wait_until

API = "/api/v1"
BASE = f"{API}/webhooks"
ALL = [str(event) for event in WebhookEvent]


def made(client: TestClient, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = client.post(BASE, json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{BASE}/{document['id']}"
    return document


def roadmap(client: TestClient, **more: Any) -> str:
    answer = client.post(f"{API}/roadmaps", json={"goal": GOAL, "level": "advanced", **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def deliveries(client: TestClient, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{BASE}/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def the_delivery(client: TestClient, webhook: dict[str, Any]) -> dict[str, Any]:
    (one,) = deliveries(client, webhook)
    return one


def webhook_of(client: TestClient, webhook: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"{BASE}/{webhook['id']}").json()
    return document


def put(client: TestClient, webhook: dict[str, Any], **changes: Any) -> dict[str, Any]:
    wanted = {name: webhook[name] for name in ("url", "events", "description", "enabled")}
    answer = client.put(f"{BASE}/{webhook['id']}", json={**wanted, **changes})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def after(seconds: float) -> int:
    """Move the clock, and let run what is due then."""
    clock.travel(timedelta(seconds=seconds))
    return content_queue.drain()


def waiting_delivery(
    receiver: Receiver, url: str = "", owner: UUID = LOCAL_OWNER
) -> tuple[UUID, UUID]:
    """A webhook and a delivery that waits for it, with no message that says so."""
    webhook = settings_.create(owner, WebhookRequest(url=url or receiver.url))
    row = events_.new_delivery(webhook.id, WebhookEvent.ready, '{"type":"roadmap.ready"}')
    with transaction():
        WebhookDelivery.insert(row).execute()
    return webhook.id, row["id"]


def row_of(delivery_id: UUID) -> WebhookDelivery:
    with session():
        row: WebhookDelivery = WebhookDelivery.get_by_id(delivery_id)
    return row


@contextmanager
def being_sent(receiver: Receiver, delivery_id: UUID, code: int = 204) -> Iterator[list[Job]]:
    """Yield the steps that follow a delivery, which is answered when the block ends."""
    opened = threading.Event()
    steps: list[Job] = []
    receiver.answer_from_now_on(gate(opened, status(code)))
    thread = threading.Thread(target=lambda: steps.extend(sender.deliver(delivery_id)))
    thread.start()
    try:
        wait_until(lambda: receiver.got, reason="it is sent")
        yield steps
    finally:
        opened.set()
        thread.join()
