"""Job in which a model judges a project by its rubric.

Idempotent by the lease of the judgement's row: run twice, it saves one judgement and calls the
model once. The model sees the task, the rubric and the work, and answers with marks and short
comments only, whatever the work says.
"""

from functools import partial
from uuid import UUID

from core.db import transaction
from models.roadmaps import Judgement, Roadmap, Stage
from roadmap.budget.budget import BudgetMeter, CallPurpose
from roadmap.generation.context import JUDGE_PROJECT, Generator, GeneratorFault
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    LeaseLost,
    StopSignal,
    call_generator,
    retry_save,
)
from roadmap.learning.projects import note_done
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.attempts import after_fault, log_begun
from roadmap.lifecycle.making.leases import JUDGING, keeper
from roadmap.plan.outline import Capstone, Mark
from roadmap.plan.statuses import NO_LEASE, OPEN, ContentStatus, Job, JobName

DIED = "Its worker died or hung too often while the model judged it. Ask for it again."


def judge_project(judgement_id: UUID, generator: Generator) -> list[Job]:
    """Judge a project; return the next job when it cannot be judged now."""
    try:
        with generator.slot(first=True):
            with transaction():
                token = leases.claim(JUDGING, judgement_id)
                query = Judgement.select(Judgement, Stage, Roadmap).join(Stage).join(Roadmap)
                row = query.where(Judgement.id == judgement_id).first()
            if token is None:
                return leases.recheck(JUDGING, judgement_id)
            log_begun("judging", JUDGE_PROJECT, row)
            if row.interruptions >= MOST_INTERRUPTIONS:
                return _give_up(row, token, DIED)
            return _judge(row, token, generator)
    except LeaseLost:
        return []
    except ProviderRateLimited as busy:
        return [Job(JobName.judge_project, judgement_id, delay=busy.retry_after)]


@transaction()
def stop(judgement_id: UUID, reason: str) -> list[Job]:
    """End an unfinished judgement for an operator; a worker finds its lease lost."""
    is_open = (Judgement.id == judgement_id) & Judgement.status.in_(OPEN)
    Judgement.update(status=ContentStatus.failed, error=reason, **NO_LEASE).where(is_open).execute()
    return []


def _judge(row: Judgement, token: UUID, generator: Generator) -> list[Job]:
    """Call the generator while the lease is renewed; save. Raises LeaseLost."""
    stage, roadmap, halt = row.stage, row.stage.roadmap, StopSignal()
    purpose = CallPurpose(
        owner_id=roadmap.owner_id,
        roadmap_id=roadmap.id,
        concept_id=None,
        content_id=row.id,  # so that its calls are none of the plan's
        attempt=row.attempts,
    )
    meter = BudgetMeter(purpose, halt)

    def ask() -> list[tuple[Mark, str]]:
        if stage.capstone is None:
            raise GeneratorFault("The stage has no project any more.", lasting=True)
        capstone = Capstone.model_validate(stage.capstone)
        return generator.metered(meter).judge_project(capstone, stage.work, roadmap.language)

    with keeper.holding(JUDGING, token, halt):
        try:
            found = call_generator(ask)
        except GeneratorFault as fault:
            return retry_save(
                after_fault,
                JUDGING,
                JUDGE_PROJECT,
                row,
                token,
                fault,
                paid=meter.calls > 0,
                give_up=partial(_give_up, row, token),
            )
        return retry_save(_save, row, token, found)


@transaction()
def _save(row: Judgement, token: UUID, found: list[tuple[Mark, str]]) -> list[Job]:
    """Save a judgement. Raises LeaseLost, which saves nothing."""
    marks, comments = zip(*found, strict=True)
    leases.release(
        Judgement,
        row.id,
        token,
        status=ContentStatus.ready,
        error="",
        marks=marks,
        comments=comments,
    )
    note_done(row.stage_id, marks)
    return []


@transaction()
def _give_up(row: Judgement, token: UUID, reason: str) -> list[Job]:
    """End without a judgement. Raises LeaseLost."""
    leases.release(Judgement, row.id, token, status=ContentStatus.failed, error=reason)
    return []
