"""What is told of roadmaps. Every query is scoped by owner; what belongs to others is NotFound."""

import hashlib
from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from core.errors import NotFound
from core.runtime import database, is_postgres, session
from models.logs import ExecutionLog
from models.roadmaps import Concept, Content, ContentVersion, Module, Revision, Roadmap, Stage
from roadmap.applying import key_of
from roadmap.contents import QuizDetail, without_answers
from roadmap.execution_log import LogLevel
from roadmap.link_states import CheckedResource, checked
from roadmap.notes import notes_tag
from roadmap.outline import Analysis, ContentKind, Level, Quiz
from roadmap.ownership import newest_of, owned
from roadmap.receipts import Estimate, pending_estimate
from roadmap.spending import money
from roadmap.statuses import FINAL, ConceptProgress, ContentStatus, Progress, RoadmapStatus

PARTS = "c.id || ' ' || c.status || ' ' || c.version || ' ' || c.error"
LEARNED = "n.id || ' ' || n.progress || ' ' || coalesce(CAST(n.progress_at AS text), '')"
STATE_ON_POSTGRES = f"""SELECT sha256(convert_to(concat(r,
    (SELECT string_agg({PARTS}, ' ' ORDER BY c.id) FROM content c WHERE c.roadmap_id = r.id),
    (SELECT string_agg({LEARNED}, ' ' ORDER BY n.id) FROM concept n WHERE n.roadmap_id = r.id)), 'UTF8'))::text
    FROM roadmap r WHERE r.id = %s AND r.owner_id = %s AND r.trashed_at IS NULL"""
STATE_ON_SQLITE = f"""SELECT r.*,
    (SELECT group_concat({PARTS}) FROM content c WHERE c.roadmap_id = r.id),
    (SELECT group_concat({LEARNED}) FROM concept n WHERE n.roadmap_id = r.id)
    FROM roadmap r WHERE r.id = ? AND r.owner_id = ? AND r.trashed_at IS NULL"""
Item = TypeVar("Item")


class RoadmapFacts(BaseModel):
    """What its owner and operators are told alike. `spent` is in CURRENCY, with what is reserved for calls that run."""

    id: UUID
    goal: str = Field(description="What the person wants to be able to do, as it was said.")
    title: str = Field(description="What the roadmap is called; empty: it has no plan yet.")
    status: RoadmapStatus
    error: str = Field(description="What went wrong; empty: nothing.")
    generator: str = Field(
        description="Who makes it: the catalogue, or a model; empty: it has no plan yet."
    )
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    progress: Progress = Field(description="How far its making is.")
    spent: Decimal = Field(
        description="What it has cost, in CURRENCY, with what is reserved for calls that run."
    )
    over_budget: bool = Field(
        description="Whether something stays unwritten because a budget was spent."
    )
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(description="When its making ended; null: it has not.")


class RoadmapSummary(RoadmapFacts):
    """`revision` 0: there is no outline yet."""

    level: Level = Field(description="What the person knew already.")
    hours_per_week: int = Field(description="Hours for learning, a week.")
    deadline: date | None = Field(description="Day by which it should be reached.")
    begins_on: date = Field(description="From when the plan counts.")
    weeks: int = Field(description="How long it takes with these hours a week.")
    hours: int = Field(description="Hours of all concepts.")
    revision: int = Field(description="The number of the current plan; 0: there is none yet.")


class ContentState(BaseModel):
    """`version` 0: nothing is written yet."""

    status: ContentStatus
    version: int = Field(description="Which is shown; 0: nothing is written yet.")
    error: str = Field(description="What went wrong; empty: nothing.")


class ConceptNode(BaseModel):
    """`key` names it in all revisions and in edits."""

    id: UUID
    key: str = Field(description="Its name in all revisions and in edits.")
    title: str = Field(description="What it is called.")
    description: str = Field(description="What it is about.")
    hours: int = Field(description="Hours that it takes to learn.")
    week: int = Field(description="In which week it is begun, from 1.")
    difficulty: int = Field(description="From 1, easy, to 5, hard.")
    prerequisites: list[UUID] = Field(description="The ids of the concepts that one needs before.")
    outcomes: list[str] = Field(description="What one can do afterwards.")
    progress: ConceptProgress = Field(description="How far the learner is with it.")
    progress_at: datetime | None = Field(description="Since when; null: it is not begun.")
    contents: dict[ContentKind, ContentState] = Field(
        description="The state of its parts: tutorial, resources, quiz."
    )


