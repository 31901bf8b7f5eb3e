"""Spans of time in the making of a roadmap, a builder for attempts, and sums of intervals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel
from models.records import ExecutionLog
from roadmap.generation.context import Cause
from roadmap.plan.statuses import AttemptMark

Point = TypeVar("Point", datetime, float)


class SpanKind(StrEnum):
    queued = "queued"
    plan = "plan"
    analysis = "analysis"
    outline = "outline"
    repair = "repair"
    content = "content"
    model_call = "model_call"
    wait = "wait"
    retry = "retry"
    webhook = "webhook"
    decision = "decision"


class SpanOutcome(StrEnum):
    ok = "ok"
    failed = "failed"
    stopped = "stopped"  # a person decided otherwise
    interrupted = "interrupted"  # its worker is gone
    running = "running"


# The work of workers; all other kinds are waits, and acts of others.
WORK = frozenset(
    {
        SpanKind.plan,
        SpanKind.analysis,
        SpanKind.outline,
        SpanKind.repair,
        SpanKind.content,
        SpanKind.model_call,
    }
)
REVIEW, ANSWERS = "review", "answers"  # names of the waits for the owner
CAUSES = {
    Cause.slots: "all allowed calls were in progress",
    Cause.rate_limit: "the provider asked for a pause",
    Cause.version: "a worker of a newer version was needed",
}


class Span(LazyModel):
    """A span of time. A moment, such as a decision, has no duration."""

    id: str = Field(description="ID within this timeline.")
    kind: SpanKind = Field(description="Kind of the span.")
    name: str = Field(description="Name within its kind: a step, a part, an event.")
    concept_id: UUID | None = Field(
        None, description="ID of the concept; null: the plan or the whole roadmap."
    )
    concept: str | None = Field(None, description="Title of the concept.")
    started_at: datetime
    ended_at: datetime | None = Field(description="End; null: in progress.")
    outcome: SpanOutcome = Field(description="Outcome.")
    worker: str | None = Field(None, description="Worker process; null: none or unknown.")
    attempt: int | None = Field(
        None, description="Number of the attempt, from 1; null: not an attempt."
    )
    prompt_tokens: int | None = Field(None, description="Prompt tokens of a call; null: unknown.")
    completion_tokens: int | None = Field(
        None, description="Completion tokens of a call; null: unknown."
    )
    cost: Decimal | None = Field(None, description="Cost of a call; while it runs, its maximum.")
    reason: str = Field("", description="Reason of the wait or failure; empty: none.")

    def ended(self, now: datetime) -> datetime:
        return self.ended_at or max(now, self.started_at)


@dataclass(slots=True)
class Moment:
    """Something that happened to an attempt: an event, or a log record of it."""

    at: datetime
    what: str  # an AttemptMark, or the type of an event
    data: dict[str, Any]
    reason: str = ""


class SpanBuilder:
    """Builder of spans from the moments of a plan or a part, in the order of time."""

    def __init__(
        self, kind: SpanKind, name: str, prefix: str, concept: tuple[UUID, str | None] | None = None
    ) -> None:
        self.kind, self.name, self.prefix = kind, name, prefix
        self.about = {} if concept is None else {"concept_id": concept[0], "concept": concept[1]}
        self.spans: list[Span] = []
        self.open: Span | None = None  # the attempt that runs
        self.pause: Span | None = None  # the wait that runs
        self.free_at: datetime | None = None  # since when it could have been begun
        self.attempts = 0

    def begin(self, moment: Moment) -> None:
        """Begin an attempt; one that is still open was interrupted."""
        at = moment.at
        self.end(at, SpanOutcome.interrupted, "Its worker is gone.")
        self._end_pause(at)
        if self.free_at is not None and self.free_at < at:
            reason = held_up_by(moment)
            self._add(SpanKind.queued, self.free_at, at, SpanOutcome.ok, reason=reason)
        self.attempts = moment.data.get("attempt") or self.attempts + 1
        self.open = self._add(
            self.kind,
            at,
            None,
            SpanOutcome.running,
            attempt=self.attempts,
            worker=moment.data.get("worker"),
        )
        self.free_at = at

    def end(self, at: datetime, outcome: SpanOutcome, reason: str = "") -> None:
        if self.open is not None:
            self.open.ended_at = max(at, self.open.started_at)
            self.open.outcome, self.open.reason = outcome, reason
            self.open, self.free_at = None, at

    def fail(self, moment: Moment) -> None:
        """End a failed attempt; a retry follows, or a wait for the provider."""
        self.end(moment.at, SpanOutcome.failed, moment.reason)
        is_limited = moment.data.get("cause") == Cause.rate_limit
        self._wait(SpanKind.wait if is_limited else SpanKind.retry, moment)

    def put_off(self, moment: Moment) -> None:
        """Drop the open attempt, which was deferred."""
        if self.open is not None:
            self.spans.remove(self.open)
            self.open = None
        self._wait(SpanKind.wait, moment)

    def stop(self, at: datetime, outcome: SpanOutcome = SpanOutcome.stopped) -> None:
        self.end(at, outcome)
        self._end_pause(at)
        self.free_at = None

    def finish(
        self,
        now: datetime,
        *,
        is_held: bool,
        is_waiting: bool,
        since: datetime,
        known: datetime | None,
    ) -> None:
        """Complete the spans by what the row says now.

        `known`: the last sign of an attempt whose end is not recorded.
        """
        if self.open is not None and not is_held:
            self.end(known or self.open.started_at, SpanOutcome.interrupted, "Its worker is gone.")
        if self.pause is not None and self.pause.ended_at is not None and self.pause.ended_at > now:
            self.pause.ended_at, self.pause.outcome = None, SpanOutcome.running
        elif is_waiting and (since := self.free_at or since) <= now:
            self._add(SpanKind.queued, since, None, SpanOutcome.running)

    def _wait(self, kind: SpanKind, moment: Moment) -> None:
        seconds = moment.data.get("wait")
        known = seconds if isinstance(seconds, int | float) else 0.0
        self.free_at = moment.at + timedelta(seconds=known)
        self.pause = self._add(
            kind,
            moment.at,
            self.free_at,
            SpanOutcome.ok,
            attempt=self.attempts or None,
            reason=moment.reason,
        )

    def _end_pause(self, at: datetime) -> None:
        if self.pause is not None and self.pause.ended_at is not None:
            self.pause.ended_at = max(self.pause.started_at, min(self.pause.ended_at, at))
            self.free_at = self.pause.ended_at
        self.pause = None

    def _add(
        self,
        kind: SpanKind,
        at: datetime,
        until: datetime | None,
        outcome: SpanOutcome,
        **more: Any,
    ) -> Span:
        span = Span(
            id=f"{self.prefix}-{len(self.spans) + 1}",
            kind=kind,
            name=self.name,
            started_at=at,
            ended_at=until,
            outcome=outcome,
            **self.about,
            **more,
        )
        self.spans.append(span)
        return span


def moments_in(record: ExecutionLog) -> Iterator[Moment]:
    """Yield the moments in a record; older releases recorded only failures."""
    details = record.details or {}
    if details.get("try") in set(AttemptMark):
        yield Moment(record.at, AttemptMark(details["try"]), details, record.message)
    elif record.category == "retry":
        yield Moment(record.at, AttemptMark.failed, {"wait": 0.0}, record.message)


def held_up_by(moment: Moment) -> str:
    """Return why an attempt was delayed before it was begun, as a sentence, or ""."""
    found = moment.data.get("held_up")
    if not isinstance(found, dict) or not found:
        return ""
    causes = (
        f"{CAUSES.get(Cause(cause), cause)} ({count} times)"
        for cause, count in found.items()
        if cause in set(Cause)
    )
    return "Waited for capacity: " + ", ".join(causes) + "."


def union(intervals: Iterable[tuple[Point, Point]]) -> list[tuple[Point, Point]]:
    """Return the same in intervals that do not touch, in order."""
    found: list[tuple[Point, Point]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(
    intervals: Iterable[tuple[Point, Point]], others: Sequence[tuple[Point, Point]]
) -> list[tuple[Point, Point]]:
    """Return what of these is in none of the others; both are unions."""
    found: list[tuple[Point, Point]] = []
    for start, end in intervals:
        inside = (other for other in others if other[0] < end and start < other[1])
        edges: list[Point] = list(chain((start,), *inside, (end,)))
        found += [gap for gap in zip(edges[::2], edges[1::2], strict=True) if gap[0] < gap[1]]
    return found


def seconds_of(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    return round(sum((end - start).total_seconds() for start, end in intervals), 3)
