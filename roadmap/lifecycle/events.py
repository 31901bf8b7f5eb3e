"""What happened to a roadmap, numbered without gaps, written in the transaction that changes its state."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock
from core.db import lock_key_share, session
from core.ids import new_id
from models.bulk import insert_rows
from models.roadmaps import Roadmap, RoadmapEvent
from models.webhooks import Webhook, WebhookDelivery
from roadmap.generation.cancellation import LeaseLost
from roadmap.plan.event_types import TEST, Event, EventType, WebhookEvent
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.statuses import DeliveryStatus, Progress, RoadmapStatus

MOST_WAITING = 1000  # deliveries of one account that are not finished
LONGEST_REASON = 2000  # characters
WAITING = (DeliveryStatus.pending, DeliveryStatus.delivering)
FULL = f"There were {MOST_WAITING} deliveries waiting already, so this one was not tried. Try it again from here."


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


def enqueue_deliveries(
    row: Roadmap, event: str, data: Mapping[str, Any], at: datetime
) -> list[Job]:
    """Write a delivery for each webhook of the owner that wants the event; a step for each. One query where there is none."""
    if event not in OFFERED:
        return []
    columns = (Webhook.id, Webhook.events)
    query = Webhook.select(*columns).where(
        Webhook.account == row.owner_id, Webhook.disabled_at.is_null()
    )
    webhooks = [
        webhook for webhook in lock_key_share(query.order_by(Webhook.id)) if event in webhook.events
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
    return [Job(JobName.deliver_webhook, new["id"]) for new in fit]


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


MOST_AT_ONCE = 500


def bump(roadmap_id: UUID, **changes: Any) -> Roadmap:
    """Change the roadmap and take the number of its next event, for `append` in the same transaction.

    The row stays locked until the commit, which keeps the order of commits and the order of numbers the same. Whoever
    changes contents as well does this first, so that two of them never wait for each other. Raises Lost when it is gone.
    """
    update = Roadmap.update(
        {**changes, "last_seq": Roadmap.last_seq + 1, "updated_at": clock.now()}
    )
    rows: list[Roadmap] = list(update.where(Roadmap.id == roadmap_id).returning(Roadmap).execute())
    if not rows:
        raise LeaseLost
    return rows[0]


def append(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> list[Job]:
    """Write the event whose number was taken last; a step for each webhook that is told of it."""
    now = clock.now()
    event = {"roadmap": row.id, "seq": row.last_seq, "type": kind, "data": dict(data), "at": now}
    RoadmapEvent.insert(event).execute()
    return enqueue_deliveries(row, kind, data, now)


def record(roadmap_id: UUID, kind: EventType, data: Mapping[str, Any], **changes: Any) -> Roadmap:
    """Both at once, for an event that does not depend on what the row is then, and that no webhook is told of."""
    assert kind not in OFFERED
    row = bump(roadmap_id, **changes)
    append(row, kind, data)
    return row


def was_last(row: Roadmap, kind: EventType, data: Mapping[str, Any]) -> bool:
    """Whether the newest event of a locked row says just this."""
    newest = RoadmapEvent.get_or_none(
        RoadmapEvent.roadmap == row.id, RoadmapEvent.seq == row.last_seq
    )
    return newest is not None and (newest.type, newest.data) == (kind, dict(data))


def append_first(roadmap_ids: Sequence[UUID], kind: EventType) -> None:
    """Write event 1 of many new roadmaps in one statement."""
    common = {"seq": 1, "type": kind, "data": {}, "at": clock.now()}
    insert_rows(RoadmapEvent, [{"roadmap": id_} for id_ in roadmap_ids], common=common)


def events_after(roadmap_id: UUID, seq: int) -> list[Event]:
    """The next events of a roadmap, at most 500."""
    with session():
        query = RoadmapEvent.select().where(
            RoadmapEvent.roadmap == roadmap_id, RoadmapEvent.seq > seq
        )
        rows = list(query.order_by(RoadmapEvent.seq).limit(MOST_AT_ONCE))
    return [Event(seq=row.seq, type=row.type, data=row.data, at=row.at) for row in rows]


def last_seqs(roadmap_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], int]:
    """The number of the newest event, by roadmap and owner; one query for all. What is in the trash is left out."""
    there = Roadmap.id.in_(list(roadmap_ids)) & Roadmap.trashed_at.is_null()
    with session():
        found = Roadmap.select(Roadmap.id, Roadmap.owner, Roadmap.last_seq).where(there).tuples()
        return {(roadmap_id, owner_id): seq for roadmap_id, owner_id, seq in found}