class ModuleNode(BaseModel):
    id: UUID
    key: str = Field(description="Its name in all revisions and in edits.")
    title: str = Field(description="What it is called.")
    description: str = Field(description="What it is about.")
    hours: int = Field(description="Hours of its concepts.")
    concepts: list[ConceptNode] = Field(description="In the order in which they are learned.")


class StageNode(BaseModel):
    id: UUID
    key: str = Field(description="Its name in all revisions and in edits.")
    title: str = Field(description="What it is called.")
    description: str = Field(description="What it is about.")
    hours: int = Field(description="Hours of its concepts.")
    modules: list[ModuleNode] = Field(description="In the order in which they are learned.")


class Learned(BaseModel):
    """Concepts of the plan by what the learner has said of them, and the hours of those that are done or skipped."""

    done: int = Field(description="Concepts.")
    skipped: int = Field(description="Concepts.")
    learning: int = Field(description="Concepts.")
    total: int = Field(description="All concepts.")
    hours_done: int = Field(description="Hours of those that are done or skipped.")

    @property
    def is_begun(self) -> bool:
        return self.done + self.skipped + self.learning > 0


class RoadmapTree(RoadmapSummary):
    """`remarks`: what should be better with the plan, and had to be accepted. `estimate`: of what is still to be written,
    while the plan waits for review.
    """

    review: bool = Field(
        description="Whether its plan waits for approval before contents are written."
    )
    resource_language: str | None = Field(
        description="A second language in which resources may be."
    )
    analysis: Analysis | None = Field(
        description="What the plan was designed from; null: it is not there yet."
    )
    remarks: list[str] = Field(
        description="What should be better with the plan, and had to be accepted."
    )
    estimate: Estimate | None = Field(
        description="What it will cost to write the rest, while the plan waits for review."
    )
    learned: Learned = Field(description="How far the learner is.")
    stages: list[StageNode] = Field(description="The plan; empty: there is none yet.")


class TutorialDetail(BaseModel):
    markdown: str = Field(description="Markdown without HTML.")
    language: str | None = Field(
        None, description="As a BCP 47 tag, where it is not the language of the roadmap."
    )
    version: int = Field(description="Which one it is.")
    generator: str = Field(description="Who has written it.")


class ConceptDetail(ConceptNode):
    """With what is written of its contents so far; null where nothing is."""

    roadmap_id: UUID
    notes: str = Field(description="The learner's own.")
    notes_tag: str = Field(description="Changes with the notes: `base` of a change.")
    tutorial: TutorialDetail | None = Field(description="Null: it is not written yet.")
    resources: list[CheckedResource] | None = Field(
        description="Where more can be read and seen; null: they are not there yet."
    )
    quiz: QuizDetail | None = Field(description="Without its answers; null: it is not written yet.")


class LogRecord(BaseModel):
    id: UUID
    at: datetime
    level: LogLevel = Field(description="How much it matters.")
    category: str = Field(description="Which part of the service says it.")
    step: str = Field(description="What was being done.")
    message: str = Field(description="What has happened, in words.")
    details: dict[str, Any] | None = Field(description="More of it, as data.")
    duration_ms: int | None = Field(description="For how long, in milliseconds.")
    concept_id: UUID | None = Field(description="About which concept; null: about none.")


class Page(BaseModel, Generic[Item]):
    """`next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


def list_roadmaps(
    owner_id: UUID, *, limit: int, before: UUID | None, status: RoadmapStatus | None
) -> Page[RoadmapSummary]:
    """The owner's roadmaps, newest first; `before` is the id that the page before ended with."""
    with session():
        rows = list(newest_of(owner_id, before=before, status=status).limit(limit + 1))
    return _page([summary_of(row) for row in rows], limit)


def summary_of(row: Roadmap) -> RoadmapSummary:
    return RoadmapSummary(**_summary(row))


def summary(owner_id: UUID, roadmap_id: UUID) -> RoadmapSummary:
    """Raises NotFound."""
    with session():
        return summary_of(owned(owner_id, roadmap_id))


