"""Revocation of tasks by an operator.

The row of a message ends, so that rescue does not resend it.

Each function is one transaction and returns the jobs that follow. A row that has ended, or is gone,
stays as it is: its message has nothing to do. A worker that runs the task finds its lease lost, and
saves nothing (`cancellation.py`).
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
from roadmap.lifecycle.plan_rows import contents_that_fit
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job
from roadmap.plan.statuses import NOBODYS, OPEN, ContentStatus, DeliveryStatus, RoadmapStatus

STOPPED = "Stopped by an operator."
BEING_PLANNED = (RoadmapStatus.queued, RoadmapStatus.planning)


def stop_planning(roadmap_id: UUID) -> list[Job]:
    """Cancel a roadmap as its owner would.

    A roadmap whose plan was being changed keeps its plan.
    """
    with transaction():
        row = Roadmap.get_or_none(Roadmap.id == roadmap_id)
        if row is None:
            return []
        try:
            steps = commands.cancel(row.owner_id, roadmap_id, BEING_PLANNED).steps
        except (Conflict, NotFound):  # the plan is finished by now, or the roadmap is gone
            return []
        _note("planning", "outline", roadmap_id=roadmap_id)
    return steps


def stop_writing(content_id: UUID) -> list[Job]:
    """Cancel a part, unless its current version still fits.

    The roadmap ends if it was the last part.
    """
    with transaction():
        content = Content.get_or_none(Content.id == content_id)
        if content is None:
            return []
        # Lock the roadmap first, as every change of its contents does.
        is_it = (Roadmap.id == content.roadmap_id) & (Roadmap.status == RoadmapStatus.building)
        if not Roadmap.update(updated_at=clock.now()).where(is_it).execute():
            return []
        stays = contents_that_fit(Content.id == content_id) != []
        ended = {**NOBODYS, "status": ContentStatus.ready if stays else ContentStatus.cancelled}
        update = Content.update({**ended, "error": STOPPED, "instruction": ""})
        if update.where(Content.id == content_id, Content.status.in_(OPEN)).execute() == 0:
            return []
        row = events.bump(content.roadmap_id)
        completion.save_counts(row)
        data = {"concept_id": str(content.concept_id), "kind": content.kind, "reason": STOPPED}
        events.append(row, EventType.content_failed, {**data, **progress(row)})
        place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
        _note("building", content.kind, **place)
        return completion.finish_if_last(row)


def stop_delivery(delivery_id: UUID) -> list[Job]:
    """Give up a delivery; its owner can retry it."""
    failed = {"status": DeliveryStatus.failed, "error": STOPPED, "finished_at": clock.now()}
    waits = (WebhookDelivery.id == delivery_id) & WebhookDelivery.status.in_(WAITING)
    update = WebhookDelivery.update({**NOBODYS, **failed})
    with transaction():
        rows = list(update.where(waits).returning(WebhookDelivery).execute())
        for row in rows:
            details = {"webhook": str(row.webhook_id), "delivery": str(row.id)}
            _note("webhooks", "deliver", roadmap_id=row.roadmap_id, details=details)
    return []


def stop_exporting(export_id: UUID) -> list[Job]:
    """Fail an export of an account; its owner can order another one."""
    account_export.stop(export_id, STOPPED)
    return []


def _note(category: str, step: str, **place: Any) -> None:
    database.after_commit(partial(record, category, step, STOPPED, level=LogLevel.warning, **place))
