"""Queries on an account's roadmaps; roadmaps of others raise NotFound."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from core.db import session
from core.errors import NotFound, required
from core.json_types import Page, from_row, page_of
from models.records import ExecutionLog
from models.roadmaps import (
    Concept,
    Content,
    ContentVersion,
    Judgement,
    Module,
    Revision,
    Roadmap,
    Stage,
)
from roadmap.accounts.access import FIRST, get_owned, newest_of
from roadmap.budget.budget import money
from roadmap.budget.cost_report import pending_estimate
from roadmap.generation.generator import is_writable
from roadmap.learning.parts import reading_minutes
from roadmap.lifecycle.links.link_status import checked
from roadmap.lifecycle.making.completion import progress
from roadmap.lifecycle.plan_rows import IS_CURRENT, key_of, planned
from roadmap.lifecycle.reading import read_states
from roadmap.operations.execution_log import LogRecord
from roadmap.plan.match import GoalMatch
from roadmap.plan.outline import CONTENT_KINDS, ContentKind, Quiz
from roadmap.plan.schemas import notes_tag
from roadmap.plan.statuses import FINAL, ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import (
    CheckedResource,
    ConceptDetail,
    ConceptNode,
    ContentState,
    ModuleNode,
    RoadmapSummary,
    RoadmapTree,
    StageNode,
    StageProject,
    TutorialDetail,
    learned_of,
    test_state,
    without_answers,
)

Node = TypeVar("Node", StageNode, ModuleNode)
KINDS = list(ContentKind)
STATE_OF_PART = (  # without its lease
    Content.id,
    Content.concept.alias("concept_id"),
    *(getattr(Content, name) for name in ("kind", *ContentState.model_fields)),
)


@session()
def list_roadmaps(
    owner_id: UUID, *, limit: int, before: UUID | None, status: RoadmapStatus | None
) -> Page[RoadmapSummary]:
    """Return a page, newest first; `before` is the last id of the previous page."""
    query = newest_of(owner_id, before=before, status=status).limit(limit + 1)
    return page_of([summary_of(row) for row in query], limit)


def summary_of(row: Roadmap) -> RoadmapSummary:
    return from_row(RoadmapSummary, row, **_computed(row))


@session()
def summary(owner_id: UUID, roadmap_id: UUID) -> RoadmapSummary:
    """Raises NotFound."""
    return summary_of(get_owned(owner_id, roadmap_id))


@session()
def last_event(owner_id: UUID, roadmap_id: UUID) -> tuple[int, bool]:
    """Return the last event's number and whether it is final. Raises NotFound."""
    row = get_owned(owner_id, roadmap_id)
    return row.last_seq, row.status in FINAL


@session()
def status_of(owner_id: UUID, roadmap_id: UUID) -> RoadmapStatus:
    """Raises NotFound."""
    return RoadmapStatus(get_owned(owner_id, roadmap_id).status)


def roadmap_tree(owner_id: UUID, roadmap_id: UUID, *, with_trash: bool = False) -> RoadmapTree:
    """Return the whole roadmap as it is planned now, in seven queries. Raises NotFound."""
    with session():
        row = get_owned(owner_id, roadmap_id, with_trash=with_trash)
        stages = list(planned(Stage, roadmap_id))
        modules = _by(planned(Module, roadmap_id), "stage_id")
        concepts = _by(planned(Concept, roadmap_id), "module_id")
        parts = _by(
            Content.select(*STATE_OF_PART).where(Content.roadmap == roadmap_id).namedtuples(),
            "concept_id",
        )
        judged = Judgement.select().where(
            Judgement.roadmap == row, Judgement.status == ContentStatus.ready
        )
        judges = [(x.stage_id, x.judge) for x in judged if "no" not in x.marks]
        minutes = reading_minutes(part for inside in parts.values() for part in inside)
        waits = row.status == RoadmapStatus.awaiting_review
        estimate = pending_estimate(roadmap_id) if waits else None
        remarks = (
            Revision.select(Revision.problems)
            .where(Revision.roadmap == roadmap_id, Revision.number == row.revision)
            .scalar()
        )
    nodes = [
        _node(
            StageNode,
            stage,
            modules=[
                _node(
                    ModuleNode,
                    module,
                    concepts=[
                        _concept_node(each, parts[each.id], minutes) for each in concepts[module.id]
                    ],
                )
                for module in modules[stage.id]
            ],
        ).model_copy(
            update={
                "project": stage.capstone
                and StageProject(
                    title=stage.capstone["title"],
                    done_at=stage.done_at,
                    judges=[judge for stage_id, judge in judges if stage_id == stage.id],
                ),
                "test": test_state(
                    [each for module in modules[stage.id] for each in concepts[module.id]],
                    stage.test,
                    is_whole=False,
                ),
            }
        )
        for stage in stages
    ]
    is_asked = row.status == RoadmapStatus.awaiting_answers
    match = row.goal_match and GoalMatch.model_validate(row.goal_match)
    summary = [match.summary] if match and match.summary else []
    return from_row(
        RoadmapTree,
        row,
        **_computed(row),
        remarks=[*summary, *(remarks or [])],
        match=match,
        estimate=estimate,
        questions=row.analysis.get("questions", []) if is_asked else [],
        learned=learned_of(nodes),
        stages=nodes,
        test=test_state([x for each in concepts.values() for x in each], row.test, is_whole=True),
    )


