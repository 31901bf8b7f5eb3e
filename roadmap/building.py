"""From a pending content to a written one, and from the last one to a finished roadmap.

Idempotent, by the same lease as in `planning`: run twice, it writes one version and calls the model once.
"""

from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from core import clock
from core.runtime import database, settings, transaction
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap import events, leases
from roadmap.attempts import MOST_INTERRUPTIONS, asked, ms_since, note_fault, pause, saved
from roadmap.briefs import ConceptBrief, GeneratorFault
from roadmap.events import EventType
from roadmap.execution_log import LogLevel, record
from roadmap.generator import Generator
from roadmap.leases import BUILDING, keeper
from roadmap.outline import ContentKind, Contents
from roadmap.requests import accepted_request
from roadmap.statuses import ContentStatus, RoadmapStatus
from roadmap.steps import Step, StepName


def build_content(content_id: UUID, generator: Generator) -> list[Step]:
    """Write one content of a concept; the last one finishes the roadmap."""
    with leases.Quarantine() as quarantine:
        try:
            claimed = _claim_content(content_id, quarantine)
        except leases.NotNow:
            return leases.later(BUILDING, content_id)
        if claimed is None:
            return leases.look_again(BUILDING, content_id)
        content, token, brief = claimed
        if content.interruptions >= MOST_INTERRUPTIONS:
            return _content_failed(content, token, "Its worker died or hung too often while writing it; retry it.")
        with keeper.holding(BUILDING, token):
            return _write(content, token, brief, generator)


def _claim_content(content_id: UUID, quarantine: leases.Quarantine) -> tuple[Content, UUID, ConceptBrief] | None:
    building = Roadmap.select(Roadmap.id).where(Roadmap.status == RoadmapStatus.building)
    with transaction():
        token = leases.claim(BUILDING, content_id, Content.roadmap.in_(building))
        if token is None:
            return None
        content, brief = _load_brief(content_id)
        quarantine.check(content)
    return content, token, brief


def _load_brief(content_id: UUID) -> tuple[Content, ConceptBrief]:
    joined = Content.select(Content, Concept, Module, Stage, Roadmap)
    joined = joined.join(Concept).join(Module).join(Stage).join(Roadmap)
    content = joined.where(Content.id == content_id).get()
    concept = content.concept
    brief = ConceptBrief(
        request=accepted_request(concept.module.stage.roadmap),
        roadmap_title=concept.module.stage.roadmap.title,
        stage_title=concept.module.stage.title,
        module_title=concept.module.title,
        key=concept.key,
        title=concept.title,
        description=concept.description,
        outcomes=tuple(concept.outcomes),
    )
    return content, brief


def _write(content: Content, token: UUID, brief: ConceptBrief, generator: Generator) -> list[Step]:
    kind = ContentKind(content.kind)
    started = monotonic()
    try:
        written = asked(lambda: generator.write(kind, brief))
    except GeneratorFault as fault:
        return saved(partial(_content_fault, content, token, brief, fault))
    if saved(partial(_save_content, content, token, written, generator)):
        message = f"Wrote the {kind} of '{brief.title}'"
        place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
        record("building", kind, message, **place, duration_ms=ms_since(started))
    return []


def _save_content(content: Content, token: UUID, written: Contents, generator: Generator) -> bool:
    """False when the lease is not ours any more: then nothing is saved."""
    version = content.version + 1
    with transaction():
        if leases.give_up(Content, content.id, token, status=ContentStatus.ready, version=version, error="") is None:
            return False
        roadmap = _count(content.roadmap_id, ready=1)
        ContentVersion.insert(
            content=content.id,
            version=version,
            body=written.model_dump(mode="json"),
            generator=generator.name,
            prompt_version=generator.prompt_version,
            created_at=clock.now(),
        ).execute()
        data = {"concept_id": str(content.concept_id), "kind": content.kind, "version": version, **_progress(roadmap)}
        events.append(roadmap.id, roadmap.last_seq, (EventType.content_ready, data))
        _finish_if_last(roadmap)
    return True


def _content_fault(content: Content, token: UUID, brief: ConceptBrief, fault: GeneratorFault) -> list[Step]:
    if fault.lasting or content.attempts >= settings.max_attempts:
        return _content_failed(content, token, str(fault))
    wait = pause(content.attempts, fault)
    waits = {"status": ContentStatus.pending, "error": str(fault), "due_at": clock.now() + timedelta(seconds=wait)}
    with transaction():
        held = leases.give_up(Content, content.id, token, **waits)
    if held is None:  # another worker took over, and tells of its own tries
        return []
    note_fault(content.kind, fault, wait, roadmap_id=content.roadmap_id, concept_id=content.concept_id)
    return [Step(StepName.build_content, content.id, delay=wait)]


def _content_failed(content: Content, token: UUID, reason: str) -> list[Step]:
    with transaction():
        if leases.give_up(Content, content.id, token, status=ContentStatus.failed, error=reason) is None:
            return []
        roadmap = _count(content.roadmap_id, failed=1)
        data = {"concept_id": str(content.concept_id), "kind": content.kind, "reason": reason, **_progress(roadmap)}
        events.append(roadmap.id, roadmap.last_seq, (EventType.content_failed, data))
        _finish_if_last(roadmap)
    record("building", content.kind, reason, level=LogLevel.error, roadmap_id=content.roadmap_id, concept_id=content.concept_id)
    return []


def _count(roadmap_id: UUID, *, ready: int = 0, failed: int = 0) -> Roadmap:
    """Count a finished content and take an event's number. Holds the roadmap's row until the commit, so that of two
    contents that finish together the second sees the first, and exactly one is the last.
    """
    counted = Roadmap.update(
        contents_ready=Roadmap.contents_ready + ready,
        contents_failed=Roadmap.contents_failed + failed,
        last_seq=Roadmap.last_seq + 1,
        updated_at=clock.now(),
    ).where(Roadmap.id == roadmap_id)
    row: Roadmap = next(iter(counted.returning(Roadmap).execute()))
    return row


def _finish_if_last(roadmap: Roadmap) -> None:
    if roadmap.contents_ready + roadmap.contents_failed < roadmap.contents_total:
        return
    status = RoadmapStatus.partial if roadmap.contents_failed else RoadmapStatus.ready
    if roadmap.contents_ready == 0:
        status = RoadmapStatus.failed
    reason = (
        f"{roadmap.contents_failed} of {roadmap.contents_total} parts could not be written" if roadmap.contents_failed else ""
    )
    open_ = (Roadmap.id == roadmap.id) & (Roadmap.status == RoadmapStatus.building)
    finished = Roadmap.update(status=status, error=reason, finished_at=clock.now(), last_seq=Roadmap.last_seq + 1).where(open_)
    for row in finished.returning(Roadmap).execute():
        events.append(row.id, row.last_seq, (EventType(f"roadmap.{status}"), {**_progress(row), "reason": reason}))
        told = partial(record, "building", "finish", f"The roadmap is {status}", roadmap_id=row.id)
        database.after_commit(told)


def _progress(roadmap: Roadmap) -> dict[str, int]:
    return {"ready": roadmap.contents_ready, "failed": roadmap.contents_failed, "total": roadmap.contents_total}