def last_event(owner_id: UUID, roadmap_id: UUID) -> tuple[int, bool]:
    """The number of the roadmap's last event so far, and whether it is the last of all. Raises NotFound."""
    with session():
        row = owned(owner_id, roadmap_id)
    return row.last_seq, row.status in FINAL


def status_of(owner_id: UUID, roadmap_id: UUID) -> RoadmapStatus:
    """Raises NotFound."""
    with session():
        return RoadmapStatus(owned(owner_id, roadmap_id).status)


def roadmap_tree(owner_id: UUID, roadmap_id: UUID, *, with_trash: bool = False) -> RoadmapTree:
    """The whole roadmap as it is planned now, in six queries. Raises NotFound."""
    with session():
        row = owned(owner_id, roadmap_id, with_trash=with_trash)
        stages = list(_planned(Stage, roadmap_id))
        modules = _by(_planned(Module, roadmap_id), "stage_id")
        concepts = _by(_planned(Concept, roadmap_id), "module_id")
        contents = _by(Content.select().where(Content.roadmap == roadmap_id), "concept_id")
        current = (Revision.roadmap == roadmap_id) & (Revision.number == row.revision)
        estimate = (
            pending_estimate(roadmap_id) if row.status == RoadmapStatus.awaiting_review else None
        )
        remarks = Revision.select(Revision.problems).where(current).scalar() or []
    nodes = [_stage_node(stage, modules, concepts, contents) for stage in stages]
    more = {name: getattr(row, name) for name in ("review", "resource_language", "analysis")}
    learned = _learned(_concepts(nodes))
    return RoadmapTree(
        **_summary(row), **more, remarks=remarks, estimate=estimate, learned=learned, stages=nodes
    )


def tree_state(owner_id: UUID, roadmap_id: UUID) -> bytes:
    """Another one after every change of what `roadmap_tree` tells, but for an estimate; in one query. Raises NotFound.

    A plan changes with the row of its roadmap only, contents and progress without it.
    """
    keys = (Roadmap.id.db_value(roadmap_id), Roadmap.owner.db_value(owner_id))
    with session():
        row = database.execute_sql(
            STATE_ON_POSTGRES if is_postgres() else STATE_ON_SQLITE, keys
        ).fetchone()
        if row is None:
            owned(owner_id, roadmap_id)  # which says why
            raise NotFound("There is no such roadmap.")
    return hashlib.sha256(repr(row).encode()).digest()


def resources_of(roadmap_id: UUID, concept_id: UUID) -> list[CheckedResource] | None:
    """As `concept_detail` tells them."""
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    its = (
        Content.concept == concept_id,
        Content.roadmap == roadmap_id,
        Content.kind == ContentKind.resources,
    )
    with session():
        return _resources(
            ContentVersion.select(ContentVersion).join(Content, on=current).where(*its).first()
        )


