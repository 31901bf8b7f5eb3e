"""A roadmap as a way to walk: its concepts one after the other, for whoever stands at one of them."""

from uuid import UUID

from pydantic import BaseModel

from core.db import session
from models.roadmaps import Concept, Module, Stage
from roadmap.accounts.access import get_owned
from roadmap.plan.statuses import ConceptProgress, RoadmapStatus


class CourseStep(BaseModel):
    id: UUID
    title: str
    module: str
    stage: str
    progress: ConceptProgress


class Course(BaseModel):
    """`steps` in the order of learning."""

    roadmap_id: UUID
    title: str
    language: str
    status: RoadmapStatus
    steps: list[CourseStep]


def course(owner_id: UUID, roadmap_id: UUID) -> Course:
    """In two queries. Raises NotFound."""
    query = (
        Concept.select(Concept.id, Concept.title, Concept.progress, Module.title, Stage.title)
        .join(Module)
        .join(Stage)
    )
    planned = query.where(Concept.roadmap == roadmap_id, ~Concept.removed)
    with session():
        row = get_owned(owner_id, roadmap_id)
        rows = list(planned.order_by(Stage.position, Module.position, Concept.position).tuples())
    names = ("id", "title", "progress", "module", "stage")
    steps = [CourseStep(**dict(zip(names, each, strict=True))) for each in rows]
    return Course(
        roadmap_id=roadmap_id,
        title=row.title or row.goal,
        language=row.language,
        status=row.status,
        steps=steps,
    )
