"""How a roadmap was made, as spans of time: each wait, try, step, call of the model, pause, decision and message to a webhook.

Pure: it reads rows and knows no database. What happened stands in the events and the books, which are written with what they
tell of; when a try was begun, failed or was put off stands in the log (`roadmap/lifecycle/attempt_log.py`). A try of which the log says nothing,
because it is of an earlier version or its records are forgotten, is told from its calls, or from its end alone.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.db import settings
from models.logs import ExecutionLog
from models.roadmaps import Content, Roadmap, RoadmapEvent
from models.spending import ModelCall
from models.webhooks import WebhookDelivery
from roadmap.budget.budget import CallOutcome, money
from roadmap.lifecycle.attempt_log import AttemptMark
from roadmap.lifecycle.timeline.attempts import Moment, Tries, held_up_by, moments_in
from roadmap.lifecycle.timeline.spans import REVIEW, Span, SpanKind, SpanOutcome
from roadmap.plan.event_types import TERMINAL, EventType
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, DeliveryStatus, RoadmapStatus

PartKey = tuple[UUID, str]

STEPS = {
    "analysis": SpanKind.analysis,
    "outline": SpanKind.outline,
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
SAVED_STEPS: dict[str, SpanKind] = {
    EventType.analysed: SpanKind.analysis,
    EventType.drafted: SpanKind.outline,
}
DECISIONS = {
    EventType.approved,
    EventType.content_queued,
    EventType.content_restored,
    EventType.revision_cancelled,
}
DECISIONS |= {EventType.cancelled}
OPENS = {
    EventType.outlined,
    EventType.approved,
    EventType.revised,
    EventType.content_queued,
}  # parts to be written
MOMENT = timedelta(seconds=1)  # between a change and its event
BEGINS = {
    EventType.queued,
    EventType.content_queued,
    EventType.approved,
    EventType.revised,
    EventType.awaiting_review,
}
ENDS_PLANNING = {
    EventType.outlined: SpanOutcome.ok,
    EventType.revised: SpanOutcome.ok,
    EventType.failed: SpanOutcome.failed,
}
ENDS_PLANNING |= {
    EventType.revision_failed: SpanOutcome.failed,
    EventType.revision_cancelled: SpanOutcome.stopped,
}
ENDS_PLANNING |= {EventType.cancelled: SpanOutcome.stopped}
ENDS_PART = {EventType.content_ready: SpanOutcome.ok, EventType.content_failed: SpanOutcome.failed}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a roadmap's making: its rows, each list the oldest first."""

    now: datetime
    row: Roadmap
    events: Sequence[RoadmapEvent] = ()
    records: Sequence[ExecutionLog] = ()
    calls: Sequence[ModelCall] = ()
    deliveries: Sequence[WebhookDelivery] = ()
    parts: Sequence[Content] = ()
    titles: dict[UUID, str] = field(default_factory=dict)
    opened: Sequence[datetime] = field(init=False)  # when parts could be begun, in order

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "opened", sorted(event.at for event in self.events if event.type in OPENS)
        )


def spans_of(facts: Facts) -> list[Span]:
    """Everything that took time, by when it began."""
    found = [
        *_planning(facts),
        *_decisions(facts),
        *_contents(facts),
        *_calls(facts),
        *_webhooks(facts),
    ]
    return sorted(
        found, key=lambda span: (span.started_at, list(SpanKind).index(span.kind), span.id)
    )


def failures(facts: Facts) -> int:
    """Tries that failed and were followed by another."""
    return sum(
        moment.what == AttemptMark.failed
        for record in facts.records
        for moment in moments_in(record)
    )


