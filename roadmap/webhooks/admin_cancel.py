"""What an operator stops: the row that a message is for is ended, so that rescue does not bring the message back.

Each is one transaction and returns what comes next. A row that is done already, or gone, stays as it is: then its message
has nothing to do. A worker that is at it finds its lease lost, and saves nothing (`stopping.py`).
"""

from functools import partial
from typing import Any
from uuid import UUID

from core import clock
from core.db import database, transaction
from core.errors import Conflict, NotFound
from models.roadmaps import Content, Roadmap
from models.webhooks import WebhookDelivery
from roadmap.exchange import account_export
from roadmap.lifecycle import commands, completion, events
from roadmap.lifecycle.completion import progress
from roadmap.lifecycle.events import WAITING
from roadmap.lifecycle.plan_sync import fitting
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job
from roadmap.plan.statuses import NOBODYS, OPEN, ContentStatus, DeliveryStatus, RoadmapStatus

STOPPED = "Stopped by an operator."
BEING_PLANNED = (RoadmapStatus.queued, RoadmapStatus.planning)


def stop_planning(roadmap_id: UUID) -> list[Job]:
    """The roadmap is cancelled, as its owner would do it; one that was to be changed is what it was before."""
    with transaction():
        row = Roadmap.get_or_none(Roadmap.id == roadmap_id)
        if row is None:
            return []
        try:
            steps = commands.cancel(row.owner_id, roadmap_id, BEING_PLANNED).steps
        except (Conflict, NotFound):  # it is planned by now, or gone
            return []
        _note("planning", "outline", roadmap_id=roadmap_id)
    return steps


def stop_writing(content_id: UUID) -> list[Job]:
    """This part is cancelled, or keeps the version that it has if that still fits; the roadmap ends if it was the last."""
    with transaction():
        content = Content.get_or_none(Content.id == content_id)
        if content is None or not _is_built(content.roadmap_id):
            return []
        stays = fitting(Content.id == content_id) != []
        ended = {**NOBODYS, "status": ContentStatus.ready if stays else ContentStatus.cancelled}
        update = Content.update({**ended, "error": STOPPED, "instruction": ""})
        if update.where(Content.id == content_id, Content.status.in_(OPEN)).execute() == 0:
            return []
        row = events.bump(content.roadmap_id)
        completion.save_counts(row)
        told = {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "reason": STOPPED,
            **progress(row),
        }
        events.append(row, EventType.content_failed, told)
        _note(
            "building", content.kind, roadmap_id=content.roadmap_id, concept_id=content.concept_id
        )
        return completion.finish_if_last(row)


def stop_delivery(delivery_id: UUID) -> list[Job]:
    """This message to a webhook is given up; its owner can have it sent anew."""
    ended = {
        **NOBODYS,
        "status": DeliveryStatus.failed,
        "error": STOPPED,
        "finished_at": clock.now(),
    }
    waits = (WebhookDelivery.id == delivery_id) & WebhookDelivery.status.in_(WAITING)
    with transaction():
        rows = list(WebhookDelivery.update(ended).where(waits).returning(WebhookDelivery).execute())
        for row in rows:
            details = {"webhook": str(row.webhook_id), "delivery": str(row.id)}
            _note("webhooks", "deliver", roadmap_id=row.roadmap_id, details=details)
    return []


def stop_exporting(export_id: UUID) -> list[Job]:
    """This export of an account has failed; its owner can order another one."""
    account_export.stop(export_id, STOPPED)
    return []


def _is_built(roadmap_id: UUID) -> bool:
    """Holds its row until the commit: whoever changes contents takes that first."""
    building = (Roadmap.id == roadmap_id) & (Roadmap.status == RoadmapStatus.building)
    return bool(Roadmap.update(updated_at=clock.now()).where(building).execute())


def _note(category: str, step: str, **place: Any) -> None:
    database.after_commit(partial(record, category, step, STOPPED, level=LogLevel.warning, **place))
