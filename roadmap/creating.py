"""Accepting roadmaps: many requests, one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import peewee

from core import clock
from core.errors import Unauthenticated, Unavailable
from core.ids import new_id
from core.runtime import transaction
from models.roadmaps import Roadmap
from roadmap import events
from roadmap.events import EventType
from roadmap.requests import RoadmapRequest
from roadmap.statuses import RoadmapStatus
from roadmap.steps import Step, StepName


@dataclass(frozen=True, slots=True)
class NewRoadmap:
    """An accepted request on its way into the database."""

    owner_id: UUID
    request: RoadmapRequest
    id: UUID


def new_roadmap(owner_id: UUID, request: RoadmapRequest) -> NewRoadmap:
    return NewRoadmap(owner_id=owner_id, request=request, id=new_id())


def create_many(batch: Sequence[NewRoadmap]) -> list[Step | Exception]:
    """Commit all of them together; a row that breaks the batch is tried alone, so that it fails alone."""
    try:
        _insert(batch)
    except peewee.IntegrityError:
        if len(batch) == 1:
            return [Unauthenticated("The account of this token does not exist any more. Log in again.")]
        return [result for new in batch for result in create_many([new])]
    except Unavailable as error:
        return [error] * len(batch)
    return [Step(StepName.plan_roadmap, new.id) for new in batch]


def _insert(batch: Sequence[NewRoadmap]) -> None:
    now = clock.now()
    common = {"status": RoadmapStatus.queued, "due_at": now, "last_seq": 1, "created_at": now, "updated_at": now}
    rows = [{**new.request.model_dump(), **common, "id": new.id, "owner": new.owner_id} for new in batch]
    with transaction():
        Roadmap.insert_many(rows).execute()
        events.append_first([new.id for new in batch], EventType.queued)