def concept_detail(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> ConceptDetail:
    """Raises NotFound."""
    with session():
        owned(owner_id, roadmap_id)
        concept = Concept.get_or_none(
            Concept.id == concept_id, Concept.roadmap == roadmap_id, ~Concept.removed
        )
        if concept is None:
            raise NotFound("There is no such concept in this roadmap.")
        contents = list(Content.select().where(Content.concept == concept_id))
        current = (ContentVersion.content == Content.id) & (
            ContentVersion.version == Content.version
        )
        written = ContentVersion.select(ContentVersion, Content).join(Content, on=current)
        versions = {
            version.content.kind: version
            for version in written.where(Content.concept == concept_id)
        }
        resources = _resources(versions.get(ContentKind.resources))
    node = _concept_node(concept, contents)
    return ConceptDetail(
        **node.model_dump(),
        roadmap_id=roadmap_id,
        **_notes(concept),
        **_written(versions),
        resources=resources,
    )


def list_logs(
    owner_id: UUID,
    roadmap_id: UUID,
    *,
    limit: int,
    after: UUID | None,
    level: str | None,
    category: str | None,
) -> Page[LogRecord]:
    """The roadmap's execution log, oldest first. Raises NotFound."""
    query = ExecutionLog.select().where(ExecutionLog.roadmap_id == roadmap_id)
    if after is not None:
        query = query.where(ExecutionLog.id > after)
    if level is not None:
        query = query.where(ExecutionLog.level == level)
    if category is not None:
        query = query.where(ExecutionLog.category == category)
    with session():
        owned(owner_id, roadmap_id)
        rows = list(query.order_by(ExecutionLog.id).limit(limit + 1))
    return _page([LogRecord.model_validate(row, from_attributes=True) for row in rows], limit)


def concepts_of(tree: RoadmapTree) -> list[ConceptNode]:
    """In the order of learning."""
    return _concepts(tree.stages)


def _concepts(stages: list[StageNode]) -> list[ConceptNode]:
    return [concept for stage in stages for module in stage.modules for concept in module.concepts]


def _learned(concepts: list[ConceptNode]) -> Learned:
    counts = Counter(concept.progress for concept in concepts)
    behind = (ConceptProgress.done, ConceptProgress.skipped)
    return Learned(
        done=counts[ConceptProgress.done],
        skipped=counts[ConceptProgress.skipped],
        learning=counts[ConceptProgress.learning],
        total=len(concepts),
        hours_done=sum(concept.hours for concept in concepts if concept.progress in behind),
    )


def _planned(table: type[Stage] | type[Module] | type[Concept], roadmap_id: UUID) -> Any:
    """What is in the current plan, in order."""
    return (
        table.select().where(table.roadmap == roadmap_id, ~table.removed).order_by(table.position)
    )


def _page(items: list[Any], limit: int) -> Page[Any]:
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=str(items[limit - 1].id) if more else None)


def _by(query: Any, field: str) -> dict[UUID, list[Any]]:
    groups: dict[UUID, list[Any]] = defaultdict(list)
    for row in query:
        groups[getattr(row, field)].append(row)
    return groups


def _summary(row: Roadmap) -> dict[str, Any]:
    progress = Progress(
        ready=row.contents_ready, failed=row.contents_failed, total=row.contents_total
    )
    made = {
        "progress": progress,
        "spent": money(row.spent),
        "revision": row.revision or int(bool(row.title)),
    }
    made["begins_on"] = row.begins_on or row.created_at.date()
    return {
        **{name: getattr(row, name) for name in RoadmapSummary.model_fields.keys() - made},
        **made,
    }


def _stage_node(stage: Stage, modules: Any, concepts: Any, contents: Any) -> StageNode:
    nodes = [_module_node(module, concepts, contents) for module in modules[stage.id]]
    hours = sum(node.hours for node in nodes)
    head = {
        "id": stage.id,
        "key": key_of(stage),
        "title": stage.title,
        "description": stage.description,
    }
    return StageNode(**head, hours=hours, modules=nodes)


def _module_node(module: Module, concepts: Any, contents: Any) -> ModuleNode:
    nodes = [_concept_node(concept, contents[concept.id]) for concept in concepts[module.id]]
    hours = sum(node.hours for node in nodes)
    head = {
        "id": module.id,
        "key": key_of(module),
        "title": module.title,
        "description": module.description,
    }
    return ModuleNode(**head, hours=hours, concepts=nodes)


def _concept_node(concept: Concept, contents: list[Content]) -> ConceptNode:
    states = {
        c.kind: ContentState(status=c.status, version=c.version, error=c.error) for c in contents
    }
    ordered = {kind: states[kind] for kind in ContentKind if kind in states}
    fields = (name for name in ConceptNode.model_fields if name != "contents")
    return ConceptNode(**{name: getattr(concept, name) for name in fields}, contents=ordered)


def _notes(concept: Concept) -> dict[str, str]:
    return {"notes": concept.notes, "notes_tag": notes_tag(concept.notes)}


def _resources(version: ContentVersion | None) -> list[CheckedResource] | None:
    return None if version is None else checked(version.body["items"])


def _written(versions: dict[str, ContentVersion]) -> dict[str, Any]:
    tutorial, quiz = (versions.get(kind) for kind in ("tutorial", "quiz"))
    return {
        "tutorial": tutorial
        and TutorialDetail(**tutorial.body, version=tutorial.version, generator=tutorial.generator),
        "quiz": quiz and without_answers(Quiz.model_validate(quiz.body), quiz.version),
    }
