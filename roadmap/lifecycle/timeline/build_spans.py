"""Spans of time in the making of a roadmap, from its rows.

Each wait, attempt, step, call of the model, pause, decision and message to a webhook is one. Pure:
reads rows and knows no database. Events and model calls are saved in the transactions that they
describe; the begin, failure and deferral of attempts are in the log (`making/attempts.py`). An
attempt without records, of an older release or after they were purged, is built from its calls, or
from its end alone.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from core.db import settings
from models.accounts import WebhookDelivery
from models.records import ExecutionLog, ModelCall
from models.roadmaps import Content, Roadmap, RoadmapEvent
from roadmap.budget.budget import CallOutcome, money
from roadmap.generation.context import JUDGE_PROJECT, QUIZ_CHECK
from roadmap.lifecycle.timeline.spans import (
    ANSWERS,
    REVIEW,
    Moment,
    Span,
    SpanBuilder,
    SpanKind,
    SpanOutcome,
    held_up_by,
    moments_in,
)
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import (
    TERMINAL,
    AttemptMark,
    ContentStatus,
    DeliveryStatus,
    EventType,
    RoadmapStatus,
)

PartKey = tuple[UUID, str]

STEPS = {
    "analysis": SpanKind.analysis,
    "outline": SpanKind.outline,
    "stage": SpanKind.outline,
    "revise": SpanKind.outline,
    "repair": SpanKind.repair,
}
OF_CALLS = {
    CallOutcome.ok: SpanOutcome.ok,
    CallOutcome.fault: SpanOutcome.failed,
    CallOutcome.stopped: SpanOutcome.stopped,
    CallOutcome.lost: SpanOutcome.interrupted,
    CallOutcome.running: SpanOutcome.running,
}
OF_DELIVERIES = {
    DeliveryStatus.delivered: SpanOutcome.ok,
    DeliveryStatus.failed: SpanOutcome.failed,
}
SAVED_STEPS: dict[str, SpanKind] = {
    EventType.analysed: SpanKind.analysis,
    EventType.drafted: SpanKind.outline,
}
DECISIONS = {
    EventType.answered,
    EventType.approved,
    EventType.content_queued,
    EventType.content_restored,
    EventType.revision_cancelled,
    EventType.cancelled,
}
# Events after which parts are to be written.
OPENS = {EventType.outlined, EventType.approved, EventType.revised, EventType.content_queued}
MOMENT = timedelta(seconds=1)  # between a change and its event
WAITS = {EventType.awaiting_review: REVIEW, EventType.awaiting_answers: ANSWERS}  # their names
ENDS_WAIT = {
    EventType.answered,
    EventType.queued,
    EventType.content_queued,
    EventType.approved,
    EventType.revised,
    EventType.cancelled,
}
ENDS_PLANNING = {
    EventType.awaiting_answers: SpanOutcome.ok,
    EventType.outlined: SpanOutcome.ok,
    EventType.revised: SpanOutcome.ok,
    EventType.failed: SpanOutcome.failed,
    EventType.revision_failed: SpanOutcome.failed,
    EventType.revision_cancelled: SpanOutcome.stopped,
    EventType.cancelled: SpanOutcome.stopped,
}
ENDS_PART = {EventType.content_ready: SpanOutcome.ok, EventType.content_failed: SpanOutcome.failed}


@dataclass(frozen=True)
class Facts:
    """Rows of a roadmap's making, each list with the oldest first."""

    now: datetime
    row: Roadmap
    events: Sequence[RoadmapEvent] = ()
    records: Sequence[ExecutionLog] = ()
    calls: Sequence[ModelCall] = ()
    deliveries: Sequence[WebhookDelivery] = ()
    parts: Sequence[Content] = ()
    titles: dict[UUID, str] = field(default_factory=dict)

    @cached_property
    def opened(self) -> list[datetime]:
        """Times at which parts could be begun, in order."""
        return sorted(event.at for event in self.events if event.type in OPENS)


def spans_of(facts: Facts) -> list[Span]:
    """Return everything that took time, in the order of its begin."""
    spans = [
        *_planning(facts),
        *_waits(facts),
        *_decisions(facts),
        *_contents(facts),
        *_calls(facts),
        *(
            Span(
                id=f"webhook-{sent.id}",
                kind=SpanKind.webhook,
                name=sent.event,
                started_at=sent.created_at,
                ended_at=sent.finished_at,
                outcome=OF_DELIVERIES.get(DeliveryStatus(sent.status), SpanOutcome.running),
                attempt=sent.attempts or None,
                reason=sent.error,
            )
            for sent in facts.deliveries
        ),
    ]
    kinds = list(SpanKind)
    return sorted(spans, key=lambda span: (span.started_at, kinds.index(span.kind), span.id))


