"""From a goal to an outline: claim, design, save with the pending contents.

Idempotent: run twice, it changes nothing and calls no model again. A roadmap is claimed by a lease, and the outline is
saved only while the lease is still ours. No connection is held while a generator thinks.
"""

from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.ids import new_id
from core.runtime import session, settings, transaction
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap import events, leases
from roadmap.attempts import MOST_INTERRUPTIONS, asked, ms_since, note_fault, pause, saved
from roadmap.briefs import GeneratorFault
from roadmap.events import EventType
from roadmap.execution_log import LogLevel, record
from roadmap.generator import Generator
from roadmap.leases import PLANNING, keeper
from roadmap.outline import ContentKind, Outline, problems, total_weeks, weeks
from roadmap.requests import accepted_request
from roadmap.statuses import ContentStatus, RoadmapStatus
from roadmap.steps import Step, StepName


def plan(roadmap_id: UUID, generator: Generator) -> list[Step]:
    """Design the outline and save it with its pending contents; returns a step for each of them."""
    with leases.Quarantine() as quarantine:
        try:
            claimed = _claim_roadmap(roadmap_id, quarantine)
        except leases.NotNow:
            return leases.later(PLANNING, roadmap_id)
        if claimed is None:
            return leases.look_again(PLANNING, roadmap_id) + _unstarted(roadmap_id)
        row, token = claimed
        if row.interruptions >= MOST_INTERRUPTIONS:
            return _fail_roadmap(row, token, "Its worker died or hung too often while planning it. Create the roadmap again.")
        with keeper.holding(PLANNING, token):
            return _design(row, token, generator)


def _claim_roadmap(roadmap_id: UUID, quarantine: leases.Quarantine) -> tuple[Roadmap, UUID] | None:
    with transaction():
        token = leases.claim(PLANNING, roadmap_id, last_seq=Roadmap.last_seq + 1, updated_at=clock.now())
        if token is None:
            return None
        row = Roadmap.get_by_id(roadmap_id)
        quarantine.check(row)
        events.append(row.id, row.last_seq, (EventType.planning, {"attempt": row.attempts}))
    return row, token


def _design(row: Roadmap, token: UUID, generator: Generator) -> list[Step]:
    started = monotonic()
    try:
        outline = asked(lambda: generator.outline(accepted_request(row)))
        if found := problems(outline):
            raise GeneratorFault(f"The outline does not hold together: {' '.join(found[:3])}")
    except GeneratorFault as fault:
        return saved(partial(_plan_failed, row, token, fault))
    if saved(partial(_save_outline, row, token, outline, generator)):
        message = f"Outlined '{outline.title}' in {total_weeks(outline, row.hours_per_week)} weeks"
        record("planning", "outline", message, roadmap_id=row.id, duration_ms=ms_since(started))
    return _unstarted(row.id)


def _unstarted(roadmap_id: UUID) -> list[Step]:
    """Planned already, perhaps by a worker that died before it could enqueue: say again what is pending."""
    with session():
        pending = (Content.roadmap == roadmap_id) & (Content.status == ContentStatus.pending)
        building = (Roadmap.id == Content.roadmap) & (Roadmap.status == RoadmapStatus.building)
        ids = Content.select(Content.id).join(Roadmap, on=building).where(pending).order_by(Content.id).tuples()
        return [Step(StepName.build_content, content_id) for (content_id,) in ids]


def _save_outline(row: Roadmap, token: UUID, outline: Outline, generator: Generator) -> bool:
    """False when the lease is not ours any more: then nothing is saved."""
    week_of = weeks(outline, row.hours_per_week)
    id_of = {concept.key: new_id() for concept in outline.concepts()}
    total = len(id_of) * len(ContentKind)
    stages, modules, concepts = _rows(row.id, outline, week_of, id_of)
    contents = [
        {
            "id": new_id(),
            "roadmap": row.id,
            "concept": concept_id,
            "kind": kind,
            "status": ContentStatus.pending,
            "due_at": clock.now(),
        }
        for concept_id in id_of.values()
        for kind in ContentKind
    ]
    with transaction():
        planned = _change_held(
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
        if planned is None:
            return False
        Stage.insert_many(stages).execute()
        Module.insert_many(modules).execute()
        Concept.insert_many(concepts).execute()
        for batch in peewee.chunked(contents, 100):
            Content.insert_many(batch).execute()
        counts = {"title": outline.title, "stages": len(stages), "concepts": len(concepts), "contents": total}
        events.append(row.id, planned.last_seq, (EventType.outlined, counts))
    return True


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
    waits = {"status": RoadmapStatus.queued, "error": str(fault), "due_at": clock.now() + timedelta(seconds=wait)}
    with transaction():
        held = _change_held(row.id, token, new_events=0, **waits)
    if held is None:  # another worker took over, and tells of its own tries
        return []
    note_fault("outline", fault, wait, roadmap_id=row.id)
    return [Step(StepName.plan_roadmap, row.id, delay=wait)]


def _fail_roadmap(row: Roadmap, token: UUID, reason: str) -> list[Step]:
    with transaction():
        failed = _change_held(row.id, token, status=RoadmapStatus.failed, error=reason, finished_at=clock.now())
        if failed is None:
            return []
        events.append(row.id, failed.last_seq, (EventType.failed, {"reason": reason}))
    record("planning", "outline", reason, level=LogLevel.error, roadmap_id=row.id)
    return []


def _change_held(roadmap_id: UUID, token: UUID, *, new_events: int = 1, **changes: Any) -> Roadmap | None:
    """Give up the lease with these changes and take numbers for events; None when the lease is not ours any more."""
    numbered = {**changes, "last_seq": Roadmap.last_seq + new_events, "updated_at": clock.now()}
    return leases.give_up(Roadmap, roadmap_id, token, **numbered)
