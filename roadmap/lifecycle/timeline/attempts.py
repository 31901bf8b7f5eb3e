"""Tries as spans: of the moments at which a plan or a part was begun, failed, was put off or ended, told one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from models.logs import ExecutionLog
from roadmap.generation.context import Cause
from roadmap.lifecycle.attempt_log import AttemptMark
from roadmap.lifecycle.timeline.spans import Span, SpanKind, SpanOutcome


@dataclass(slots=True)
class Moment:
    """Something that a try is told by: an event, or what a record says of it."""

    at: datetime
    what: str  # a Mark, or the type of an event
    data: dict[str, Any]
    reason: str = ""


class Tries:
    """Makes spans of the moments of one thing that is tried: the plan, or a part. They come in the order of time."""

    def __init__(
        self, kind: SpanKind, name: str, prefix: str, concept: tuple[UUID, str | None] | None = None
    ) -> None:
        self.kind, self.name, self.prefix = kind, name, prefix
        self.about = {} if concept is None else {"concept_id": concept[0], "concept": concept[1]}
        self.spans: list[Span] = []
        self.open: Span | None = None  # the try that runs
        self.pause: Span | None = None  # the wait that runs
        self.free_at: datetime | None = None  # since when it could have been tried
        self.attempts = 0

    def begin(
        self, at: datetime, attempt: int | None, worker: str | None, reason: str = ""
    ) -> None:
        """Whoever was at it has not said what became of it."""
        self.end(at, SpanOutcome.interrupted, "Its worker is gone.")
        self._end_pause(at)
        if self.free_at is not None and self.free_at < at:
            self._add(SpanKind.queued, self.free_at, at, SpanOutcome.ok, reason=reason)
        self.attempts = attempt or self.attempts + 1
        self.open = self._add(
            self.kind, at, None, SpanOutcome.running, attempt=self.attempts, worker=worker
        )
        self.free_at = at

    def end(self, at: datetime, outcome: SpanOutcome, reason: str = "") -> None:
        if self.open is not None:
            self.open.ended_at = max(at, self.open.started_at)
            self.open.outcome, self.open.reason = outcome, reason
            self.open, self.free_at = None, at

    def fail(self, moment: Moment) -> None:
        """There is another one, or the provider wants fewer calls."""
        self.end(moment.at, SpanOutcome.failed, moment.reason)
        self._wait(
            SpanKind.wait if moment.data.get("cause") == Cause.rate_limit else SpanKind.retry,
            moment,
        )

    def put_off(self, moment: Moment) -> None:
        """It was no try, then."""
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
        """What its row says now. `known`: the last that is known of a try whose end nobody has told."""
        if self.open is not None and not is_held:
            self.end(known or self.open.started_at, SpanOutcome.interrupted, "Its worker is gone.")
        if self.pause is not None and self.pause.ended_at is not None and self.pause.ended_at > now:
            self.pause.ended_at, self.pause.outcome = None, SpanOutcome.running
        elif is_waiting and (since := self.free_at or since) <= now:
            self._add(SpanKind.queued, since, None, SpanOutcome.running)

    def _wait(self, kind: SpanKind, moment: Moment) -> None:
        seconds = moment.data.get("wait")
        until = moment.at + timedelta(
            seconds=float(seconds) if isinstance(seconds, int | float) else 0.0
        )
        self.pause = self._add(
            kind,
            moment.at,
            until,
            SpanOutcome.ok,
            attempt=self.attempts or None,
            reason=moment.reason,
        )
        self.free_at = until

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
        id_ = f"{self.prefix}-{len(self.spans) + 1}"
        span = Span(
            id=id_,
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
    """What a record says of a try. Those of the version before say less: how long it took, or that it failed."""
    details = record.details or {}
    if details.get("try") in set(AttemptMark):
        yield Moment(record.at, AttemptMark(details["try"]), details, record.message)
    elif record.category == "retry":
        yield Moment(record.at, AttemptMark.failed, {"wait": 0.0}, record.message)


def held_up_by(moment: Moment) -> str:
    found = moment.data.get("held_up")
    if not isinstance(found, dict) or not found:
        return ""
    told = {
        Cause.slots: "all calls that may run were running",
        Cause.rate_limit: "the provider wanted a pause",
    }
    said = (
        f"{told.get(Cause(cause), cause)} ({count} times)"
        for cause, count in found.items()
        if cause in set(Cause)
    )
    return "Came and found no room: " + ", ".join(said) + "."
