"""Events of a roadmap, numbered without gaps, and their webhook deliveries.

They are written in the transaction that changes the roadmap's state.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import lock_key_share, session
from core.ids import new_id
from core.json_types import LazyModel
from models.accounts import Webhook, WebhookDelivery
from models.bulk import insert_rows
from models.roadmaps import Roadmap, RoadmapEvent
from roadmap.generation.retry_policy import LeaseLost
from roadmap.plan.statuses import (
    TEST,
    DeliveryStatus,
    Event,
    EventType,
    Job,
    JobName,
    Progress,
    RoadmapStatus,
    WebhookEvent,
)

MOST_WAITING = 1000  # deliveries of one account that are not finished
LONGEST_REASON = 2000  # characters
MOST_AT_ONCE = 500  # events
WAITING = (DeliveryStatus.pending, DeliveryStatus.delivering)
FULL = f"{MOST_WAITING} deliveries were already waiting, so this one was not attempted. Retry it."


class RoadmapFacts(LazyModel):
    """Facts about a roadmap in a webhook; the rest is at `path`."""

    roadmap_id: UUID
    seq: int = Field(
        description="Number of the event in its roadmap. A lower number than before: an "
        "older event."
    )
    title: str = Field(description="Title; empty: no plan yet.")
    status: RoadmapStatus
    revision: int = Field(description="Number of the plan; 0: none.")
    progress: Progress = Field(description="Progress of building.")
    path: str = Field(
        description="Where the rest can be read.",
        examples=["/api/v1/roadmaps/01a214f6-2f53-7a48-a0d1-47aa26b2a6ef"],
    )
    reason: str | None = Field(None, description="Why it failed, or what is missing.")


class RoadmapMessage(LazyModel):
    """Payload of a webhook about an event of a roadmap."""

    type: WebhookEvent = Field(description="Type of the event.")
    timestamp: datetime = Field(description="Time of the event.")
    data: RoadmapFacts = Field(description="The roadmap after the event.")


class TestFacts(LazyModel):
    webhook_id: UUID
    message: str = Field(description="Text for people.")


class TestMessage(LazyModel):
    """Payload of a test delivery."""

    type: Literal["webhook.test"] = Field(description="Type of the test message.")
    timestamp: datetime = Field(description="Time of the request.")
    data: TestFacts = Field(description="The webhook, and a text.")


OFFERED: frozenset[str] = frozenset(WebhookEvent)


def insert_deliveries(row: Roadmap, event: str, data: Mapping[str, Any], at: datetime) -> list[Job]:
    """Save a delivery for each webhook of the owner that wants the event; return jobs.

    One query if there is no webhook, none if the event is not offered.
    """
    if event not in OFFERED:
        return []
    enabled = (
        Webhook.select(Webhook.id, Webhook.events)
        .order_by(Webhook.id)
        .where(Webhook.account == row.owner_id, Webhook.disabled_at.is_null())
    )
    webhooks = [webhook for webhook in lock_key_share(enabled) if event in webhook.events]
    if not webhooks:
        return []
    room = max(0, MOST_WAITING - count_waiting(row.owner_id))
    facts = RoadmapFacts(
        roadmap_id=row.id,
        seq=row.last_seq,
        title=row.title,
        status=row.status,
        revision=row.revision,
        progress=Progress(
            ready=row.contents_ready, failed=row.contents_failed, total=row.contents_total
        ),
        path=f"/api/v1/roadmaps/{row.id}",
        reason=str(data.get("reason") or "")[:LONGEST_REASON] or None,
    )
    payload = _payload(event, at, facts.model_dump(mode="json", exclude_none=True))
    rows = [new_delivery(webhook.id, event, payload, row.id) for webhook in webhooks]
    fit = [{**new, "error": "", "finished_at": None} for new in rows[:room]]
    failed = {"status": DeliveryStatus.failed, "error": FULL, "finished_at": at}
    insert_rows(WebhookDelivery, fit + [{**new, **failed} for new in rows[room:]])
    return [Job(JobName.deliver_webhook, new["id"]) for new in fit]


def count_waiting(account_id: UUID) -> int:
    """Return the number of unfinished deliveries of an account, at most MOST_WAITING."""
    hooks = Webhook.select(Webhook.id).where(Webhook.account == account_id)
    waiting = WebhookDelivery.webhook.in_(hooks) & WebhookDelivery.status.in_(WAITING)
    return int(WebhookDelivery.select(peewee.SQL("1")).where(waiting).limit(MOST_WAITING).count())


def new_delivery(
    webhook_id: UUID, event: str, payload: str, roadmap_id: UUID | None = None
) -> dict[str, Any]:
    """Return the row of a message that is due now."""
    now = clock.now()
    return {
        "id": new_id(),
        "webhook": webhook_id,
        "event": event,
        "roadmap_id": roadmap_id,
        "payload": payload,
        "status": DeliveryStatus.pending,
        "due_at": now,
        "created_at": now,
    }


def test_payload(webhook_id: UUID) -> str:
    facts = {
        "webhook_id": str(webhook_id),
        "message": "This is a test. The delivery succeeds if the receiver answers with a "
        "2xx status.",
    }
    return _payload(TEST, clock.now(), facts)


def disable(webhook_id: UUID, reason: str) -> None:
    """Disable a webhook; its pending deliveries fail with this reason. Holds its row."""
    now = clock.now()
    Webhook.update({"disabled_at": now, "disabled_reason": reason, "updated_at": now}).where(
        Webhook.id == webhook_id, Webhook.disabled_at.is_null()
    ).execute()
    WebhookDelivery.update(
        {"status": DeliveryStatus.failed, "error": reason, "finished_at": now}
    ).where(
        WebhookDelivery.webhook == webhook_id, WebhookDelivery.status == DeliveryStatus.pending
    ).execute()


def _payload(event: str, at: datetime, facts: Mapping[str, Any]) -> str:
    timestamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(
        {"type": event, "timestamp": timestamp, "data": facts},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def bump(roadmap_id: UUID, **changes: Any) -> Roadmap:
    """Change the roadmap and take its next event number, for `append`.

    The row stays locked until the commit, which keeps commits in the order of their numbers.
    Transactions that change contents as well do this first, so that two of them never wait for each
    other. Raises LeaseLost when the roadmap is gone.
    """
    changes |= {"last_seq": Roadmap.last_seq + 1, "updated_at": clock.now()}
    rows: list[Roadmap] = list(
        Roadmap.update(changes).where(Roadmap.id == roadmap_id).returning(Roadmap).execute()
    )
    if not rows:
        raise LeaseLost
    return rows[0]


def append(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> list[Job]:
    """Save the event whose number was taken last; return jobs for its webhooks."""
    now = clock.now()
    RoadmapEvent.insert(
        {"roadmap": row.id, "seq": row.last_seq, "type": kind, "data": dict(data), "at": now}
    ).execute()
    return insert_deliveries(row, kind, data, now)


def bump_and_append(
    roadmap_id: UUID, kind: EventType, data: Mapping[str, Any], **changes: Any
) -> Roadmap:
    """Bump and append at once, for an event that webhooks are not offered.

    Its data does not depend on the changed row.
    """
    assert kind not in OFFERED
    row = bump(roadmap_id, **changes)
    append(row, kind, data)
    return row


def was_last(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> bool:
    """Return whether the newest event of a locked row is this one."""
    newest = RoadmapEvent.get_or_none(
        RoadmapEvent.roadmap == row.id, RoadmapEvent.seq == row.last_seq
    )
    return newest is not None and (newest.type, newest.data) == (kind, dict(data))


@session()
def events_after(roadmap_id: UUID, seq: int) -> list[Event]:
    """Return the next events of a roadmap, at most 500."""
    later = (
        RoadmapEvent.select()
        .where(RoadmapEvent.roadmap == roadmap_id, RoadmapEvent.seq > seq)
        .order_by(RoadmapEvent.seq)
        .limit(MOST_AT_ONCE)
    )
    return [Event(seq=row.seq, type=row.type, data=row.data, at=row.at) for row in later]


@session()
def last_seqs(roadmap_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], int]:
    """Return the newest event number by roadmap and owner, in one query.

    Roadmaps in the trash are left out.
    """
    rows = Roadmap.select(Roadmap.id, Roadmap.owner, Roadmap.last_seq).where(
        Roadmap.id.in_(list(roadmap_ids)), Roadmap.trashed_at.is_null()
    )
    return {(row.id, row.owner_id): row.last_seq for row in rows}