def failures(facts: Facts) -> int:
    """Return the number of attempts that failed and were followed by another."""
    return sum(
        moment.what == AttemptMark.failed
        for record in facts.records
        for moment in moments_in(record)
    )


def _planning(facts: Facts) -> list[Span]:
    """Return waits, attempts and steps of the plan."""
    moments = [Moment(event.at, event.type, event.data) for event in facts.events]
    for record in facts.records:
        if record.concept_id is None and record.step != JUDGE_PROJECT:
            moments += moments_in(record)
    tries = SpanBuilder(SpanKind.plan, "plan", "plan")
    is_new = False  # an attempt whose record is still to come
    for moment in sorted(moments, key=lambda moment: moment.at):
        match moment.what:
            case EventType.queued | EventType.answered:
                tries.free_at = moment.at
            case EventType.planning:
                tries.begin(moment)
                is_new = True
            case AttemptMark.begun if is_new and tries.open is not None:
                tries.open.worker, is_new = moment.data.get("worker"), False
                waits = [span for span in tries.spans if span.kind == SpanKind.queued]
                if waits and waits[-1].ended_at == tries.open.started_at:
                    waits[-1].reason = held_up_by(moment)
            case AttemptMark.begun:
                tries.begin(moment)
            case AttemptMark.failed:
                tries.fail(moment)
            case AttemptMark.put_off:
                tries.put_off(moment)
            case what if what in ENDS_PLANNING:
                tries.stop(moment.at, ENDS_PLANNING[EventType(what)])
    tries.finish(
        facts.now,
        is_held=facts.row.status == RoadmapStatus.planning,
        is_waiting=facts.row.status == RoadmapStatus.queued,
        since=facts.row.due_at,
        known=max((event.at for event in facts.events), default=None),
    )
    begun = [span.started_at for span in tries.spans if span.kind == SpanKind.plan]
    return [*tries.spans, *_steps(facts, begun)]


def _waits(facts: Facts) -> list[Span]:
    """Return the waits for answers and for approval of the plan."""
    spans: list[Span] = []
    for event in sorted(facts.events, key=lambda event: event.at):
        if event.type in WAITS:
            spans.append(
                Span(
                    id=f"{WAITS[event.type]}-{len(spans) + 1}",
                    kind=SpanKind.wait,
                    name=WAITS[event.type],
                    started_at=event.at,
                    ended_at=None,
                    outcome=SpanOutcome.running,
                )
            )
        elif spans and spans[-1].ended_at is None and event.type in ENDS_WAIT:
            spans[-1].ended_at, spans[-1].outcome = event.at, SpanOutcome.ok
    is_waiting = facts.row.status in (RoadmapStatus.awaiting_answers, RoadmapStatus.awaiting_review)
    if not is_waiting and spans and spans[-1].ended_at is None:
        spans[-1].ended_at, spans[-1].outcome = facts.row.updated_at, SpanOutcome.stopped
    return spans


def _steps(facts: Facts, tried: Sequence[datetime]) -> Iterator[Span]:
    """Yield steps of the planning, within the attempts that began at `tried`."""
    begun = []
    for record in facts.records:
        if record.category != "planning" or record.step not in STEPS or record.duration_ms is None:
            continue
        # Whole milliseconds, which may be more than the step has taken.
        started: Any = max(
            record.at - timedelta(milliseconds=record.duration_ms),
            *(at for at in tried if at <= record.at),
            facts.row.created_at,
        )
        begun.append(started)
        yield _done(f"step-{record.id}", STEPS[record.step], record.step, started, record.at)
    before, since = facts.row.created_at, min(begun, default=facts.now)
    for event in facts.events:
        if event.at >= since:  # later steps are in the log, whose earlier records may be purged
            return
        if event.type in SAVED_STEPS:
            is_repair = event.data.get("round", 0) > 0
            kind = SpanKind.repair if is_repair else SAVED_STEPS[event.type]
            yield _done(f"step-{event.seq}", kind, kind, before, event.at)
        before = event.at


def _done(id_: str, kind: SpanKind, name: str, begin: datetime, end: datetime) -> Span:
    return Span(
        id=id_, kind=kind, name=name, started_at=begin, ended_at=end, outcome=SpanOutcome.ok
    )


def _decisions(facts: Facts) -> Iterator[Span]:
    """Yield decisions of people; a plan that was designed is not one of them."""
    designed = {e.data.get("revision") for e in facts.events if e.type == EventType.drafted}
    for event in facts.events:
        edited = event.type == EventType.revised and event.data.get("revision") not in designed
        if event.type in DECISIONS or edited or (event.type == EventType.queued and event.seq > 1):
            id_ = f"event-{event.seq}"
            yield _done(id_, SpanKind.decision, event.type, event.at, event.at)


