"""Course of a roadmap: its concepts in the order of learning."""

from uuid import UUID

from core.db import session
from core.lazy_model import LazyModel
from models.roadmaps import Concept, Module, Stage
from roadmap.accounts.access import get_owned
from roadmap.plan.statuses import ConceptProgress, RoadmapStatus


class CourseStep(LazyModel):
    id: UUID
    title: str
    module: str
    stage: str
    progress: ConceptProgress


class Course(LazyModel):
    """`steps` in the order of learning."""

    roadmap_id: UUID
    title: str
    language: str
    status: RoadmapStatus
    steps: list[CourseStep]


def course(owner_id: UUID, roadmap_id: UUID) -> Course:
    """Return the course of a roadmap, in two queries. Raises NotFound."""
    planned = (
        Concept.select(Concept.id, Concept.title, Concept.progress, Module.title, Stage.title)
        .join(Module)
        .join(Stage)
        .where(Concept.roadmap == roadmap_id, ~Concept.removed)
        .order_by(Stage.position, Module.position, Concept.position)
    )
    with session():
        row = get_owned(owner_id, roadmap_id)
        return Course(
            roadmap_id=roadmap_id,
            title=row.title or row.goal,
            language=row.language,
            status=row.status,
            steps=[
                CourseStep(id=id_, title=title, progress=progress, module=module, stage=stage)
                for id_, title, progress, module, stage in planned.tuples()
            ],
        )
