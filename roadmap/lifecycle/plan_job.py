"""From a goal to an outline, or from an outline and a wish to the next one: analyse, design, check, repair, save.

Idempotent: run twice, it changes nothing and calls no model again. A roadmap is claimed by a lease; each step is saved
while the lease is ours, and whoever takes the work up goes on behind the last one saved. No connection is held while a
generator thinks.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any, NoReturn
from uuid import UUID

from core import clock
from core.db import session, settings, transaction
from models.roadmaps import Revision, Roadmap
from roadmap.budget.budget import BudgetMeter, CallPurpose
from roadmap.generation.cancellation import LeaseLost, StopSignal
from roadmap.generation.context import DesignBrief, GeneratorFault, InvalidOutline, RetryLater
from roadmap.generation.generator import Generator
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    backoff,
    call_generator,
    ms_since,
    retry_save,
)
from roadmap.lifecycle import events, leases, plan_rows, revisions
from roadmap.lifecycle.activate_plan import (
    adopt_outline,
    pending_jobs,
    restore_previous,
    start_building,
)
from roadmap.lifecycle.attempt_log import held_up, log_begun, log_deferred, log_fault
from roadmap.lifecycle.leases import PLANNING, keeper
from roadmap.lifecycle.revisions import CheckedOutline
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.outline import Analysis, Outline
from roadmap.plan.schemas import accepted_request
from roadmap.plan.statuses import RevisionSource, RevisionStatus, RoadmapStatus

DIED = "Its worker died or hung too often while planning it; retry it."


def plan(roadmap_id: UUID, generator: Generator) -> list[Job]:
    """Design the outline and save it with its pending contents; returns a step for each of them, and for webhooks."""
    try:
        with generator.slot(first=True), leases.Quarantine() as quarantine:
            claimed = _claim_roadmap(roadmap_id, quarantine)
            if claimed is None:
                return leases.recheck(PLANNING, roadmap_id) + pending_jobs(roadmap_id)
            row = claimed[0]
            log_begun(
                "planning",
                "plan",
                row.id,
                attempt=row.attempts,
                due_at=row.due_at,
                roadmap_id=row.id,
            )
            return Planning(*claimed, generator).run()
    except LeaseLost:
        return pending_jobs(roadmap_id)  # the messages of whoever has planned it may be lost
    except ProviderRateLimited as busy:
        held_up.note(roadmap_id, busy)
        return [Job(JobName.plan_roadmap, roadmap_id, delay=busy.retry_after)]
    except leases.Quarantined:
        return leases.defer(PLANNING, roadmap_id)


def _claim_roadmap(
    roadmap_id: UUID, quarantine: leases.Quarantine
) -> tuple[Roadmap, Revision, UUID] | None:
    with transaction():
        token = leases.claim(PLANNING, roadmap_id)
        if token is None:
            return None
        row = Roadmap.get_by_id(roadmap_id)
        quarantine.check(row)
        revision = revisions.being_designed(row)
        told = {"attempt": row.attempts, "revision": revision.number}
        if not events.was_last(
            row, EventType.planning, told
        ):  # it had to wait before it could be tried
            row = events.record(roadmap_id, EventType.planning, told)
    return row, revision, token


class Planning:
    """One try of one worker over one claimed roadmap. Every method that saves raises Lost when the lease is not ours any more."""

    def __init__(self, row: Roadmap, revision: Revision, token: UUID, generator: Generator) -> None:
        self.row, self.revision, self.token = row, revision, token
        self.request = accepted_request(row)
        self.stop = StopSignal()
        purpose = CallPurpose(
            owner_id=row.owner_id,
            roadmap_id=row.id,
            concept_id=None,
            content_id=None,
            attempt=row.attempts,
        )
        self.ledger = BudgetMeter(purpose, self.stop)
        self.saved_calls = 0  # whose answers are saved; the others would be paid once more
        self.generator = generator.metered(self.ledger)

    def run(self) -> list[Job]:
        if self.row.interruptions >= MOST_INTERRUPTIONS:
            return self._give_up(DIED)
        try:
            design = self._brief(self._analysed())
            made = self._drafted(design)
            while self._can_be_better(made):
                made = self._better(design, made)
            if made.outline is None:
                self._refuse(made)
        except GeneratorFault as fault:
            with suppress(LeaseLost):  # whoever has taken it over tells of its own tries
                return retry_save(partial(self._after_fault, fault))
            return []
        told = retry_save(partial(self._accept, made.outline))
        return told + pending_jobs(self.row.id)

    def _brief(self, analysis: Analysis) -> DesignBrief:
        if self.revision.source == RevisionSource.goal:
            return DesignBrief(self.request, analysis)
        with session():
            current = plan_rows.current_outline(self.row)
        return DesignBrief(self.request, analysis, current, self.revision.instruction)

    def _analysed(self) -> Analysis:
        if self.row.analysis is not None:
            return Analysis.model_validate(self.row.analysis)
        started = monotonic()
        with keeper.holding(PLANNING, self.token, self.stop):
            analysis = call_generator(lambda: self.generator.analyse(self.request))
            retry_save(partial(self._save_analysis, analysis))
        message = f"Analysed the goal: {analysis.aim}"
        record(
            "planning", "analysis", message, roadmap_id=self.row.id, duration_ms=ms_since(started)
        )
        return analysis

    def _save_analysis(self, analysis: Analysis) -> None:
        facts = analysis.model_dump(mode="json")
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, analysis=facts)
            told = {"aim": analysis.aim, "assumptions": list(analysis.assumptions)}
            events.record(self.row.id, EventType.analysed, told)
        self.row.analysis = facts
        self.saved_calls = self.ledger.calls

    def _drafted(self, design: DesignBrief) -> CheckedOutline:
        """The draft that is saved already, checked anew, or the first one."""
        if self.revision.outline is not None:
            return self._checked(self.revision.outline)
        return self._ask_for_draft(design, design.step, 0, partial(self.generator.outline, design))

    def _checked(self, draft: dict[str, Any]) -> CheckedOutline:
        """By all rules; what people have written for the catalogue is in the language in which it is."""
        language = self.request.language if self.generator.repairs else None
        return revisions.checked(draft, self.request, clock.now().date(), language)

    def _can_be_better(self, made: CheckedOutline) -> bool:
        return (
            bool(made.problems)
            and self.generator.repairs
            and self.revision.rounds < settings.repair_rounds
        )

    def _better(self, design: DesignBrief, made: CheckedOutline) -> CheckedOutline:
        """The draft after another round of repair. One that can be used already is not given away for a fault."""
        ask = partial(self.generator.repair, design, made.draft, made.problems)
        try:
            return self._ask_for_draft(
                design, "repair", self.revision.rounds + 1, ask, instead=made
            )
        except GeneratorFault as fault:
            passes = not fault.lasting and self.row.attempts < settings.max_attempts
            if made.outline is None or passes:
                raise
            message = f"{fault} The outline stays as it is."
            record("planning", "repair", message, level=LogLevel.warning, roadmap_id=self.row.id)
        retry_save(partial(self._save_draft, made, settings.repair_rounds, "repair"))
        return made

    def _ask_for_draft(
        self,
        design: DesignBrief,
        step: str,
        rounds: int,
        ask: Callable[[], Outline],
        instead: CheckedOutline | None = None,
    ) -> CheckedOutline:
        """What is asked for, checked and saved; `instead` when that can be used, and the answer cannot."""
        started = monotonic()
        with keeper.holding(PLANNING, self.token, self.stop):
            try:
                outline = revisions.recognised(call_generator(ask), design.current)
                made = self._checked(outline.model_dump(mode="json"))
            except InvalidOutline as fault:
                made = CheckedOutline(fault.draft, None, fault.problems)
            if made.outline is None and instead is not None and instead.outline is not None:
                made = instead
            retry_save(partial(self._save_draft, made, rounds, step))
        remarks = f"{len(made.problems)} remarks" if made.problems else "nothing to remark"
        message = f"Drafted the outline of revision {self.revision.number} ({step}): {remarks}"
        details = {"problems": made.problems[:20], "round": rounds}
        record(
            "planning",
            step,
            message,
            details=details,
            roadmap_id=self.row.id,
            duration_ms=ms_since(started),
        )
        return made

    def _save_draft(self, made: CheckedOutline, rounds: int, step: str) -> None:
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, error="")
            revisions.save_draft(
                self.revision,
                made,
                rounds,
                self.generator.name,
                self.generator.prompt_version(step),
            )
            told = {
                "revision": self.revision.number,
                "round": rounds,
                "problems": made.problems[:20],
            }
            events.record(self.row.id, EventType.drafted, told)
        self.saved_calls = self.ledger.calls

    def _refuse(self, made: CheckedOutline) -> NoReturn:
        rounds = f" after {self.revision.rounds} rounds of repair" if self.revision.rounds else ""
        raise GeneratorFault(
            f"The outline does not hold together{rounds}: {' '.join(made.problems[:3])}",
            lasting=True,
        )

    def _accept(self, outline: Outline) -> list[Job]:
        """Make the outline the roadmap's plan: what it needs is pending, or waits for review."""
        number, first = self.revision.number, self.revision.source == RevisionSource.goal
        status = RoadmapStatus.awaiting_review if self.row.review else RoadmapStatus.building
        with transaction():
            leases.release(
                Roadmap, self.row.id, self.token, status=status, error="", approved=False
            )
            row, _ = adopt_outline(self.row.id, outline, number, generator=self.generator.name)
            revisions.close(self.revision, RevisionStatus.done)
            told = {"revision": number, "title": outline.title, "stages": len(outline.stages)}
            told |= {"concepts": len(list(outline.concepts())), "contents": row.contents_total}
            steps = events.append(
                row, EventType.outlined if first else EventType.revised, told
            ) + start_building(row)
        message = f"Planned '{outline.title}' in {row.weeks} weeks"
        record("planning", "plan", message, roadmap_id=row.id)
        return steps

    def _after_fault(self, fault: GeneratorFault) -> list[Job]:
        if isinstance(fault, RetryLater) and self.ledger.calls == self.saved_calls:
            steps = leases.release_untried(PLANNING, self.row.id, self.token, fault.wait)
            log_deferred("outline", fault, roadmap_id=self.row.id)
            return steps
        if fault.lasting or self.row.attempts >= settings.max_attempts:
            return self._give_up(str(fault))
        wait = backoff(self.row.attempts, fault)
        waits = {
            "status": RoadmapStatus.queued,
            "error": str(fault),
            "due_at": clock.now() + timedelta(seconds=wait),
        }
        with transaction():
            leases.release(Roadmap, self.row.id, self.token, **waits, updated_at=clock.now())
        log_fault("outline", fault, wait, attempt=self.row.attempts, roadmap_id=self.row.id)
        return [Job(JobName.plan_roadmap, self.row.id, delay=wait)]

    def _give_up(self, reason: str) -> list[Job]:
        """A first outline that cannot be had fails the roadmap; a later one leaves it as it was."""
        with transaction():
            leases.release(Roadmap, self.row.id, self.token)
            revisions.close(self.revision, RevisionStatus.failed, reason)
            if self.revision.source == RevisionSource.goal:
                ended = {
                    "status": RoadmapStatus.failed,
                    "error": reason,
                    "finished_at": clock.now(),
                }
                steps = events.append(
                    events.bump(self.row.id, **ended), EventType.failed, {"reason": reason}
                )
            else:
                told = {"revision": self.revision.number, "reason": reason}
                events.record(self.row.id, EventType.revision_failed, told)
                steps = restore_previous(self.row.id, self.revision)
        record("planning", "outline", reason, level=LogLevel.error, roadmap_id=self.row.id)
        return steps
