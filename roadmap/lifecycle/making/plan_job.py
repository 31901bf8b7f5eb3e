"""Job that designs a plan: analyse, draft, check, repair, save.

The first plan is made from a goal, a later one from an outline and a wish. Idempotent: run twice,
it changes nothing and calls no model again. A roadmap is claimed by a lease; each step is saved
while the lease is ours, and the next worker continues behind the last saved step. No connection is
held while a generator works.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from core import clock
from core.db import database, session, settings, transaction
from core.errors import Conflict, NotFound
from models.roadmaps import Revision, Roadmap
from roadmap.budget.budget import BudgetMeter, CallPurpose
from roadmap.generation.context import DesignBrief, Generator, GeneratorFault, InvalidOutline
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    LeaseLost,
    StopSignal,
    call_generator,
    ms_since,
    retry_save,
)
from roadmap.lifecycle import commands, events, plan_rows, revisions
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.activate_plan import (
    adopt_outline,
    finish_or_ask_review,
    pending_jobs,
    restore_previous,
)
from roadmap.lifecycle.making.attempts import after_fault, held_up, log_begun
from roadmap.lifecycle.making.leases import CHALLENGE, PLANNING, keeper
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.match import CourseScope, GoalMatch
from roadmap.plan.outline import Analysis, ClarifyingQuestion, Outline
from roadmap.plan.schemas import accepted_request
from roadmap.plan.statuses import (
    EventType,
    Job,
    JobName,
    RevisionSource,
    RevisionStatus,
    RoadmapStatus,
)


def plan(roadmap_id: UUID, generator: Generator) -> list[Job]:
    """Design the outline and save it; return jobs for its contents and for webhooks.

    1. Claim the row, open the revision and record the event.
    2. Call the generator while the lease is renewed; save each step (`Planning`).
    3. Make the outline the plan if the lease is still ours, or defer, retry or give up.
    """
    try:
        with generator.slot(first=True), leases.quarantine() as check_quarantine:
            with transaction():
                token = leases.claim(PLANNING, roadmap_id)
                if token is not None:
                    row = Roadmap.get_by_id(roadmap_id)
                    check_quarantine(row)
                    revision = revisions.find_open(row.id) or revisions.open_(
                        row, RevisionSource.goal
                    )
                    data = {"attempt": row.attempts, "revision": revision.number}
                    # It is there already if this attempt was deferred before.
                    if not events.was_last(row, EventType.planning, data):
                        row = events.bump_and_append(roadmap_id, EventType.planning, data)
            if token is None:
                return leases.recheck(PLANNING, roadmap_id) + pending_jobs(roadmap_id)
            log_begun("planning", "plan", row)
            return Planning(row, revision, token, generator).run()
    except LeaseLost:
        return pending_jobs(roadmap_id)  # the messages of the worker that planned it may be lost
    except ProviderRateLimited as busy:
        held_up.note(roadmap_id, busy)
        return [Job(JobName.plan_roadmap, roadmap_id, delay=busy.retry_after)]
    except leases.Quarantined:
        return [Job(JobName.plan_roadmap, roadmap_id, delay=CHALLENGE.total_seconds())]


class Planning:
    """One attempt at a claimed roadmap. Methods that save raise LeaseLost."""

    def __init__(self, row: Roadmap, revision: Revision, token: UUID, generator: Generator) -> None:
        self.row, self.revision, self.token = row, revision, token
        self.request = accepted_request(row)
        self.stop = StopSignal()
        self.meter = BudgetMeter(
            CallPurpose(row.owner_id, row.id, None, None, attempt=row.attempts), self.stop
        )
        self.saved_calls = 0  # whose answers are saved; the others would be paid once more
        self.generator = generator.metered(self.meter)

    def run(self) -> list[Job]:
        if self.row.interruptions >= MOST_INTERRUPTIONS:
            return self._give_up("Its worker died or hung too often while planning it. Retry it.")
        try:
            analysis = self._analyse()
            asks = analysis.questions if self.row.clarify else ()
            # Whether no course was chosen for a goal that the catalogue does not cover
            is_open = self.row.scope == CourseScope.ask and (self.row.goal_match or {}).get("asks")
            if self.row.answers is None and (asks or is_open):
                return retry_save(self._pause, asks)
            outline = self._design(analysis)
        except GeneratorFault as fault:
            with suppress(LeaseLost):  # the worker that took it over logs its own attempts
                return retry_save(
                    after_fault,
                    PLANNING,
                    "outline",
                    self.row,
                    self.token,
                    fault,
                    paid=self.meter.calls > self.saved_calls,
                    give_up=self._give_up,
                    updated_at=clock.now(),
                )
            return []
        return retry_save(self._accept, outline) + pending_jobs(self.row.id)

    def _analyse(self) -> Analysis:
        """Return the analysis, which is saved. Raises GeneratorFault."""
        if self.row.analysis is None:
            started = monotonic()
            with keeper.holding(PLANNING, self.token, self.stop):
                ask = partial(self.generator.analyse, self.request, self.row.answers)
                analysis = call_generator(ask)
                match = call_generator(partial(self.generator.match, self.request))
                retry_save(self._save_analysis, analysis, match)
            record(
                "planning",
                "analysis",
                f"Analysed the goal: {analysis.aim}",
                details={"kind": analysis.kind, "questions": len(analysis.questions)},
                roadmap_id=self.row.id,
                duration_ms=ms_since(started),
            )
        return Analysis.model_validate(self.row.analysis)

    def _pause(self, questions: Sequence[ClarifyingQuestion]) -> list[Job]:
        """Wait for answers or a choice, which come once: the next analysis asks nothing."""
        asked = [question.model_dump(mode="json") for question in questions]
        with transaction():
            leases.release(Roadmap, self.row.id, self.token, error="")
            row = events.bump(self.row.id, status=RoadmapStatus.awaiting_answers)
            jobs = events.append(row, EventType.awaiting_answers, {"questions": asked})
        what = f"Asked {len(asked)} questions" if asked else "Asked which course to make"
        record("planning", "plan", what, roadmap_id=row.id)
        return jobs

    def _design(self, analysis: Analysis) -> Outline:
        """Draft and repair, from the last saved step. Raises GeneratorFault."""
        design = DesignBrief(self.request, analysis)
        if self.revision.source != RevisionSource.goal:
            with session():
                current = plan_rows.current_outline(self.row)
            design = replace(design, current=current, feedback=self.revision.instruction)
        if self.revision.outline is not None:  # a saved draft, checked by the rules of today
            draft = self._check(self.revision.outline)
        else:
            draft = self._draft(design, design.step, 0, partial(self.generator.outline, design))
        if self.generator.is_model:
            while begun := revisions.begun(draft.draft):
                draft = self._draft(design, "stage", 0, partial(self.generator.fill, design, begun))
            while draft.problems and self.revision.rounds < settings.repair_rounds:
                draft = self._repair(design, draft)
        if draft.outline is None:
            done = self.revision.rounds
            raise GeneratorFault(
                "The outline does not hold together"
                + (f" after {done} rounds of repair" if done else "")
                + f": {' '.join(draft.problems[:3])}",
                lasting=True,
            )
        return draft.outline

    def _save_analysis(self, analysis: Analysis, match: GoalMatch | None) -> None:
        facts = analysis.model_dump(mode="json")
        matched = match and match.model_dump(mode="json")
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, analysis=facts, goal_match=matched)
            events.bump_and_append(
                self.row.id,
                EventType.analysed,
                {"aim": analysis.aim, "assumptions": list(analysis.assumptions)},
            )
        self.row.analysis, self.row.goal_match = facts, matched
        self.saved_calls = self.meter.calls

    def _check(self, draft: dict[str, Any]) -> revisions.CheckedOutline:
        """Check a draft by all rules; the catalogue need not be in the language asked for."""
        return revisions.check_outline(
            draft,
            self.request,
            clock.now().date(),
            self.request.language if self.generator.is_model else None,
        )

    def _repair(
        self, design: DesignBrief, draft: revisions.CheckedOutline
    ) -> revisions.CheckedOutline:
        """Return the draft after a round of repair; a usable one survives a fault."""
        ask = partial(self.generator.repair, design, draft.draft, draft.problems)
        try:
            return self._draft(design, "repair", self.revision.rounds + 1, ask, instead=draft)
        except GeneratorFault as fault:
            passes = not fault.lasting and self.row.attempts < settings.max_attempts
            if draft.outline is None or passes:
                raise
            record(
                "planning",
                "repair",
                f"{fault} The outline stays as it is.",
                level=LogLevel.warning,
                roadmap_id=self.row.id,
            )
        retry_save(self._save_draft, draft, settings.repair_rounds, "repair")
        return draft

    def _draft(
        self,
        design: DesignBrief,
        step: str,
        rounds: int,
        ask: Callable[[], Outline],
        instead: revisions.CheckedOutline | None = None,
    ) -> revisions.CheckedOutline:
        """Ask for a draft, check and save it; save a usable `instead` if it is unusable."""
        started = monotonic()
        with keeper.holding(PLANNING, self.token, self.stop):
            try:
                outline = revisions.recognised(call_generator(ask), design.current)
                draft = self._check(outline.model_dump(mode="json"))
            except InvalidOutline as fault:
                draft = revisions.CheckedOutline(fault.draft, None, fault.problems)
            if draft.outline is None and instead is not None and instead.outline is not None:
                draft = instead
            retry_save(self._save_draft, draft, rounds, step)
        remarks = f"{len(draft.problems)} remarks" if draft.problems else "nothing to remark"
        record(
            "planning",
            step,
            f"Drafted the outline of revision {self.revision.number} ({step}): {remarks}",
            details={"problems": draft.problems[:20], "round": rounds},
            roadmap_id=self.row.id,
            duration_ms=ms_since(started),
        )
        return draft

    def _save_draft(self, draft: revisions.CheckedOutline, rounds: int, step: str) -> None:
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, error="")
            revisions.update(
                self.revision,
                outline=draft.draft,
                problems=draft.problems,
                rounds=rounds,
                generator=self.generator.name_of(step),
                prompt_version=self.generator.prompt_version(step),
            )
            events.bump_and_append(
                self.row.id,
                EventType.drafted,
                {
                    "revision": self.revision.number,
                    "round": rounds,
                    "problems": draft.problems[:20],
                },
            )
        self.saved_calls = self.meter.calls

    def _accept(self, outline: Outline) -> list[Job]:
        """Make the outline the plan: its contents are pending, or wait for review."""
        number, first = self.revision.number, self.revision.source == RevisionSource.goal
        status = RoadmapStatus.awaiting_review if self.row.review else RoadmapStatus.building
        with transaction():
            leases.release(
                Roadmap, self.row.id, self.token, status=status, error="", approved=False
            )
            row, _ = adopt_outline(
                self.row.id, outline, number, generator=self.generator.name_of("outline")
            )
            revisions.close(self.revision, RevisionStatus.done)
            jobs = events.append(
                row,
                EventType.outlined if first else EventType.revised,
                {
                    "revision": number,
                    "title": outline.title,
                    "stages": len(outline.stages),
                    "concepts": len(list(outline.concepts())),
                    "contents": row.contents_total,
                },
            )
            jobs += finish_or_ask_review(row)
        record(
            "planning", "plan", f"Planned '{outline.title}' in {row.weeks} weeks", roadmap_id=row.id
        )
        return jobs

    def _give_up(self, reason: str) -> list[Job]:
        """Fail a roadmap without a plan; restore the state of one that has a plan."""
        with transaction():
            leases.release(Roadmap, self.row.id, self.token)
            revisions.close(self.revision, RevisionStatus.failed, reason)
            if self.revision.source == RevisionSource.goal:
                row = events.bump(
                    self.row.id,
                    status=RoadmapStatus.failed,
                    error=reason,
                    finished_at=clock.now(),
                )
                jobs = events.append(row, EventType.failed, {"reason": reason})
            else:
                events.bump_and_append(
                    self.row.id,
                    EventType.revision_failed,
                    {"revision": self.revision.number, "reason": reason},
                )
                jobs = restore_previous(self.row.id, self.revision)
        record("planning", "outline", reason, level=LogLevel.error, roadmap_id=self.row.id)
        return jobs


@transaction()
def stop(roadmap_id: UUID, reason: str) -> list[Job]:
    """Cancel a roadmap for an operator as its owner would; one that is planned stays as it is.

    A roadmap whose plan was being changed keeps its plan. A worker finds its lease lost.
    """
    row = Roadmap.get_or_none(Roadmap.id == roadmap_id)
    if row is None:
        return []
    try:
        being_planned = (RoadmapStatus.queued, RoadmapStatus.planning)
        jobs = commands.cancel(row.owner_id, roadmap_id, being_planned).steps
    except (Conflict, NotFound):  # the plan is finished by now, or the roadmap is gone
        return []
    entry = partial(record, level=LogLevel.warning, roadmap_id=roadmap_id)
    database.after_commit(partial(entry, "planning", "outline", reason))
    return jobs
