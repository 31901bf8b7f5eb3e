"""Job that writes one part of a concept; the last part finishes the roadmap.

Idempotent by the same lease as in `plan_job`: run twice, it writes one version and calls the model
once.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import Any
from uuid import UUID

from core import clock
from core.db import database, session, settings, transaction
from core.errors import Unavailable
from models.roadmaps import Concept, Content, ContentVersion, Module, Roadmap, Stage
from roadmap.budget.budget import BudgetMeter, CallPurpose
from roadmap.budget.cost_report import budget_suffices
from roadmap.generation import floors, resource_search, tutorial_lint
from roadmap.generation.content_drafts import tutorial_drafts
from roadmap.generation.context import ConceptBrief, Generator, GeneratorFault
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    LeaseLost,
    StopSignal,
    call_generator,
    ms_since,
    retry_save,
)
from roadmap.learning import reviews
from roadmap.lifecycle import events
from roadmap.lifecycle.content_versions import read_content
from roadmap.lifecycle.links import link_checker, link_status
from roadmap.lifecycle.making import completion, leases
from roadmap.lifecycle.making.attempts import after_fault, held_up, log_begun, place_of
from roadmap.lifecycle.making.leases import BUILDING, CHALLENGE, keeper
from roadmap.lifecycle.plan_rows import (
    IS_CURRENT,
    add_version,
    contents_that_fit,
    current_outline,
    ready,
    subject,
)
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.outline import Analysis, ContentKind, Contents, Quiz, Resources, Tutorial
from roadmap.plan.schemas import accepted_request
from roadmap.plan.statuses import (
    NO_LEASE,
    OPEN,
    ContentStatus,
    EventType,
    Job,
    JobName,
    RoadmapStatus,
)

# Tutorials whose terms a tutorial must not explain again; characters of each
MOST_EARLIER, MOST_READ = 30, 20_000


def build_content(content_id: UUID, generator: Generator) -> list[Job]:
    """Write one part of a concept.

    1. Claim the row and read what the generator needs.
    2. Call the generator while the lease is renewed; no database connection is held.
    3. Save the version if the lease is still ours, or defer, retry or give up.
    """
    try:
        with generator.slot(), leases.quarantine() as check_quarantine:
            with transaction():
                token = leases.claim(BUILDING, content_id)
                if token is not None:
                    content, brief = _load_brief(content_id)
                    check_quarantine(content)
            if token is None:  # its worker may have died before it could enqueue the quiz
                return leases.recheck(BUILDING, content_id) + _quiz_jobs(content_id)
            log_begun("building", content.kind, content)
            if content.interruptions >= MOST_INTERRUPTIONS:
                return _give_up(
                    content, token, "Its worker died or hung too often while writing it. Retry it."
                )
            return _write_and_save(content, token, brief, generator)
    except LeaseLost:  # the worker that took it over logs its own attempts
        return _quiz_jobs(content_id)
    except ProviderRateLimited as busy:
        held_up.note(content_id, busy)
        return [Job(JobName.build_content, content_id, delay=busy.retry_after)]
    except leases.Quarantined:
        return [Job(JobName.build_content, content_id, delay=CHALLENGE.total_seconds())]


def _load_brief(content_id: UUID) -> tuple[Content, ConceptBrief]:
    """Read a part with its concept and roadmap, and the context for the generator."""
    content = (
        Content.select(Content, Concept, Module, Stage, Roadmap)
        .join(Concept)
        .join(Module)
        .join(Stage)
        .join(Roadmap)
        .where(Content.id == content_id)
        .get()
    )
    concept, roadmap = content.concept, content.concept.module.stage.roadmap
    dead = link_status.dead_of(content.id) if content.kind == ContentKind.resources else ()
    tutorial = None
    if content.kind == ContentKind.quiz:  # its tutorial has ended
        row = Content.get_or_none(
            (Content.concept == concept.id) & (Content.kind == ContentKind.tutorial)
        )
        tutorial = row and read_content(row)
    return content, ConceptBrief(
        request=accepted_request(roadmap),
        roadmap_title=roadmap.title,
        stage_title=concept.module.stage.title,
        module_title=concept.module.title,
        key=concept.key,
        title=concept.title,
        description=concept.description,
        outcomes=tuple(concept.outcomes),
        instruction=content.instruction,
        previous=read_content(content) if content.instruction or dead else None,
        dead=dead,
        tutorial=tutorial.markdown if isinstance(tutorial, Tutorial) else "",
        version=content.version,
    )


def _in_course(content: Content, brief: ConceptBrief) -> ConceptBrief:
    """Add the course, and the terms of tutorials that are written and come earlier."""
    row = content.concept.module.stage.roadmap
    with session():
        outline = current_outline(row)
        needed = {concept.key: concept.prerequisites for concept in outline.concepts()}
        earlier = list(takewhile(lambda key: key != brief.key, needed))
        near = earlier[-MOST_EARLIER:] if content.kind == ContentKind.tutorial else []
        versions = ContentVersion.select(Concept.key, ContentVersion.body).join(
            Content, on=IS_CURRENT
        )
        tutorials = dict(
            versions.join(Concept)
            .where(Content.roadmap == row.id, Content.kind == ContentKind.tutorial)
            .where(Concept.key.in_([*near, *needed.get(brief.key, ())]))
            .tuples()
        )
    return replace(
        brief,
        analysis=row.analysis and Analysis.model_validate(row.analysis),
        outline=outline,
        terms={
            key: tutorial_lint.read(tutorials[key]["markdown"][:MOST_READ]).terms
            for key in earlier
            if key in tutorials
        },
    )


def _write_and_save(
    content: Content, token: UUID, brief: ConceptBrief, generator: Generator
) -> list[Job]:
    """Call the generator while the lease is renewed; save. Raises LeaseLost."""
    started, stop, kind = monotonic(), StopSignal(), ContentKind(content.kind)
    owner_id, place = content.concept.module.stage.roadmap.owner_id, place_of(content)
    generator = generator.writer(brief)
    purpose = CallPurpose(
        owner_id=owner_id, content_id=content.id, attempt=content.attempts, **place
    )
    with keeper.holding(BUILDING, token, stop):
        if generator.is_model:  # a model, which knows nothing of the course
            brief = _in_course(content, brief)
            if kind is ContentKind.resources:
                brief = replace(brief, candidates=resource_search.candidates(brief, **place))
        try:
            with tutorial_drafts.showing(content.roadmap_id, content.concept_id) as show:
                meter = BudgetMeter(purpose, stop, show if kind == ContentKind.tutorial else None)
                metered = generator.metered(meter)
                written = call_generator(lambda: _write(metered, kind, brief))
        except GeneratorFault as fault:
            return retry_save(
                after_fault,
                BUILDING,
                kind,
                content,
                token,
                fault,
                paid=meter.calls > 0,
                give_up=partial(_give_up, content, token),
            )
        remarks: list[str] = []
        if isinstance(written, Quiz):
            written, remarks = _checked(content, written, brief, metered)
        if generator.is_model:
            remarks = [*floors.lacking(written, brief), *remarks]
        jobs = retry_save(_save_content, content, token, written, generator, remarks)
    record(
        "building",
        kind,
        f"Wrote the {kind} on '{brief.title}'{'. Remarks: ' if remarks else ''}"
        + " ".join(remarks),
        **place,
        duration_ms=ms_since(started),
        details={"remarks": remarks} if remarks else None,
    )
    return jobs


def _checked(
    content: Content, quiz: Quiz, brief: ConceptBrief, generator: Generator
) -> tuple[Quiz, list[str]]:
    """Check a quiz, and say what was found; a quiz that cannot be checked stays as it is."""
    if not (generator.is_model and settings.quiz_check):
        return quiz, []
    try:
        if not budget_suffices(content.roadmap_id):
            return quiz, ["The quiz was not checked: the budget is needed for what is unwritten."]
        return call_generator(lambda: generator.check_quiz(quiz, brief))
    except (GeneratorFault, Unavailable) as fault:
        return quiz, [f"The quiz was not checked: {fault}"]


def _write(generator: Generator, kind: ContentKind, brief: ConceptBrief) -> Contents:
    """Write a part; replace resources whose URLs are dead, or leave them out."""
    written = generator.write(kind, brief)
    if not isinstance(written, Resources) or not settings.link_check_days:
        return written
    # URLs that a model has just named, and spare ones, are visited.
    dead = link_checker.dead_among(written, look=generator.is_model or bool(brief.dead))
    if not dead:
        return written
    try:
        again = generator.write(kind, replace(brief, dead=(*brief.dead, *dead), previous=written))
    except GeneratorFault:  # the first answer is still of use
        return link_checker.without(written, dead)
    if not isinstance(again, Resources):
        raise TypeError(f"{kind} came as {type(again).__name__}")
    return link_checker.without(again, (*dead, *link_checker.dead_among(again, look=True)))


@transaction()
def _save_content(
    content: Content, token: UUID, written: Contents, generator: Generator, remarks: list[str]
) -> list[Job]:
    """Save a version and make it current. Raises LeaseLost, which saves nothing."""
    row = events.bump(content.roadmap_id, contents_ready=Roadmap.contents_ready + 1)
    facts = {
        "content": content.id,
        "body": written.model_dump(mode="json"),
        "generator": generator.name_of(content.kind),
        "prompt_version": generator.prompt_version(content.kind),
        "instruction": content.instruction,
        "subject": subject(content.concept),
        "remarks": remarks,
    }
    version = add_version(facts)
    leases.release(Content, content.id, token, **ready(version))
    if content.kind == ContentKind.quiz:
        reviews.follow([content.concept_id])
    events.append(
        row,
        EventType.content_ready,
        {
            "concept_id": str(content.concept_id),
            "kind": content.kind,
            "version": version,
            **completion.progress(row),
        },
    )
    return _quiz_jobs(content.id, due_at=clock.now()) + completion.finish_if_last(row)


@session()
def _quiz_jobs(content_id: UUID, **changes: Any) -> list[Job]:
    """Return the job of the quiz that waited for this part, its tutorial; change its row."""
    of_tutorial = Content.select(Content.concept).where(
        Content.id == content_id, Content.kind == ContentKind.tutorial
    )
    query = Content.select(Content.id).where(
        Content.concept.in_(of_tutorial),
        Content.kind == ContentKind.quiz,
        Content.status == ContentStatus.pending,
        BUILDING.among,
    )
    ids = [row.id for row in query]
    if ids and changes:
        Content.update(changes).where(Content.id.in_(ids)).execute()
    return [Job(JobName.build_content, id_, first=True) for id_ in ids]


@transaction()
def _give_up(content: Content, token: UUID, reason: str) -> list[Job]:
    """Fail a part, or keep its current version if that still fits. Raises LeaseLost."""
    is_ours = Content.lease_token == token
    return _end(content, reason, ContentStatus.failed, LogLevel.error, is_ours)


def stop(content_id: UUID, reason: str) -> list[Job]:
    """Cancel a part for an operator, or keep its current version if that still fits.

    The roadmap ends if it was the last part. A worker finds its lease lost. A part that has ended,
    or is gone, stays as it is.
    """
    with suppress(LeaseLost), transaction():
        content = Content.get_or_none(Content.id == content_id)
        if content is None:
            return []
        # Lock the roadmap first, as every change of its contents does.
        is_it = (Roadmap.id == content.roadmap_id) & (Roadmap.status == RoadmapStatus.building)
        if not Roadmap.update(updated_at=clock.now()).where(is_it).execute():
            return []
        is_open = Content.status.in_(OPEN)
        return _end(content, reason, ContentStatus.cancelled, LogLevel.warning, is_open)
    return []


def _end(
    content: Content, reason: str, status: ContentStatus, level: LogLevel, condition: Any
) -> list[Job]:
    """End a part with this status, or as ready if its current version still fits.

    Raises LeaseLost, which has to undo the caller's transaction, when its row is not as the
    condition says.
    """
    row = events.bump(content.roadmap_id)
    is_content = Content.id == content.id
    ended = {"status": ContentStatus.ready if contents_that_fit(is_content) else status, **NO_LEASE}
    update = Content.update({**ended, "error": reason, "instruction": ""})
    if update.where(is_content, condition).execute() == 0:
        raise LeaseLost
    completion.save_counts(row)
    data = {"concept_id": str(content.concept_id), "kind": content.kind, "reason": reason}
    events.append(row, EventType.content_failed, {**data, **completion.progress(row)})
    entry = partial(record, level=level, **place_of(content))
    database.after_commit(partial(entry, "building", content.kind, reason))
    return _quiz_jobs(content.id, due_at=clock.now()) + completion.finish_if_last(row)
