"""From a goal to an outline, or from an outline and a wish to the next one: analyse, design, check, repair, save.

Idempotent: run twice, it changes nothing and calls no model again. A roadmap is claimed by a lease; each step is saved
while the lease is ours, and whoever takes the work up goes on behind the last one saved. No connection is held while a
generator thinks.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any, NoReturn
from uuid import UUID

from core import clock
from core.runtime import session, settings, transaction
from models.roadmaps import Content, Revision, Roadmap
from roadmap import applying, events, finishing, leases, revisions
from roadmap.attempts import MOST_INTERRUPTIONS, asked, ms_since, note_fault, pause, saved
from roadmap.briefs import DesignBrief, GeneratorFault, Unsound
from roadmap.events import EventType
from roadmap.execution_log import LogLevel, record
from roadmap.generator import Generator
from roadmap.leases import PLANNING, keeper
from roadmap.outline import Analysis, Outline, total_weeks
from roadmap.pace import Busy
from roadmap.receipts import pending_estimate
from roadmap.requests import accepted_request
from roadmap.revisions import Checked
from roadmap.spending import HELD_PAUSE, Ledger, MoneyHeld, Purpose
from roadmap.statuses import ContentStatus, RevisionSource, RevisionStatus, RoadmapStatus
from roadmap.steps import Step, StepName
from roadmap.stopping import Lost, StopSignal

DIED = "Its worker died or hung too often while planning it; retry it."


def plan(roadmap_id: UUID, generator: Generator) -> list[Step]:
    """Design the outline and save it with its pending contents; returns a step for each of them."""
    try:
        with generator.slot(), leases.Quarantine() as quarantine:
            claimed = _claim_roadmap(roadmap_id, quarantine)
            if claimed is None:
                return leases.look_again(PLANNING, roadmap_id) + unstarted(roadmap_id)
            return Planning(*claimed, generator).run()
    except Lost:
        return unstarted(roadmap_id)  # whoever took it over tells of its own tries
    except Busy as busy:
        return [Step(StepName.plan_roadmap, roadmap_id, delay=busy.retry_after)]
    except leases.NotNow:
        return leases.later(PLANNING, roadmap_id)


def unstarted(roadmap_id: UUID) -> list[Step]:
    """Planned already, perhaps by a worker that died before it could enqueue: say again what is pending."""
    with session():
        pending = (Content.roadmap == roadmap_id) & (Content.status == ContentStatus.pending)
        building = (Roadmap.id == Content.roadmap) & (Roadmap.status == RoadmapStatus.building)
        ids = Content.select(Content.id).join(Roadmap, on=building).where(pending).order_by(Content.id).tuples()
        return [Step(StepName.build_content, content_id) for (content_id,) in ids]


def _claim_roadmap(roadmap_id: UUID, quarantine: leases.Quarantine) -> tuple[Roadmap, Revision, UUID] | None:
    with transaction():
        token = leases.claim(PLANNING, roadmap_id)
        if token is None:
            return None
        row = events.advance(roadmap_id)
        quarantine.check(row)
        revision = revisions.being_designed(row)
        events.append(row, EventType.planning, {"attempt": row.attempts, "revision": revision.number})
    return row, revision, token


class Planning:
    """One try of one worker over one claimed roadmap. Every method that saves raises Lost when the lease is not ours any more."""

    def __init__(self, row: Roadmap, revision: Revision, token: UUID, generator: Generator) -> None:
        self.row, self.revision, self.token = row, revision, token
        self.request = accepted_request(row)
        self.stop = StopSignal()
        purpose = Purpose(owner_id=row.owner_id, roadmap_id=row.id, concept_id=None, content_id=None, attempt=row.attempts)
        self.generator = generator.metered(Ledger(purpose, self.stop))

    def run(self) -> list[Step]:
        if self.row.interruptions >= MOST_INTERRUPTIONS:
            return self._fail(DIED)
        try:
            design = self._brief(self._analysed())
            made = self._drafted(design)
            while self._can_be_better(made):
                made = self._repaired(design, made)
            if made.outline is None:
                self._give_up_on(made)
        except GeneratorFault as fault:
            try:
                return saved(partial(self._failed, fault))
            except Lost:
                return []
        saved(partial(self._accept, made.outline))
        return unstarted(self.row.id)

    def _brief(self, analysis: Analysis) -> DesignBrief:
        if self.revision.source == RevisionSource.goal:
            return DesignBrief(self.request, analysis)
        with session():
            current = applying.current_outline(self.row)
        return DesignBrief(self.request, analysis, current, self.revision.instruction)

    def _analysed(self) -> Analysis:
        if self.row.analysis is not None:
            return Analysis.model_validate(self.row.analysis)
        started = monotonic()
        with keeper.holding(PLANNING, self.token, self.stop):
            analysis = asked(lambda: self.generator.analyse(self.request))
            saved(partial(self._save_analysis, analysis))
        message = f"Analysed the goal: {analysis.aim}"
        record("planning", "analysis", message, roadmap_id=self.row.id, duration_ms=ms_since(started))
        return analysis

    def _save_analysis(self, analysis: Analysis) -> None:
        facts = analysis.model_dump(mode="json")
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, analysis=facts)
            told = {"aim": analysis.aim, "assumptions": list(analysis.assumptions)}
            events.tell(self.row.id, EventType.analysed, told)
        self.row.analysis = facts

    def _drafted(self, design: DesignBrief) -> Checked:
        """The draft that is saved already, checked anew, or the first one."""
        if self.revision.outline is not None:
            return revisions.checked(self.revision.outline, self.request, clock.now().date())
        step = "revise" if design.feedback else "outline"
        return self._ask_for_draft(design, step, 0, partial(self.generator.outline, design))

    def _can_be_better(self, made: Checked) -> bool:
        return bool(made.problems) and self.generator.repairs and self.revision.rounds < settings.repair_rounds

    def _repaired(self, design: DesignBrief, made: Checked) -> Checked:
        ask = partial(self.generator.repair, design, made.draft, made.problems)
        return self._ask_for_draft(design, "repair", self.revision.rounds + 1, ask)

    def _ask_for_draft(self, design: DesignBrief, step: str, rounds: int, ask: Callable[[], Outline]) -> Checked:
        started = monotonic()
        with keeper.holding(PLANNING, self.token, self.stop):
            try:
                outline = revisions.recognised(asked(ask), design.current)
                made = revisions.checked(outline.model_dump(mode="json"), self.request, clock.now().date())
            except Unsound as fault:
                made = Checked(fault.draft, None, fault.problems)
            saved(partial(self._save_draft, made, rounds, step))
        remarks = f"{len(made.problems)} remarks" if made.problems else "nothing to remark"
        message = f"Drafted the outline of revision {self.revision.number} ({step}): {remarks}"
        details = {"problems": made.problems[:20], "round": rounds}
        record("planning", step, message, details=details, roadmap_id=self.row.id, duration_ms=ms_since(started))
        return made

    def _save_draft(self, made: Checked, rounds: int, step: str) -> None:
        with transaction():
            leases.save(Roadmap, self.row.id, self.token, error="")
            revisions.save_draft(self.revision, made, rounds, self.generator.name, self.generator.prompt_version(step))
            told = {"revision": self.revision.number, "round": rounds, "problems": made.problems[:20]}
            events.tell(self.row.id, EventType.drafted, told)

    def _give_up_on(self, made: Checked) -> NoReturn:
        rounds = f" after {self.revision.rounds} rounds of repair" if self.revision.rounds else ""
        raise GeneratorFault(f"The outline does not hold together{rounds}: {' '.join(made.problems[:3])}", lasting=True)

    def _accept(self, outline: Outline) -> None:
        """Make the outline the roadmap's plan: what it needs is pending, or waits for review."""
        number, first = self.revision.number, self.revision.source == RevisionSource.goal
        status = RoadmapStatus.awaiting_review if self.row.review else RoadmapStatus.building
        with transaction():
            leases.settle(Roadmap, self.row.id, self.token, status=status, error="", approved=False)
            row, _ = adopt_outline(self.row.id, outline, number, generator=self.generator.name)
            revisions.close(self.revision, RevisionStatus.done)
            told = {"revision": number, "title": outline.title, "stages": len(outline.stages)}
            told |= {"concepts": len(list(outline.concepts())), "contents": row.contents_total}
            events.append(row, EventType.outlined if first else EventType.revised, told)
            begin(row)
        message = f"Planned '{outline.title}' in {row.weeks} weeks"
        record("planning", "plan", message, roadmap_id=row.id)

    def _failed(self, fault: GeneratorFault) -> list[Step]:
        if isinstance(fault, MoneyHeld):
            return leases.put_back(PLANNING, self.row.id, self.token, HELD_PAUSE)
        if fault.lasting or self.row.attempts >= settings.max_attempts:
            return self._fail(str(fault))
        wait = pause(self.row.attempts, fault)
        waits = {"status": RoadmapStatus.queued, "error": str(fault), "due_at": clock.now() + timedelta(seconds=wait)}
        with transaction():
            leases.settle(Roadmap, self.row.id, self.token, **waits, updated_at=clock.now())
        note_fault("outline", fault, wait, roadmap_id=self.row.id)
        return [Step(StepName.plan_roadmap, self.row.id, delay=wait)]

    def _fail(self, reason: str) -> list[Step]:
        """A first outline that cannot be had fails the roadmap; a later one leaves it as it was."""
        with transaction():
            leases.settle(Roadmap, self.row.id, self.token)
            revisions.close(self.revision, RevisionStatus.failed, reason)
            if self.revision.source == RevisionSource.goal:
                ended = {"status": RoadmapStatus.failed, "error": reason, "finished_at": clock.now()}
                events.tell(self.row.id, EventType.failed, {"reason": reason}, **ended)
            else:
                told = {"revision": self.revision.number, "reason": reason}
                events.tell(self.row.id, EventType.revision_failed, told)
                go_back(self.row.id, self.revision)
        record("planning", "outline", reason, level=LogLevel.error, roadmap_id=self.row.id)
        return []


