"""From a pending content to a written one, and from the last one to a finished roadmap.

Idempotent, by the same lease as in `planning`: run twice, it writes one version and calls the model once.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from core import clock
from core.db import settings, transaction
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.budget.budget import BudgetMeter, CallPurpose
from roadmap.generation.cancellation import LeaseLost, StopSignal
from roadmap.generation.context import ConceptBrief, GeneratorFault, RetryLater
from roadmap.generation.generator import Generator
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    backoff,
    call_generator,
    ms_since,
    retry_save,
)
from roadmap.learning import review_cards
from roadmap.lifecycle import completion, events, leases, link_checker, link_status
from roadmap.lifecycle.attempt_log import held_up, log_begun, log_deferred, log_fault
from roadmap.lifecycle.completion import progress
from roadmap.lifecycle.content_versions import read_content
from roadmap.lifecycle.leases import BUILDING, keeper
from roadmap.lifecycle.plan_rows import subject
from roadmap.lifecycle.plan_sync import fitting, newest_version
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.outline import ContentKind, Contents, Resources, Tutorial
from roadmap.plan.schemas import accepted_request
from roadmap.plan.statuses import ContentStatus


def build_content(content_id: UUID, generator: Generator) -> list[Job]:
    """Write one content of a concept; the last one finishes the roadmap."""
    try:
        with generator.slot(), leases.Quarantine() as quarantine:
            claimed = _claim_content(content_id, quarantine)
            if claimed is None:
                return leases.recheck(BUILDING, content_id)
            content, token, brief = claimed
            place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
            log_begun(
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
    except LeaseLost:  # whoever took it over tells of its own tries
        return []
    except ProviderRateLimited as busy:
        held_up.note(content_id, busy)
        return [Job(JobName.build_content, content_id, delay=busy.retry_after)]
    except leases.Quarantined:
        return leases.defer(BUILDING, content_id)


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
    dead = link_status.dead_of(content.id) if content.kind == ContentKind.resources else ()
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


def _write(content: Content, token: UUID, brief: ConceptBrief, generator: Generator) -> list[Job]:
    kind = ContentKind(content.kind)
    started = monotonic()
    stop = StopSignal()
    ledger = BudgetMeter(_purpose(content), stop)
    with keeper.holding(BUILDING, token, stop):
        try:
            written = call_generator(lambda: _written(generator.metered(ledger), kind, brief))
        except GeneratorFault as fault:
            return retry_save(
                partial(_after_fault, content, token, brief, fault, paid=ledger.calls > 0)
            )
        steps = retry_save(partial(_save_content, content, token, written, generator))
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
    dead = link_checker.dead_among(written, look=look)
    if not dead:
        return written
    try:
        again = generator.write(kind, replace(brief, dead=(*brief.dead, *dead), previous=written))
    except GeneratorFault:  # what is there already is not given away
        return link_checker.without(written, dead)
    if not isinstance(again, Resources):
        raise TypeError(f"{kind} came as {type(again).__name__}")
    return link_checker.without(again, (*dead, *link_checker.dead_among(again, look=True)))


def _purpose(content: Content) -> CallPurpose:
    place = {
        "roadmap_id": content.roadmap_id,
        "concept_id": content.concept_id,
        "content_id": content.id,
    }
    return CallPurpose(
        owner_id=content.concept.module.stage.roadmap.owner_id, **place, attempt=content.attempts
    )


def _save_content(
    content: Content, token: UUID, written: Contents, generator: Generator
) -> list[Job]:
    """Raises Lost when the lease is not ours any more: then nothing is saved."""
    with transaction():
        row = events.bump(content.roadmap_id, contents_ready=Roadmap.contents_ready + 1)
        version = newest_version(content.id) + 1
        settled = {
            "status": ContentStatus.ready,
            "version": version,
            "error": "",
            "instruction": "",
        }
        leases.release(Content, content.id, token, **settled)
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
            review_cards.follow([content.concept_id])
        told = {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "version": version,
            **progress(row),
        }
        events.append(row, EventType.content_ready, told)
        return completion.finish_if_last(row)


def _after_fault(
    content: Content, token: UUID, brief: ConceptBrief, fault: GeneratorFault, *, paid: bool
) -> list[Job]:
    """Again or not. Where a call was `paid` already, waiting is a try as well: the next one pays it once more."""
    place = {"roadmap_id": content.roadmap_id, "concept_id": content.concept_id}
    if isinstance(fault, RetryLater) and not paid:
        steps = leases.release_untried(BUILDING, content.id, token, fault.wait)
        log_deferred(content.kind, fault, **place)
        return steps
    if fault.lasting or content.attempts >= settings.max_attempts:
        return _give_up(content, token, str(fault))
    wait = backoff(content.attempts, fault)
    waits = {
        "status": ContentStatus.pending,
        "error": str(fault),
        "due_at": clock.now() + timedelta(seconds=wait),
    }
    with transaction():
        leases.release(Content, content.id, token, **waits)
    log_fault(content.kind, fault, wait, attempt=content.attempts, **place)
    return [Job(JobName.build_content, content.id, delay=wait)]


def _give_up(content: Content, token: UUID, reason: str) -> list[Job]:
    """It is given up. When there is a version that still fits, that one stays, and only the wish for another has failed."""
    with transaction():
        stays = fitting(Content.id == content.id) != []
        status, count = (
            (ContentStatus.ready, "contents_ready")
            if stays
            else (ContentStatus.failed, "contents_failed")
        )
        row = events.bump(content.roadmap_id, **{count: getattr(Roadmap, count) + 1})
        leases.release(Content, content.id, token, status=status, error=reason, instruction="")
        told = {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "reason": reason,
            **progress(row),
        }
        events.append(row, EventType.content_failed, told)
        steps = completion.finish_if_last(row)
    record(
        "building",
        content.kind,
        reason,
        level=LogLevel.error,
        roadmap_id=content.roadmap_id,
        concept_id=content.concept_id,
    )
    return steps