def _planning(facts: Facts) -> list[Span]:
    """Waits, tries and steps of the plan, and for how long it waited for approval."""
    moments = [Moment(event.at, event.type, event.data) for event in facts.events]
    moments += [
        moment
        for record in facts.records
        if record.concept_id is None
        for moment in moments_in(record)
    ]
    tries = Tries(SpanKind.plan, "plan", "plan")
    review: Span | None = None
    is_new = False  # a try of which its record is still to come
    spans: list[Span] = []
    for moment in sorted(moments, key=lambda moment: moment.at):
        if (
            review is not None
            and moment.what in BEGINS | {EventType.cancelled}
            and moment.what != EventType.awaiting_review
        ):
            review.ended_at, review.outcome, review = moment.at, SpanOutcome.ok, None
        match moment.what:
            case EventType.queued:
                tries.free_at = moment.at
            case EventType.planning:
                tries.begin(moment.at, moment.data.get("attempt"), None)
                is_new = True
            case AttemptMark.begun if is_new and tries.open is not None:
                tries.open.worker, is_new = moment.data.get("worker"), False
                _say_why(tries, moment)
            case AttemptMark.begun:
                tries.begin(
                    moment.at,
                    moment.data.get("attempt"),
                    moment.data.get("worker"),
                    held_up_by(moment),
                )
            case AttemptMark.failed:
                tries.fail(moment)
            case AttemptMark.put_off:
                tries.put_off(moment)
            case EventType.awaiting_review:
                id_, running = f"review-{len(spans) + 1}", SpanOutcome.running
                review = Span(
                    id=id_,
                    kind=SpanKind.wait,
                    name=REVIEW,
                    started_at=moment.at,
                    ended_at=None,
                    outcome=running,
                )
                spans.append(review)
            case what if what in ENDS_PLANNING:
                tries.stop(moment.at, ENDS_PLANNING[EventType(what)])
    if review is not None and facts.row.status != RoadmapStatus.awaiting_review:
        review.ended_at, review.outcome = facts.row.updated_at, SpanOutcome.stopped
    status, known = facts.row.status, max((event.at for event in facts.events), default=None)
    held, waits = status == RoadmapStatus.planning, status == RoadmapStatus.queued
    tries.finish(facts.now, is_held=held, is_waiting=waits, since=facts.row.due_at, known=known)
    return [
        *tries.spans,
        *spans,
        *_steps(facts, [span.started_at for span in tries.spans if span.kind == SpanKind.plan]),
    ]


def _say_why(tries: Tries, moment: Moment) -> None:
    """Of the wait before the try that runs, which was told by the event a moment before."""
    before = next((span for span in reversed(tries.spans) if span.kind == SpanKind.queued), None)
    if before is not None and tries.open is not None and before.ended_at == tries.open.started_at:
        before.reason = held_up_by(moment)


def _steps(facts: Facts, tried: Sequence[datetime]) -> Iterator[Span]:
    """Of the planning, as they are recorded when they are saved, within the tries that began then."""
    told = [
        r
        for r in facts.records
        if r.category == "planning" and r.step in STEPS and r.duration_ms is not None
    ]
    begun = [
        max(
            record.at - timedelta(milliseconds=record.duration_ms),
            *(at for at in tried if at <= record.at),
            facts.row.created_at,
        )
        for record in told  # whole milliseconds, which may be more than it has taken
    ]
    for record, started in zip(told, begun, strict=True):
        common = {"started_at": started, "ended_at": record.at, "outcome": SpanOutcome.ok}
        yield Span(id=f"step-{record.id}", kind=STEPS[record.step], name=record.step, **common)
    before, since = facts.row.created_at, min(begun, default=facts.now)
    for event in facts.events:
        if (
            event.at >= since
        ):  # from here on the log tells; what it told of earlier steps may be deleted
            return
        kind = SAVED_STEPS.get(event.type)
        if kind is not None:
            kind = SpanKind.repair if event.data.get("round", 0) > 0 else kind
            yield Span(
                id=f"step-{event.seq}",
                kind=kind,
                name=kind,
                started_at=before,
                ended_at=event.at,
                outcome=SpanOutcome.ok,
            )
        before = event.at


def _decisions(facts: Facts) -> Iterator[Span]:
    """What people decided, and when. A change of the plan that was edited or restored is one; one that was designed is not."""
    for event in facts.events:
        edited = event.type == EventType.revised and not _was_designed(facts, event)
        if event.type in DECISIONS or edited or (event.type == EventType.queued and event.seq > 1):
            common = {"started_at": event.at, "ended_at": event.at, "outcome": SpanOutcome.ok}
            yield Span(id=f"event-{event.seq}", kind=SpanKind.decision, name=event.type, **common)


def _was_designed(facts: Facts, event: RoadmapEvent) -> bool:
    """Whether a worker was at it: a draft of this revision was saved before."""
    number = event.data.get("revision")
    return any(
        e.type == EventType.drafted and e.data.get("revision") == number and e.seq < event.seq
        for e in facts.events
    )


