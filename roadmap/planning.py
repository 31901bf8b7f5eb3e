"""From a goal to an outline: claim, design, save with the pending contents.

Idempotent: run twice, it changes nothing and calls no model again. A roadmap is claimed by a conditional UPDATE that sets
a lease: one row changed means that it is ours, none that somebody else has it or that it is planned. The outline is saved
only while the lease is still ours. No connection is held while a generator thinks.
"""

from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.ids import new_id
from core.runtime import session, settings, transaction
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap import events
from roadmap.attempts import CONTENT_PATIENCE, ms_since, note_fault, overdue_from, pause, until_free
from roadmap.briefs import GeneratorFault
from roadmap.events import EventType
from roadmap.execution_log import LogLevel, record
from roadmap.generator import Generator
from roadmap.outline import ContentKind, Outline, problems, total_weeks, weeks
from roadmap.requests import accepted_request
from roadmap.statuses import ContentStatus, RoadmapStatus
from roadmap.steps import Step, StepName


def plan(roadmap_id: UUID, generator: Generator) -> list[Step]:
    """Design the outline and save it with its pending contents; returns a step for each of them."""
    claimed = _claim_roadmap(roadmap_id)
    if claimed is None:
        return _look_again(roadmap_id) + _unstarted(roadmap_id)
    row, token = claimed
    if row.attempts > settings.max_attempts:
        return _fail_roadmap(row, token, "Its planning was interrupted too often. Create the roadmap again.")
    started = monotonic()
    try:
        outline = generator.outline(accepted_request(row))
        if found := problems(outline):
            raise GeneratorFault(f"The outline does not hold together: {' '.join(found[:3])}")
    except GeneratorFault as fault:
        return _plan_failed(row, token, fault)
    steps = _save_outline(row, token, outline, generator)
    if steps:
        message = f"Outlined '{outline.title}' in {total_weeks(outline, row.hours_per_week)} weeks"
        record("planning", "outline", message, roadmap_id=row.id, duration_ms=ms_since(started))
    return steps


def _claim_roadmap(roadmap_id: UUID) -> tuple[Roadmap, UUID] | None:
    """Ours when it waits, or when whoever planned it is silent for longer than the lease."""
    now, token = clock.now(), new_id()
    free = (Roadmap.status == RoadmapStatus.queued) | ((Roadmap.status == RoadmapStatus.planning) & (Roadmap.lease_until < now))
    with transaction():
        claim = Roadmap.update(
            status=RoadmapStatus.planning,
            lease_token=token,
            lease_until=now + timedelta(seconds=settings.lease_seconds),
            attempts=Roadmap.attempts + 1,
            last_seq=Roadmap.last_seq + 1,
            updated_at=now,
        ).where(Roadmap.id == roadmap_id, free)
        if claim.execute() != 1:
            return None
        row = Roadmap.get_by_id(roadmap_id)
        events.append(row.id, row.last_seq, (EventType.planning, {"attempt": row.attempts}))
    return row, token


def _look_again(roadmap_id: UUID) -> list[Step]:
    """Somebody holds it. If that was a worker that died, its lease runs out: come back then."""
    with session():
        row = Roadmap.get_or_none(Roadmap.id == roadmap_id, Roadmap.status == RoadmapStatus.planning)
    return [] if row is None else [Step(StepName.plan_roadmap, roadmap_id, delay=until_free(row.lease_until))]


def _unstarted(roadmap_id: UUID) -> list[Step]:
    """Planned already, perhaps by a worker that died before it could enqueue: say again what is pending."""
    with session():
        pending = (Content.roadmap == roadmap_id) & (Content.status == ContentStatus.pending)
        building = (Roadmap.id == Content.roadmap) & (Roadmap.status == RoadmapStatus.building)
        ids = Content.select(Content.id).join(Roadmap, on=building).where(pending).order_by(Content.id).tuples()
        return [Step(StepName.build_content, content_id) for (content_id,) in ids]


