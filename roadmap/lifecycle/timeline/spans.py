"""Spans of time in the making of a roadmap: what there is to tell of each."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field


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


WORK = frozenset(
    {
        SpanKind.plan,
        SpanKind.analysis,
        SpanKind.outline,
        SpanKind.repair,
        SpanKind.content,
        SpanKind.model_call,
    }
)  # what a worker does; all others are waits, and what others do
REVIEW = "review"  # the name of the wait for approval


class Span(BaseModel):
    """Something that took time; a moment, such as a decision, ends when it begins."""

    id: str = Field(description="Names it within this timeline.")
    kind: SpanKind = Field(description="What it is.")
    name: str = Field(description="Which one of its kind: a step, a part, an event.")
    concept_id: UUID | None = Field(
        None, description="About which concept; null: about the plan, or the whole."
    )
    concept: str | None = Field(None, description="What that concept is called.")
    started_at: datetime
    ended_at: datetime | None = Field(description="Null: it goes on.")
    outcome: SpanOutcome = Field(description="What came of it.")
    worker: str | None = Field(
        None, description="The process that did it; null: none did, or it is not known."
    )
    attempt: int | None = Field(None, description="From 1; null: it is no try.")
    prompt_tokens: int | None = Field(
        None, description="Of a call: tokens that were sent; null: nobody knows."
    )
    completion_tokens: int | None = Field(
        None, description="Of a call: tokens that came back; null: nobody knows."
    )
    cost: Decimal | None = Field(
        None, description="Of a call: what it cost; while it runs, the most that it can."
    )
    reason: str = Field("", description="Why it waited, or what went wrong; empty: nothing to say.")

    def ended(self, now: datetime) -> datetime:
        return self.ended_at or max(now, self.started_at)
