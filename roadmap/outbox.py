"""The outbox of webhooks: what is to be told is written in the transaction that writes the event, so that nothing is lost.

Everything here runs in the caller's transaction. Whoever changes a webhook and its deliveries takes the webhook's row first.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock
from core.ids import new_id
from core.runtime import keep_rows
from models.bulk import insert_rows
from models.roadmaps import Roadmap
from models.webhooks import Webhook, WebhookDelivery
from roadmap.statuses import DeliveryStatus, Progress, RoadmapStatus
from roadmap.steps import Step, StepName

TEST = "webhook.test"
MOST_WAITING = 1000  # deliveries of one account that are not finished
LONGEST_REASON = 2000  # characters
WAITING = (DeliveryStatus.pending, DeliveryStatus.delivering)
FULL = f"There were {MOST_WAITING} deliveries waiting already, so this one was not tried. Try it again from here."


class WebhookEvent(StrEnum):
    """What webhooks can be told. Not of single contents: a roadmap has dozens, and its stream of events tells those."""

    outlined = "roadmap.outlined"
    awaiting_review = "roadmap.awaiting_review"
    ready = "roadmap.ready"
    partial = "roadmap.partial"
    failed = "roadmap.failed"
    cancelled = "roadmap.cancelled"


class RoadmapFacts(BaseModel):
    """What is told of a roadmap; the rest can be read at `path`."""

    roadmap_id: UUID
    seq: int = Field(
        description="The number of the event within its roadmap: what has a lower one comes late."
    )
    title: str = Field(description="Empty: it has no plan yet.")
    status: RoadmapStatus
    revision: int = Field(description="The number of the plan; 0: there is none.")
    progress: Progress = Field(description="How much is written.")
    path: str = Field(
        description="Where the rest can be read.",
        examples=["/api/v1/roadmaps/01a214f6-2f53-7a48-a0d1-47aa26b2a6ef"],
    )
    reason: str | None = Field(None, description="Why it failed, or what is missing.")


class RoadmapMessage(BaseModel):
    """What a webhook is sent when something happened to a roadmap."""

    type: WebhookEvent = Field(description="What happened.")
    timestamp: datetime = Field(description="When it happened.")
    data: RoadmapFacts = Field(description="To which roadmap, and how it is then.")


class TestFacts(BaseModel):
    webhook_id: UUID
    message: str = Field(description="Some words for whoever looks at it.")


class TestMessage(BaseModel):
    """What a webhook is sent when somebody tries it."""

    type: Literal["webhook.test"] = Field(description="That it is a test.")
    timestamp: datetime = Field(description="When the button was pressed.")
    data: TestFacts = Field(description="Which webhook.")


OFFERED: frozenset[str] = frozenset(WebhookEvent)


def tell_webhooks(row: Roadmap, event: str, data: Mapping[str, Any], at: datetime) -> list[Step]:
    """Write a delivery for each webhook of the owner that wants the event; a step for each. One query where there is none."""
    if event not in OFFERED:
        return []
    columns = (Webhook.id, Webhook.events)
    query = Webhook.select(*columns).where(
        Webhook.account == row.owner_id, Webhook.disabled_at.is_null()
    )
    webhooks = [
        webhook for webhook in keep_rows(query.order_by(Webhook.id)) if event in webhook.events
    ]
    if not webhooks:
        return []
    room, payload = (
        MOST_WAITING - count_waiting(row.owner_id),
        _payload(event, at, _facts(row, data)),
    )
    rows = [new_delivery(webhook.id, event, payload, row.id) for webhook in webhooks]
    late = [
        {**new, "status": DeliveryStatus.failed, "error": FULL, "finished_at": at}
        for new in rows[max(0, room) :]
    ]
    fit = [{**new, "error": "", "finished_at": None} for new in rows[: max(0, room)]]
    insert_rows(WebhookDelivery, fit + late)
    return [Step(StepName.deliver_webhook, new["id"]) for new in fit]


def count_waiting(account_id: UUID) -> int:
    """Deliveries of this account that are not finished; counted no further than there may be."""
    mine = Webhook.select(Webhook.id).where(Webhook.account == account_id)
    waiting = WebhookDelivery.select(peewee.SQL("1"))
    waiting = waiting.where(WebhookDelivery.webhook.in_(mine), WebhookDelivery.status.in_(WAITING))
    return int(waiting.limit(MOST_WAITING).count())


def new_delivery(
    webhook_id: UUID, event: str, payload: str, roadmap_id: UUID | None = None
) -> dict[str, Any]:
    """The row of a message that waits to be sent now."""
    now = clock.now()
    told = {"webhook": webhook_id, "event": event, "roadmap_id": roadmap_id, "payload": payload}
    return {
        "id": new_id(),
        **told,
        "status": DeliveryStatus.pending,
        "due_at": now,
        "created_at": now,
    }


def test_payload(webhook_id: UUID) -> str:
    message = "This is a test. It has arrived when the receiver answers with a status of 2xx."
    return _payload(TEST, clock.now(), {"webhook_id": str(webhook_id), "message": message})


def disable(webhook_id: UUID, reason: str) -> None:
    """It is told nothing more, and what waits for it ends with this reason. Holds the webhook's row."""
    now = clock.now()
    changed = {"disabled_at": now, "disabled_reason": reason, "updated_at": now}
    Webhook.update(changed).where(Webhook.id == webhook_id, Webhook.disabled_at.is_null()).execute()
    ended = {"status": DeliveryStatus.failed, "error": reason, "finished_at": now}
    pending = (WebhookDelivery.webhook == webhook_id) & (
        WebhookDelivery.status == DeliveryStatus.pending
    )
    WebhookDelivery.update(ended).where(pending).execute()


def _facts(row: Roadmap, data: Mapping[str, Any]) -> dict[str, Any]:
    progress = {
        "ready": row.contents_ready,
        "failed": row.contents_failed,
        "total": row.contents_total,
    }
    facts = {
        "roadmap_id": str(row.id),
        "seq": row.last_seq,
        "title": row.title,
        "status": str(row.status),
    }
    facts |= {"revision": row.revision, "progress": progress, "path": f"/api/v1/roadmaps/{row.id}"}
    reason = str(data.get("reason") or "")
    return {**facts, "reason": reason[:LONGEST_REASON]} if reason else facts


def _payload(event: str, at: datetime, facts: Mapping[str, Any]) -> str:
    told = {
        "type": event,
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": facts,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