def _save_outline(row: Roadmap, token: UUID, outline: Outline, generator: Generator) -> list[Step]:
    week_of = weeks(outline, row.hours_per_week)
    id_of = {concept.key: new_id() for concept in outline.concepts()}
    total = len(id_of) * len(ContentKind)
    due_at = overdue_from(clock.now(), patience=CONTENT_PATIENCE)
    stages, modules, concepts = _rows(row.id, outline, week_of, id_of)
    contents = [
        {
            "id": new_id(),
            "roadmap": row.id,
            "concept": concept_id,
            "kind": kind,
            "status": ContentStatus.pending,
            "due_at": due_at,
        }
        for concept_id in id_of.values()
        for kind in ContentKind
    ]
    with transaction():
        saved = _change_held(
            row.id,
            token,
            status=RoadmapStatus.building,
            title=outline.title,
            generator=generator.name,
            hours=outline.hours,
            weeks=total_weeks(outline, row.hours_per_week),
            contents_total=total,
            error="",
        )
        if saved is None:  # another worker took over, or it was cancelled
            return []
        Stage.insert_many(stages).execute()
        Module.insert_many(modules).execute()
        Concept.insert_many(concepts).execute()
        for batch in peewee.chunked(contents, 100):
            Content.insert_many(batch).execute()
        counts = {"title": outline.title, "stages": len(stages), "concepts": len(concepts), "contents": total}
        events.append(row.id, saved.last_seq, (EventType.outlined, counts))
    return [Step(StepName.build_content, content["id"]) for content in contents]


def _rows(
    roadmap_id: UUID, outline: Outline, week_of: dict[str, int], id_of: dict[str, UUID]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    stages, modules, concepts = [], [], []
    for stage_at, stage in enumerate(outline.stages):
        stage_id = new_id()
        head = {"roadmap": roadmap_id, "title": stage.title, "description": stage.description}
        stages.append({**head, "id": stage_id, "position": stage_at})
        for module_at, module in enumerate(stage.modules):
            module_id = new_id()
            head = {"roadmap": roadmap_id, "title": module.title, "description": module.description}
            modules.append({**head, "id": module_id, "stage": stage_id, "position": module_at})
            for concept_at, concept in enumerate(module.concepts):
                fields = concept.model_dump(exclude={"prerequisites"})
                place = {"roadmap": roadmap_id, "module": module_id, "position": concept_at, "week": week_of[concept.key]}
                needs = [str(id_of[key]) for key in concept.prerequisites]
                concepts.append({**fields, **place, "id": id_of[concept.key], "prerequisites": needs})
    return stages, modules, concepts


def _plan_failed(row: Roadmap, token: UUID, fault: GeneratorFault) -> list[Step]:
    if fault.lasting or row.attempts >= settings.max_attempts:
        return _fail_roadmap(row, token, str(fault))
    wait = pause(row.attempts, fault)
    with transaction():
        later = overdue_from(clock.now(), after=wait)
        held = _change_held(row.id, token, new_events=0, status=RoadmapStatus.queued, error=str(fault), due_at=later)
    if held is None:  # another worker took over, and tells of its own tries
        return []
    note_fault("outline", fault, wait, roadmap_id=row.id)
    return [Step(StepName.plan_roadmap, row.id, delay=wait)]


def _fail_roadmap(row: Roadmap, token: UUID, reason: str) -> list[Step]:
    with transaction():
        saved = _change_held(row.id, token, status=RoadmapStatus.failed, error=reason, finished_at=clock.now())
        if saved is None:
            return []
        events.append(row.id, saved.last_seq, (EventType.failed, {"reason": reason}))
    record("planning", "outline", reason, level=LogLevel.error, roadmap_id=row.id)
    return []


def _change_held(roadmap_id: UUID, token: UUID, *, new_events: int = 1, **changes: Any) -> Roadmap | None:
    """Give up the lease with these changes and take numbers for events; None when the lease is not ours any more."""
    numbered = {
        **changes,
        "last_seq": Roadmap.last_seq + new_events,
        "lease_token": None,
        "lease_until": None,
        "updated_at": clock.now(),
    }
    held = (Roadmap.id == roadmap_id) & (Roadmap.lease_token == token)
    changed = list(Roadmap.update(numbered).where(held).returning(Roadmap).execute())
    return changed[0] if changed else None
