"""Course of a roadmap: its concepts in the order of learning; and the state of one lesson."""

import hashlib
from uuid import UUID

from core.db import database, is_postgres, session, settings
from core.errors import NotFound
from core.json_types import LazyModel
from models.roadmaps import UNNOTED, Concept, Content, Module, Roadmap, Stage
from roadmap.accounts.access import get_owned
from roadmap.plan.statuses import ConceptProgress, RoadmapStatus

PARTS = (
    "c.id || ' ' || c.status || ' ' || c.version || ' ' || coalesce(c.links_noted, 0) || c.error"
)
LINKS = "l.digest || ' ' || l.state || ' ' || coalesce(CAST(l.checked_at AS text), '') || l.reason"
USED = """FROM content c JOIN link_use u ON u.content_id = c.id
    JOIN checked_link l ON l.digest = u.link_id WHERE c.concept_id = n.id"""
OWN = """FROM concept n JOIN roadmap r ON r.id = n.roadmap_id
    WHERE n.id = {0} AND r.id = {0} AND r.owner_id = {0} AND r.trashed_at IS NULL"""
ATTEMPT = """(SELECT CAST(a.id AS text) || ' ' || coalesce(CAST(a.reread_at AS text), '')
    FROM quiz_attempt a WHERE a.concept_id = n.id ORDER BY a.id DESC LIMIT 1)"""
ZONE = "(SELECT time_zone FROM account WHERE id = r.owner_id)"
# Done and open concepts of its stage
IN_STAGE = """(SELECT count(CASE WHEN o.progress = 'done' THEN 1 END) || ' ' ||
    count(CASE WHEN o.progress IN ('todo', 'learning') THEN 1 END)
    FROM concept o JOIN module m ON m.id = o.module_id WHERE NOT o.removed
    AND m.stage_id = (SELECT stage_id FROM module WHERE id = n.module_id))"""
STATE_ON_POSTGRES = f"""SELECT r::text, n::text, {ATTEMPT}, {IN_STAGE}, {ZONE},
    (SELECT string_agg({PARTS}, ' ' ORDER BY c.id) FROM content c WHERE c.concept_id = n.id),
    (SELECT string_agg({LINKS}, ' ' ORDER BY l.digest) {USED}) {OWN.format("%s")}"""
STATE_ON_SQLITE = f"""SELECT r.*, n.*, {ATTEMPT}, {IN_STAGE}, {ZONE},
    (SELECT group_concat({PARTS}) FROM content c WHERE c.concept_id = n.id),
    (SELECT group_concat({LINKS}) {USED}) {OWN.format("?")}"""


class CourseStep(LazyModel):
    id: UUID
    title: str
    module: str
    stage: str
    stage_id: UUID
    progress: ConceptProgress


class Course(LazyModel):
    """`steps` in the order of learning."""

    roadmap_id: UUID
    title: str
    language: str
    status: RoadmapStatus
    steps: list[CourseStep]


@session()
def course(owner_id: UUID, roadmap_id: UUID) -> Course:
    """Return the course of a roadmap, in two queries. Raises NotFound."""
    planned = (
        Concept.select(
            Concept.id, Concept.title, Module.title, Stage.title, Stage.id, Concept.progress
        )
        .join(Module)
        .join(Stage)
        .where(Concept.roadmap == roadmap_id, ~Concept.removed)
        .order_by(Stage.position, Module.position, Concept.position)
    )
    row = get_owned(owner_id, roadmap_id)
    return Course(
        roadmap_id=roadmap_id,
        title=row.title or row.goal,
        language=row.language,
        status=row.status,
        steps=[
            CourseStep(**dict(zip(CourseStep.model_fields, step, strict=True)))
            for step in planned.tuples()
        ],
    )


def are_links_registered(concept_id: UUID) -> bool:
    """Whether the state of a lesson tells of the checks of all its links, if there are any."""
    if not settings.link_check_days:
        return True
    with session():
        return not Content.select().where(Content.concept == concept_id, UNNOTED).exists()


def lesson_state(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> bytes:
    """Return a hash of all that a lesson shows: plan, contents, links, notes, attempt and zone.

    In one query. A plan changes with the row of its roadmap, and a link that is registered with its
    checks. Raises NotFound.
    """
    keys = [
        Concept.id.db_value(concept_id),
        *(Roadmap.id.db_value(roadmap_id), Roadmap.owner.db_value(owner_id)),
    ]
    statement = STATE_ON_POSTGRES if is_postgres() else STATE_ON_SQLITE
    with session():
        row = database.execute_sql(statement, keys).fetchone()
        if row is None:
            get_owned(owner_id, roadmap_id)  # raises NotFound or InTrash
            raise NotFound("This concept does not exist in this roadmap.")
    return hashlib.sha256(repr(row).encode()).digest()