def _contents(facts: Facts) -> list[Span]:
    """Waits and tries of every part."""
    moments: dict[PartKey, list[Moment]] = defaultdict(list)
    ends = [Moment(event.at, event.type, {}) for event in facts.events if event.type in TERMINAL]
    for event in facts.events:
        if event.type in ENDS_PART:
            reason = event.data.get("reason", "")
            moments[UUID(event.data["concept_id"]), event.data["kind"]].append(
                Moment(event.at, event.type, event.data, reason)
            )
    for record in facts.records:
        if record.concept_id is not None and record.step in set(ContentKind):
            moments[record.concept_id, record.step] += moments_in(record)
    rows = {(part.concept_id, part.kind): part for part in facts.parts}
    calls: dict[PartKey, list[ModelCall]] = defaultdict(list)
    for call in facts.calls:
        if call.concept_id is not None:
            calls[call.concept_id, call.step].append(call)
    spans: list[Span] = []
    for key in dict.fromkeys((*rows, *moments)):
        told = [*moments[key], *(ends if key in rows else [])]
        spans += _part(facts, key, told, calls[key], rows.get(key))
    return spans


def _part(
    facts: Facts, key: PartKey, moments: list[Moment], calls: list[ModelCall], row: Content | None
) -> list[Span]:
    concept_id, kind = key
    tries = Tries(
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
                tries.begin(
                    moment.at,
                    moment.data.get("attempt"),
                    moment.data.get("worker"),
                    held_up_by(moment),
                )
            case AttemptMark.failed:
                tries.fail(moment)
            case AttemptMark.put_off:
                tries.put_off(moment)
            case what if what in ENDS_PART:
                if tries.open is None:  # nothing else is known of it
                    tries.begin(moment.at, None, None)
                tries.end(moment.at, ENDS_PART[EventType(what)], moment.reason)
                tries.free_at = None
            case _:
                tries.stop(moment.at)
    status = None if row is None else row.status
    waits = status == ContentStatus.pending and facts.row.status == RoadmapStatus.building
    known = max(map(_end_of, calls), default=None)
    since = facts.now if row is None else _opened(facts, row.due_at)
    tries.finish(
        facts.now,
        is_held=status == ContentStatus.building,
        is_waiting=waits,
        since=since,
        known=known,
    )
    return tries.spans


def _opened(facts: Facts, due_at: datetime) -> datetime:
    """Since when a part could have been begun. Rescue moves its `due_at` on when it sends another message for it."""
    before = bisect(facts.opened, due_at + MOMENT)
    return facts.opened[before - 1] if before else due_at


def _begun_by_calls(moments: Iterable[Moment], calls: Iterable[ModelCall]) -> Iterator[Moment]:
    """When no record says when a try was begun: its first call."""
    ends = sorted(
        moment.at
        for moment in moments
        if moment.what in ENDS_PART or moment.what == AttemptMark.failed
    )
    told: set[tuple[int, int]] = set()
    for call in calls:
        try_ = (sum(1 for end in ends if end <= call.started_at), call.attempt)
        if try_ not in told:
            told.add(try_)
            yield Moment(call.started_at, AttemptMark.begun, {"attempt": call.attempt})


def _calls(facts: Facts) -> Iterator[Span]:
    oldest = facts.now - timedelta(seconds=settings.lease_seconds)  # none may work for longer
    for call in facts.calls:
        lost = call.outcome == CallOutcome.lost or (
            call.outcome == CallOutcome.running and call.started_at <= oldest
        )
        outcome = SpanOutcome.interrupted if lost else OF_CALLS[CallOutcome(call.outcome)]
        ended = None if call.ms is None and not lost else _end_of(call)
        yield Span(
            id=f"call-{call.id}",
            kind=SpanKind.model_call,
            name=call.step,
            concept_id=call.concept_id,
            concept=facts.titles.get(call.concept_id) if call.concept_id else None,
            started_at=call.started_at,
            ended_at=ended,
            outcome=outcome,
            attempt=call.attempt,
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
            cost=money(call.price),
            reason=call.reason,
        )


def _end_of(call: ModelCall) -> datetime:
    """As far as it is known: of one that runs or is lost, its beginning."""
    started: datetime = call.started_at
    return started + timedelta(milliseconds=call.ms or 0)


def _webhooks(facts: Facts) -> Iterator[Span]:
    outcomes = {DeliveryStatus.delivered: SpanOutcome.ok, DeliveryStatus.failed: SpanOutcome.failed}
    for sent in facts.deliveries:
        outcome = outcomes.get(DeliveryStatus(sent.status), SpanOutcome.running)
        times = {"started_at": sent.created_at, "ended_at": sent.finished_at}
        told = {"outcome": outcome, "attempt": sent.attempts or None, "reason": sent.error}
        yield Span(id=f"webhook-{sent.id}", kind=SpanKind.webhook, name=sent.event, **times, **told)