@session()
def tree_state(owner_id: UUID, roadmap_id: UUID) -> bytes:
    """Return the state of all that `roadmap_tree` returns, estimates excepted. Raises NotFound."""
    [state] = read_states.tree_states([(owner_id, roadmap_id)])
    if state is None:
        get_owned(owner_id, roadmap_id)  # raises NotFound or InTrash
        raise NotFound("This roadmap does not exist.")
    return state


@session()
def resources_of(roadmap_id: UUID, concept_id: UUID) -> list[CheckedResource] | None:
    """Return the resources of a concept, as in `concept_detail`."""
    query = ContentVersion.select(ContentVersion).join(Content, on=IS_CURRENT)
    mine = (Content.concept == concept_id) & (Content.roadmap == roadmap_id)
    version = query.where(mine, Content.kind == ContentKind.resources).first()
    return version and checked(version)


def concept_detail(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> ConceptDetail:
    """Raises NotFound."""
    with session():
        get_owned(owner_id, roadmap_id)
        concept = required(
            Concept.get_or_none(
                Concept.id == concept_id, Concept.roadmap == roadmap_id, ~Concept.removed
            ),
            "This concept does not exist in this roadmap.",
        )
        contents = list(Content.select().where(Content.concept == concept_id))
        node = _concept_node(concept, contents, reading_minutes(contents))
        written = ContentVersion.select(ContentVersion, Content).join(Content, on=IS_CURRENT)
        versions = {
            version.content.kind: version
            for version in written.where(Content.concept == concept_id)
        }
        details = {kind: _detail(kind, versions.get(kind)) for kind in ContentKind}
    return ConceptDetail(
        **node.model_dump(),
        roadmap_id=roadmap_id,
        notes=concept.notes,
        notes_tag=notes_tag(concept.notes),
        exercise_attempt=concept.exercise_attempt,
        more_attempts=concept.more_attempts,
        remarks={kind: version.remarks for kind, version in versions.items() if version.remarks},
        **details,
    )


@session()
def list_logs(
    owner_id: UUID,
    roadmap_id: UUID,
    *,
    limit: int,
    after: UUID | None,
    level: str | None,
    category: str | None,
) -> Page[LogRecord]:
    """Return a page of the execution log, oldest first. Raises NotFound."""
    wanted = ((ExecutionLog.level, level), (ExecutionLog.category, category))
    query = (
        ExecutionLog.select()
        .where(ExecutionLog.roadmap_id == roadmap_id, ExecutionLog.id > (after or FIRST))
        .where(*(column == value for column, value in wanted if value is not None))
        .order_by(ExecutionLog.id)
        .limit(limit + 1)
    )
    get_owned(owner_id, roadmap_id)
    return page_of([LogRecord.model_validate(row, from_attributes=True) for row in query], limit)


def _by(query: Any, field: str) -> dict[UUID, list[Any]]:
    groups: dict[UUID, list[Any]] = defaultdict(list)
    for row in query:
        groups[getattr(row, field)].append(row)
    return groups


def _computed(row: Roadmap) -> dict[str, Any]:
    """Return the fields of a summary that are not columns."""
    return {
        "progress": Progress(**progress(row)),
        "spent": money(row.spent),
        "begins_on": row.begins_on or row.created_at.date(),
    }


def _node(shape: type[Node], row: Stage | Module, **inside: list[Any]) -> Node:
    """Return a stage or a module with the sum of the hours inside."""
    return shape(
        id=row.id,
        key=key_of(row),
        title=row.title,
        description=row.description,
        hours=sum(node.hours for nodes in inside.values() for node in nodes),
        **inside,
    )


def _concept_node(
    concept: Concept, contents: Iterable[Any], minutes: Mapping[tuple[UUID, int], int]
) -> ConceptNode:
    ordered = sorted(contents, key=lambda content: KINDS.index(content.kind))
    states = {content.kind: from_row(ContentState, content) for content in ordered}
    reading = sum(minutes.get((each.id, each.version), 0) for each in ordered)
    return from_row(
        ConceptNode,
        concept,
        contents=states,
        yours=None if states or is_writable(concept.key) else True,
        reading_minutes=reading,
        practice_minutes=max(concept.hours * 60 - reading, 0),
        spent_minutes=concept.spent // 60,
    )


def _detail(kind: ContentKind, version: ContentVersion | None) -> Any:
    """Return what is written, as it is shown. Needs a session."""
    if version is None:
        return None
    if kind is ContentKind.tutorial:
        facts = {"version": version.version, "generator": version.generator}
        return TutorialDetail(**version.body, **facts)
    if kind is ContentKind.resources:
        return checked(version)
    body = CONTENT_KINDS[kind].body.model_validate(version.body)
    return without_answers(body, version.version) if isinstance(body, Quiz) else body
