"""From a pending content to a written one, and from the last one to a finished roadmap.

Idempotent, by the same lease as in `planning`: run twice, it writes one version and calls the model once.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from core import clock
from core.runtime import settings, transaction
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap import cards, events, finishing, leases, link_checks, link_states
from roadmap.applying import fitting, newest_version, subject
from roadmap.attempts import MOST_INTERRUPTIONS, asked, ms_since, pause, saved
from roadmap.briefs import ConceptBrief, GeneratorFault, NotYet
from roadmap.contents import read_content
from roadmap.events import EventType
from roadmap.execution_log import LogLevel, record
from roadmap.finishing import progress
from roadmap.generator import Generator
from roadmap.leases import BUILDING, keeper
from roadmap.outline import ContentKind, Contents, Resources, Tutorial
from roadmap.pace import Busy
from roadmap.requests import accepted_request
from roadmap.spending import Ledger, Purpose
from roadmap.statuses import ContentStatus
from roadmap.steps import Step, StepName
from roadmap.stopping import Lost, StopSignal
from roadmap.tries import held_up, note_begun, note_fault, note_put_off


def build_content(content_id: UUID, generator: Generator) -> list[Step]:
    """Write one content of a concept; the last one finishes the roadmap."""
    try:
        with generator.slot(), leases.Quarantine() as quarantine:
            claimed = _claim_content(content_id, quarantine)
            if claimed is None:
                return leases.look_again(BUILDING, content_id)
            content, token, brief = claimed
            place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
            note_begun(
                "building",
                content.kind,
                content.id,
                attempt=content.attempts,
                due_at=content.due_at,
                **place,
            )
            if content.interruptions >= MOST_INTERRUPTIONS:
                return _give_up(
                    content, token, "Its worker died or hung too often while writing it; retry it."
                )
            return _write(content, token, brief, generator)
    except Lost:  # whoever took it over tells of its own tries
        return []
    except Busy as busy:
        held_up.note(content_id, busy)
        return [Step(StepName.build_content, content_id, delay=busy.retry_after)]
    except leases.NotNow:
        return leases.later(BUILDING, content_id)


def _claim_content(
    content_id: UUID, quarantine: leases.Quarantine
) -> tuple[Content, UUID, ConceptBrief] | None:
    with transaction():
        token = leases.claim(BUILDING, content_id)
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
    dead = link_states.dead_of(content.id) if content.kind == ContentKind.resources else ()
    brief = ConceptBrief(
        request=accepted_request(concept.module.stage.roadmap),
        roadmap_title=concept.module.stage.roadmap.title,
        stage_title=concept.module.stage.title,
        module_title=concept.module.title,
        key=concept.key,
        title=concept.title,
        description=concept.description,
        outcomes=tuple(concept.outcomes),
        instruction=content.instruction,
        previous=read_content(content) if content.instruction or dead else None,
        dead=dead,
        tutorial=_tutorial(concept) if content.kind == ContentKind.quiz else "",
    )
    return content, brief


def _tutorial(concept: Concept) -> str:
    """What is written already: tutorials are begun before quizzes."""
    its = (Content.concept == concept.id) & (Content.kind == ContentKind.tutorial)
    tutorial = Content.get_or_none(its)
    written = None if tutorial is None else read_content(tutorial)
    return written.markdown if isinstance(written, Tutorial) else ""


def _write(content: Content, token: UUID, brief: ConceptBrief, generator: Generator) -> list[Step]:
    kind = ContentKind(content.kind)
    started = monotonic()
    stop = StopSignal()
    ledger = Ledger(_purpose(content), stop)
    with keeper.holding(BUILDING, token, stop):
        try:
            written = asked(lambda: _written(generator.metered(ledger), kind, brief))
        except GeneratorFault as fault:
            return saved(partial(_after_fault, content, token, brief, fault, paid=ledger.calls > 0))
        steps = saved(partial(_save_content, content, token, written, generator))
    message = f"Wrote the {kind} of '{brief.title}'"
    place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
    record("building", kind, message, **place, duration_ms=ms_since(started))
    return steps


def _written(generator: Generator, kind: ContentKind, brief: ConceptBrief) -> Contents:
    """Of resources whose addresses are dead, others in their place; what is dead again is left out."""
    written = generator.write(kind, brief)
    if not isinstance(written, Resources) or not settings.link_check_days:
        return written
    look = generator.repairs or bool(brief.dead)  # at what a model has just named, and at spares
    dead = link_checks.dead_among(written, look=look)
    if not dead:
        return written
    try:
        again = generator.write(kind, replace(brief, dead=(*brief.dead, *dead), previous=written))
    except GeneratorFault:  # what is there already is not given away
        return link_checks.without(written, dead)
    if not isinstance(again, Resources):
        raise TypeError(f"{kind} came as {type(again).__name__}")
    return link_checks.without(again, (*dead, *link_checks.dead_among(again, look=True)))


def _purpose(content: Content) -> Purpose:
    place = {
        "roadmap_id": content.roadmap_id,
        "concept_id": content.concept_id,
        "content_id": content.id,
    }
    return Purpose(
        owner_id=content.concept.module.stage.roadmap.owner_id, **place, attempt=content.attempts
    )


def _save_content(
    content: Content, token: UUID, written: Contents, generator: Generator
) -> list[Step]:
    """Raises Lost when the lease is not ours any more: then nothing is saved."""
    with transaction():
        row = events.advance(content.roadmap_id, contents_ready=Roadmap.contents_ready + 1)
        version = newest_version(content.id) + 1
        settled = {
            "status": ContentStatus.ready,
            "version": version,
            "error": "",
            "instruction": "",
        }
        leases.settle(Content, content.id, token, **settled)
        ContentVersion.insert(
            content=content.id,
            version=version,
            body=written.model_dump(mode="json"),
            generator=generator.name,
            prompt_version=generator.prompt_version(content.kind),
            instruction=content.instruction,
            subject=subject(content.concept),
            created_at=clock.now(),
        ).execute()
        if content.kind == ContentKind.quiz:
            cards.follow([content.concept_id])
        told = {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "version": version,
            **progress(row),
        }
        events.append(row, EventType.content_ready, told)
        return finishing.finish_if_last(row)


def _after_fault(
    content: Content, token: UUID, brief: ConceptBrief, fault: GeneratorFault, *, paid: bool
) -> list[Step]:
    """Again or not. Where a call was `paid` already, waiting is a try as well: the next one pays it once more."""
    place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
    if isinstance(fault, NotYet) and not paid:
        steps = leases.put_back(BUILDING, content.id, token, fault.wait)
        note_put_off(content.kind, fault, **place)
        return steps
    if fault.lasting or content.attempts >= settings.max_attempts:
        return _give_up(content, token, str(fault))
    wait = pause(content.attempts, fault)
    waits = {
        "status": ContentStatus.pending,
        "error": str(fault),
        "due_at": clock.now() + timedelta(seconds=wait),
    }
    with transaction():
        leases.settle(Content, content.id, token, **waits)
    note_fault(content.kind, fault, wait, attempt=content.attempts, **place)
    return [Step(StepName.build_content, content.id, delay=wait)]


def _give_up(content: Content, token: UUID, reason: str) -> list[Step]:
    """It is given up. When there is a version that still fits, that one stays, and only the wish for another has failed."""
    with transaction():
        stays = fitting(Content.id == content.id) != []
        status, count = (
            (ContentStatus.ready, "contents_ready")
            if stays
            else (ContentStatus.failed, "contents_failed")
        )
        row = events.advance(content.roadmap_id, **{count: getattr(Roadmap, count) + 1})
        leases.settle(Content, content.id, token, status=status, error=reason, instruction="")
        told = {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "reason": reason,
            **progress(row),
        }
        events.append(row, EventType.content_failed, told)
        steps = finishing.finish_if_last(row)
    record(
        "building",
        content.kind,
        reason,
        level=LogLevel.error,
        roadmap_id=content.roadmap_id,
        concept_id=content.concept_id,
    )
    return steps