def adopt_outline(
    roadmap_id: UUID, outline: Outline, number: int, *, as_written: frozenset[str] = frozenset(), **changes: Any
) -> tuple[Roadmap, list[UUID]]:
    """Make an outline the roadmap's plan under the next event's number, and count what there is then. Holds its row.

    Also returns the contents that are to be written for it.
    """
    row = events.advance(roadmap_id, title=outline.title, hours=outline.hours, revision=number, **changes)
    opened = applying.apply(row, outline, as_written=as_written, anew=waits_for_review(row))
    counts = {**finishing.recount(roadmap_id), "weeks": total_weeks(outline, row.hours_per_week)}
    Roadmap.update(counts).where(Roadmap.id == roadmap_id).execute()
    for name, value in counts.items():
        setattr(row, name, value)
    return row, opened


def waits_for_review(row: Roadmap) -> bool:
    """Whether nothing of its plan may be written before a person approves it."""
    return bool(row.review and not row.approved)


def begin(row: Roadmap) -> None:
    """Behind a new plan comes its review, its building, or nothing, when nothing is to be written."""
    if finishing.is_finished(row):
        finishing.finish(row.id, finishing.outcome(row))
    elif row.status == RoadmapStatus.awaiting_review:
        estimate = pending_estimate(row.id).model_dump(mode="json")
        events.tell(row.id, EventType.awaiting_review, {"revision": row.revision, "estimate": estimate})


def go_back(roadmap_id: UUID, revision: Revision) -> None:
    """To what the roadmap was before somebody wanted it changed. Holds its row."""
    before = RoadmapStatus(revision.before)
    if before == RoadmapStatus.awaiting_review:
        Roadmap.update(status=before, error="").where(Roadmap.id == roadmap_id).execute()
    else:
        finishing.finish(roadmap_id, before)
