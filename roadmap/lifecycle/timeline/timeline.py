"""Timeline of a roadmap: spans (`build_spans.py`) with their sums."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import session, settings
from core.json_types import LazyModel
from models.accounts import WebhookDelivery
from models.records import ExecutionLog, ModelCall
from models.roadmaps import Concept, Content, Roadmap, RoadmapEvent
from roadmap.accounts.access import get_owned
from roadmap.budget.budget import money
from roadmap.budget.cost_report import saved
from roadmap.lifecycle.timeline.build_spans import Facts, failures, spans_of
from roadmap.lifecycle.timeline.spans import (
    ANSWERS,
    REVIEW,
    WORK,
    Span,
    SpanKind,
    seconds_of,
    union,
    without,
)
from roadmap.plan.statuses import FINAL, TERMINAL, RoadmapStatus
from roadmap.plan.views import Estimate

MOST_SPANS = 2000
MOST_ROWS = 5000  # of each table that are read: the newest


class Totals(LazyModel):
    """Totals of a timeline.

    Calls are complete. Times (seconds) and retries cover the newest 5,000 events and the available
    log records.
    """

    seconds: float = Field(
        description=(
            "Seconds of building, without waiting for approval and without the time before a retry."
        )
    )
    waited: float = Field(description="Seconds of these without any work on it.")
    approval: float = Field(description="Seconds of waiting for approval.")
    in_model: float = Field(description="Seconds of all model calls; concurrent calls count each.")
    calls: int = Field(description="Number of model calls.")
    prompt_tokens: int = Field(description="Prompt tokens.")
    completion_tokens: int = Field(description="Completion tokens.")
    cost: Decimal = Field(description="Cost of all calls, as in the cost report.")
    retries: int = Field(description="Failed attempts that were retried.")
    saved: Estimate | None = Field(
        description="What parts from the built-in catalogue would have cost; null: none was taken."
    )


class Trace(LazyModel):
    """Timeline of a roadmap, oldest spans first; at most the newest 2,000."""

    roadmap_id: UUID
    status: RoadmapStatus
    created_at: datetime
    finished_at: datetime | None = Field(description="End of building; null: not finished.")
    currency: str = Field(description="Currency code of three letters.")
    totals: Totals = Field(description="Totals.")
    spans: list[Span] = Field(description="Spans by start time.")
    left_out: int = Field(description="Minimum number of spans left out; 0: none.")


def trace_of(owner_id: UUID, roadmap_id: UUID, *, with_trash: bool = False) -> Trace:
    """Raises NotFound."""
    with session():
        row = get_owned(owner_id, roadmap_id, with_trash=with_trash)
        facts, tables_cut = _facts(row)
        columns = (
            peewee.fn.COALESCE(peewee.fn.SUM(getattr(ModelCall, name)), 0).alias(name)
            for name in ("prompt_tokens", "completion_tokens", "ms", "price")
        )
        calls = ModelCall.select(peewee.fn.COUNT(ModelCall.id).alias("calls"), *columns)
        sums = calls.where(ModelCall.roadmap_id == roadmap_id).dicts().get()
    found = spans_of(facts)
    return Trace(
        roadmap_id=row.id,
        status=row.status,
        created_at=row.created_at,
        finished_at=row.finished_at,
        currency=settings.currency,
        totals=_totals(facts, found, sums),
        spans=found[-MOST_SPANS:],
        left_out=max(0, len(found) - MOST_SPANS) + tables_cut,
    )


def _facts(row: Roadmap) -> tuple[Facts, int]:
    """Return the newest rows of each table, and the number of tables with more."""
    of_work = ExecutionLog.category.in_(("planning", "building", "retry", "waiting"))
    sources: dict[str, tuple[Any, Any]] = {
        "events": (RoadmapEvent.roadmap == row.id, RoadmapEvent.seq),
        "records": ((ExecutionLog.roadmap_id == row.id) & of_work, ExecutionLog.id),
        "calls": (ModelCall.roadmap_id == row.id, ModelCall.id),
        "deliveries": (WebhookDelivery.roadmap_id == row.id, WebhookDelivery.id),
        "parts": (Content.roadmap == row.id, Content.id),
    }
    read = {
        name: list(key.model.select().where(wanted).order_by(key.desc()).limit(MOST_ROWS + 1))[::-1]
        for name, (wanted, key) in sources.items()
    }
    return Facts(
        now=clock.now(),
        row=row,
        titles=dict(
            Concept.select(Concept.id, Concept.title).where(Concept.roadmap == row.id).tuples()
        ),
        **{name: rows[-MOST_ROWS:] for name, rows in read.items()},
    ), sum(len(rows) > MOST_ROWS for rows in read.values())


def _totals(facts: Facts, spans: list[Span], sums: dict[str, Any]) -> Totals:
    """Return the sums of the spans, and those of all model calls."""
    live: list[tuple[datetime, datetime]] = []  # from each begin to the end that follows it
    since: datetime | None = None
    for event in facts.events:
        if event.type in TERMINAL and since is not None:
            live.append((since, event.at))
            since = None
        elif event.type not in TERMINAL and since is None:
            since = event.at
    if since is not None:
        is_over = facts.row.status in FINAL
        live.append((since, facts.events[-1].at if is_over else max(facts.now, since)))
    review = union(
        (s.started_at, s.ended(facts.now))
        for s in spans
        if s.kind == SpanKind.wait and s.name in (REVIEW, ANSWERS)
    )
    work = union((s.started_at, s.ended(facts.now)) for s in spans if s.kind in WORK)
    making = without(union(live), review)
    return Totals(
        seconds=seconds_of(making),
        waited=seconds_of(without(making, work)),
        approval=seconds_of(review),
        in_model=int(sums["ms"]) / 1000,
        calls=sums["calls"],
        prompt_tokens=int(sums["prompt_tokens"]),
        completion_tokens=int(sums["completion_tokens"]),
        cost=money(int(sums["price"])),
        retries=failures(facts),
        saved=saved(facts.row),
    )