def _contents(facts: Facts) -> list[Span]:
    """Return waits and attempts of every part."""
    moments: dict[PartKey, list[Moment]] = defaultdict(list)
    ends = [Moment(event.at, event.type, {}) for event in facts.events if event.type in TERMINAL]
    for event in facts.events:
        if event.type in ENDS_PART:
            moments[UUID(event.data["concept_id"]), event.data["kind"]].append(
                Moment(event.at, event.type, event.data, event.data.get("reason", ""))
            )
    for record in facts.records:
        if record.concept_id is not None and record.step in set(ContentKind):
            moments[record.concept_id, record.step] += moments_in(record)
    rows = {(part.concept_id, part.kind): part for part in facts.parts}
    calls: dict[PartKey, list[ModelCall]] = defaultdict(list)
    for call in facts.calls:
        if call.concept_id is not None:
            kind = ContentKind.quiz if call.step == QUIZ_CHECK else call.step
            calls[call.concept_id, kind].append(call)
    spans: list[Span] = []
    for key in dict.fromkeys((*rows, *moments)):
        spans += _part(
            facts, key, [*moments[key], *(ends if key in rows else [])], calls[key], rows.get(key)
        )
    return spans


def _part(
    facts: Facts, key: PartKey, moments: list[Moment], calls: list[ModelCall], row: Content | None
) -> list[Span]:
    concept_id, kind = key
    tries = SpanBuilder(
        SpanKind.content, kind, f"{concept_id}-{kind}", (concept_id, facts.titles.get(concept_id))
    )
    if not any(moment.what == AttemptMark.begun for moment in moments):
        moments = [*moments, *_begun_by_calls(moments, calls)]
    for moment in sorted(moments, key=lambda moment: moment.at):
        match moment.what:
            case AttemptMark.begun:
                due_at = moment.data.get("due_at")
                since = None if due_at is None else _opened(facts, datetime.fromisoformat(due_at))
                if since is not None and (tries.free_at is None or tries.free_at < since):
                    tries.free_at = since
                tries.begin(moment)
            case AttemptMark.failed:
                tries.fail(moment)
            case AttemptMark.put_off:
                tries.put_off(moment)
            case what if what in ENDS_PART:
                if tries.open is None:  # its begin is not recorded
                    tries.begin(moment)
                tries.end(moment.at, ENDS_PART[EventType(what)], moment.reason)
                tries.free_at = None
            case _:
                tries.stop(moment.at)
    status = None if row is None else row.status
    tries.finish(
        facts.now,
        is_held=status == ContentStatus.building,
        is_waiting=(facts.row.status, status) == (RoadmapStatus.building, ContentStatus.pending),
        since=facts.now if row is None else _opened(facts, row.due_at),
        known=max(map(_end_of, calls), default=None),
    )
    return tries.spans


def _opened(facts: Facts, due_at: datetime) -> datetime:
    """Return since when a part could have been begun.

    Rescue moves its `due_at` on when it sends another message for it.
    """
    before = bisect(facts.opened, due_at + MOMENT)
    return facts.opened[before - 1] if before else due_at


def _begun_by_calls(moments: Iterable[Moment], calls: Iterable[ModelCall]) -> Iterator[Moment]:
    """Yield the first call of each attempt as its begin, for want of a record."""
    ends = sorted(
        moment.at for moment in moments if moment.what in {*ENDS_PART, AttemptMark.failed}
    )
    seen: set[tuple[int, int]] = set()
    for call in calls:
        attempt = (bisect(ends, call.started_at), call.attempt)
        if attempt not in seen:
            seen.add(attempt)
            yield Moment(call.started_at, AttemptMark.begun, {"attempt": call.attempt})


def _calls(facts: Facts) -> Iterator[Span]:
    oldest = facts.now - timedelta(seconds=settings.lease_seconds)  # none may run for longer
    for call in facts.calls:
        lost = call.outcome == CallOutcome.lost or (
            call.outcome == CallOutcome.running and call.started_at <= oldest
        )
        yield Span(
            id=f"call-{call.id}",
            kind=SpanKind.model_call,
            name=call.step,
            concept_id=call.concept_id,
            concept=facts.titles.get(call.concept_id) if call.concept_id else None,
            started_at=call.started_at,
            ended_at=None if call.ms is None and not lost else _end_of(call),
            outcome=SpanOutcome.interrupted if lost else OF_CALLS[CallOutcome(call.outcome)],
            attempt=call.attempt,
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
            cost=money(call.price),
            reason=call.reason,
        )


def _end_of(call: ModelCall) -> datetime:
    """Return the end of a call as far as it is known, or its begin."""
    started: datetime = call.started_at
    return started + timedelta(milliseconds=call.ms or 0)
