"""Spans of a roadmap, from rows alone: waits, tries, pauses, calls, unknown ends."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.ids import new_id
from models.accounts import WebhookDelivery
from models.records import ExecutionLog, ModelCall
from models.roadmaps import Content, Roadmap, RoadmapEvent
from roadmap.generation.llm.rate_control import ProviderRateLimited
from roadmap.lifecycle.making.attempts import RateLimitDelays
from roadmap.lifecycle.timeline.build_spans import Facts, failures, spans_of
from roadmap.lifecycle.timeline.spans import Span, seconds_of, union, without

BEGIN = datetime(2026, 11, 26, 9, tzinfo=UTC)
CONCEPT = UUID(int=7)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def row(**fields: Any) -> Roadmap:
    usual = {
        "id": UUID(int=1),
        "status": "building",
        "created_at": BEGIN,
        "updated_at": at(60),
        "due_at": BEGIN,
        "title": "Bread",
    }
    return Roadmap(**{**usual, "finished_at": None, **fields})


def events(*text: tuple[float, str, dict[str, Any]]) -> list[RoadmapEvent]:
    return [
        RoadmapEvent(seq=n, type=type_, data=data, at=at(second))
        for n, (second, type_, data) in enumerate(text, 1)
    ]


def note(
    second: float, try_: str, concept: UUID | None = CONCEPT, step: str = "quiz", **details: Any
) -> ExecutionLog:
    category = {"failed": "retry", "put_off": "waiting"}.get(
        try_, "building" if concept else "planning"
    )
    message = f"It is {try_}."
    about = {
        "concept_id": concept,
        "category": category,
        "step": step,
        "message": message,
        "duration_ms": None,
    }
    return ExecutionLog(id=new_id(), at=at(second), details={"try": try_, **details}, **about)


def call(second: float, ms: int | None, **fields: Any) -> ModelCall:
    usual = {
        "id": new_id(),
        "concept_id": CONCEPT,
        "step": "quiz",
        "attempt": 1,
        "outcome": "ok",
        "reason": "",
        "price": 2500,
    }
    return ModelCall(
        **{
            **usual,
            "prompt_tokens": 900,
            "completion_tokens": 700,
            "ms": ms,
            "started_at": at(second),
            **fields,
        }
    )


def part(status: str, **fields: Any) -> Content:
    return Content(
        **{
            "id": UUID(int=9),
            "concept": CONCEPT,
            "kind": "quiz",
            "status": status,
            "due_at": at(10),
            **fields,
        }
    )


def tuples_of(spans: list[Span], *, begun: datetime = BEGIN) -> list[tuple[Any, ...]]:
    """Kind, from, to, outcome, and which try."""
    return [
        (
            str(span.kind),
            (span.started_at - begun).total_seconds(),
            None if span.ended_at is None else (span.ended_at - begun).total_seconds(),
            str(span.outcome),
            span.attempt,
        )
        for span in spans
    ]


def ready(second: float) -> tuple[float, str, dict[str, Any]]:
    return second, "content.ready", {"concept_id": str(CONCEPT), "kind": "quiz"}


class TestParts:
    def of(
        self,
        *moments: ExecutionLog,
        ends: Any = (),
        now: float = 60,
        status: str = "ready",
        **more: Any,
    ) -> list[Any]:
        facts = Facts(
            at(now),
            row(),
            events(*ends),
            moments,
            parts=[part(status, **more.pop("part", {}))],
            **more,
        )
        return tuples_of(spans_of(facts))

    def test_a_part_waits_is_tried_fails_pauses_and_is_written(self) -> None:
        due, again = at(10).isoformat(), at(20).isoformat()
        found = self.of(
            note(12, "begun", attempt=1, due_at=due, worker="a1"),
            note(15, "failed", attempt=1, wait=5.0, cause="fault"),
            note(22, "begun", attempt=2, due_at=again, worker="b2"),
            ends=[ready(25)],
        )
        assert found == [
            ("queued", 10, 12, "ok", None),
            ("content", 12, 15, "failed", 1),
            ("retry", 15, 20, "ok", 1),
            ("queued", 20, 22, "ok", None),
            ("content", 22, 25, "ok", 2),
        ]

    def test_the_wish_of_a_provider_for_fewer_calls_is_a_wait_and_no_pause(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1),
            note(13, "failed", attempt=1, wait=4.0, cause="rate_limit"),
            note(17, "begun", attempt=2),
            ends=[ready(18)],
        )
        assert [each[:3] for each in found] == [
            ("content", 12, 13),
            ("wait", 13, 17),
            ("content", 17, 18),
        ]

    def test_what_was_put_off_was_no_try(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1),
            note(13, "put_off", wait=2.0),
            note(15, "begun", attempt=1),
            ends=[ready(16)],
        )
        assert found == [("wait", 13, 15, "ok", 1), ("content", 15, 16, "ok", 1)]

    def test_a_pause_ends_when_somebody_begins_before_its_time(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1),
            note(13, "failed", attempt=1, wait=300.0, cause="fault"),
            note(20, "begun", attempt=1),
            ends=[ready(22)],
        )
        assert ("retry", 13, 20, "ok", 1) in found

    def test_the_span_of_a_worker_that_died_ends_with_the_takeover(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1), note(40, "begun", attempt=1), ends=[ready(42)]
        )
        assert [each[:4] for each in found] == [
            ("content", 12, 40, "interrupted"),
            ("content", 40, 42, "ok"),
        ]

    def test_what_runs_has_no_end(self) -> None:
        found = self.of(note(12, "begun", attempt=1), status="building")
        assert found == [("content", 12, None, "running", 1)]

    def test_a_try_whose_row_is_pending_has_ended_with_what_is_known(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1),
            status="pending",
            calls=[call(13, 2000)],
            part={"due_at": at(90)},
        )
        assert ("content", 12, 15, "interrupted", 1) in found

    def test_what_waits_now_waits_since_it_was_due(self) -> None:
        assert self.of(status="pending") == [("queued", 10, None, "running", None)]

    def test_a_part_waits_since_it_was_opened_although_rescue_has_moved_its_time_on(self) -> None:
        moved = at(30).isoformat()
        found = self.of(
            note(40, "begun", attempt=1, due_at=moved),
            ends=[(9, "roadmap.outlined", {"revision": 1}), ready(41)],
        )
        assert ("queued", 9, 40, "ok", None) in found
        waits = self.of(
            ends=[(9, "roadmap.outlined", {"revision": 1})],
            status="pending",
            part={"due_at": at(90)},
        )
        assert waits[-1] == ("queued", 9, None, "running", None)

    def test_a_pause_that_is_not_over_goes_on(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1),
            note(50, "failed", attempt=1, wait=30.0, cause="fault"),
            status="pending",
            part={"due_at": at(80)},
        )
        assert found[-1] == ("retry", 50, None, "running", 1)

    def test_the_end_of_the_roadmap_stops_what_was_being_written(self) -> None:
        found = self.of(
            note(12, "begun", attempt=1), ends=[(20, "roadmap.cancelled", {})], status="cancelled"
        )
        assert [each for each in found if each[0] == "content"] == [
            ("content", 12, 20, "stopped", 1)
        ]

    def test_without_records_a_try_begins_with_its_first_call(self) -> None:
        calls = [call(12, 1000), call(13.5, 500), call(30, 1000)]
        found = [
            each
            for each in self.of(ends=[ready(15), ready(32)], calls=calls)
            if each[0] == "content"
        ]
        assert found == [("content", 12, 15, "ok", 1), ("content", 30, 32, "ok", 1)]

    def test_an_end_without_a_beginning_is_a_span_of_no_length(self) -> None:
        assert self.of(ends=[ready(15)]) == [("content", 15, 15, "ok", 1)]

    def test_a_wait_says_why(self) -> None:
        record = note(
            20,
            "begun",
            attempt=1,
            due_at=at(10).isoformat(),
            held_up={"slots": 3, "rate_limit": 1, "else": 9},
        )
        facts = Facts(at(60), row(), events(ready(21)), [record], parts=[part("ready")])
        waited = next(span for span in spans_of(facts) if span.kind == "queued")
        assert waited.reason == (
            "Waited for capacity: all allowed calls were in progress (3 times), the "
            "provider asked for a pause (1 times)."
        )

    def test_records_of_the_version_before_tell_of_failures(self) -> None:
        old = ExecutionLog(
            id=new_id(),
            at=at(15),
            category="retry",
            step="quiz",
            concept_id=CONCEPT,
            message="500",
            details=None,
        )
        facts = Facts(
            at(60),
            row(),
            events(ready(20)),
            [old],
            parts=[part("ready")],
            calls=[call(12, 1000), call(18, 1000)],
        )
        assert failures(facts) == 1
        found = [each for each in tuples_of(spans_of(facts)) if each[0] in ("content", "retry")]
        assert [each[:4] for each in found] == [
            ("content", 12, 15, "failed"),
            ("retry", 15, 15, "ok"),
            ("content", 18, 20, "ok"),
        ]


class TestPlanning:
    def test_a_plan_that_failed_once_and_waited_for_approval(self) -> None:
        happened = events(
            (0, "roadmap.queued", {}),
            (1, "roadmap.planning", {"attempt": 1, "revision": 1}),
            (9, "roadmap.planning", {"attempt": 2, "revision": 1}),
            (10, "roadmap.analysed", {}),
            (14, "roadmap.drafted", {"revision": 1, "round": 0}),
            (18, "roadmap.drafted", {"revision": 1, "round": 1}),
            (19, "roadmap.outlined", {"revision": 1}),
            (19, "roadmap.awaiting_review", {}),
            (100, "roadmap.approved", {"revision": 1}),
        )
        records = [
            note(1.1, "begun", None, "plan", attempt=1, worker="a1"),
            note(3, "failed", None, "outline", attempt=1, wait=5.0, cause="fault"),
            note(9.1, "begun", None, "plan", attempt=2, worker="b2"),
        ]
        spans = spans_of(Facts(at(120), row(), happened, records))
        assert tuples_of(spans) == [
            ("queued", 0, 1, "ok", None),
            ("plan", 1, 3, "failed", 1),
            ("retry", 3, 8, "ok", 1),
            ("queued", 8, 9, "ok", None),
            ("plan", 9, 19, "ok", 2),
            ("analysis", 9, 10, "ok", None),
            ("outline", 10, 14, "ok", None),
            ("repair", 14, 18, "ok", None),
            ("wait", 19, 100, "ok", None),
            ("decision", 100, 100, "ok", None),
        ]
        assert [span.worker for span in spans if span.kind == "plan"] == ["a1", "b2"]

    def test_steps_of_which_the_log_tells_no_more_stand_beside_newer_ones_of_which_it_does(
        self,
    ) -> None:
        happened = events(
            (0, "roadmap.queued", {}),
            (10, "roadmap.analysed", {}),
            (14, "roadmap.drafted", {"revision": 1, "round": 0}),
            (15, "roadmap.outlined", {"revision": 1}),
            (50, "roadmap.drafted", {"revision": 2, "round": 0}),
            (51, "roadmap.revised", {"revision": 2}),
        )
        step = {
            "category": "planning",
            "step": "revise",
            "message": "",
            "duration_ms": 8000,
            "details": None,
            "concept_id": None,
        }
        records = [ExecutionLog(id=new_id(), at=at(50.1), **step)]
        found = [
            each
            for each in tuples_of(spans_of(Facts(at(60), row(), happened, records)))
            if each[0] in ("analysis", "outline")
        ]
        assert [each[:3] for each in found] == [
            ("analysis", 0, 10),
            ("outline", 10, 14),
            ("outline", 42.1, 50.1),
        ]

    def test_a_step_does_not_begin_before_its_try_however_its_milliseconds_are_rounded(
        self,
    ) -> None:
        happened = events(
            (0, "roadmap.queued", {}),
            (5, "roadmap.planning", {"attempt": 1}),
            (5.002, "roadmap.outlined", {}),
        )
        step = {
            "category": "planning",
            "step": "analysis",
            "message": "",
            "duration_ms": 3,
            "details": None,
            "concept_id": None,
        }
        spans = spans_of(
            Facts(at(60), row(), happened, [ExecutionLog(id=new_id(), at=at(5.001), **step)])
        )
        assert [str(span.kind) for span in spans] == ["queued", "plan", "analysis"]
        assert spans[2].started_at == spans[1].started_at

    def test_a_worker_that_died_over_the_plan(self) -> None:
        happened = events(
            (0, "roadmap.queued", {}),
            (1, "roadmap.planning", {"attempt": 1}),
            (40, "roadmap.outlined", {}),
        )
        records = [
            note(1.1, "begun", None, "plan", attempt=1),
            note(30, "begun", None, "plan", attempt=1),
        ]
        found = [
            each
            for each in tuples_of(spans_of(Facts(at(60), row(), happened, records)))
            if each[0] == "plan"
        ]
        assert found == [("plan", 1, 30, "interrupted", 1), ("plan", 30, 40, "ok", 1)]

    @pytest.mark.parametrize(
        ("status", "last"),
        [
            ("queued", ("queued", 0, None, "running", None)),
            ("planning", ("plan", 1, None, "running", 1)),
        ],
    )
    def test_what_goes_on(self, status: str, last: tuple[Any, ...]) -> None:
        happened = [(0, "roadmap.queued", {}), (1, "roadmap.planning", {"attempt": 1})]
        facts = Facts(
            at(60), row(status=status), events(*happened[: 1 if status == "queued" else 2])
        )
        assert tuples_of(spans_of(facts))[-1] == last

    def test_an_event_of_a_newer_version_is_no_obstacle(self) -> None:
        assert (
            spans_of(
                Facts(
                    at(60), row(), events((0, "roadmap.queued", {}), (1, "roadmap.translated", {}))
                )
            )
            == []
        )


class TestOthers:
    def test_calls_have_tokens_and_cost_and_one_that_runs_has_no_end(self) -> None:
        (ended,) = spans_of(Facts(at(60), row(), calls=[call(1, 1500)]))
        assert tuples_of([ended]) == [("model_call", 1, 2.5, "ok", 1)]
        assert (ended.prompt_tokens, ended.completion_tokens, str(ended.cost)) == (
            900,
            700,
            "0.0025",
        )
        running = call(2, None, outcome="running", prompt_tokens=None, completion_tokens=None)
        (runs,) = spans_of(Facts(at(3), row(), calls=[running]))
        assert (runs.ended_at, runs.outcome, runs.prompt_tokens) == (None, "running", None)
        (lost,) = spans_of(
            Facts(at(100_000), row(), calls=[running])
        )  # its worker has been gone for long
        assert (lost.ended_at, lost.outcome) == (lost.started_at, "interrupted")

    def test_messages_to_webhooks(self) -> None:
        sent = {
            "event": "roadmap.ready",
            "created_at": at(20),
            "attempts": 2,
            "error": "The receiver answered with status 500.",
        }
        rows = [
            WebhookDelivery(id=new_id(), status="delivered", finished_at=at(26), **sent),
            WebhookDelivery(id=new_id(), status="pending", finished_at=None, **sent),
        ]
        found = tuples_of(spans_of(Facts(at(60), row(), deliveries=rows)))
        assert sorted(found, key=str) == [
            ("webhook", 20, 26, "ok", 2),
            ("webhook", 20, None, "running", 2),
        ]

    def test_an_edit_is_a_decision_and_a_revision_that_was_designed_is_none(self) -> None:
        happened = events(
            (0, "roadmap.queued", {}),
            (1, "roadmap.planning", {"attempt": 1, "revision": 1}),
            (2, "roadmap.drafted", {"revision": 1, "round": 0}),
            (3, "roadmap.revised", {"revision": 1}),
            (9, "roadmap.revised", {"revision": 2}),
        )
        decided = [
            each
            for each in tuples_of(spans_of(Facts(at(60), row(), happened)))
            if each[0] == "decision"
        ]
        assert decided == [("decision", 9, 9, "ok", None)]

    def test_the_events_of_thousands_of_tries_are_read_a_few_times_and_not_once_for_each(
        self,
    ) -> None:
        class Read(list[RoadmapEvent]):
            times = 0

            def __iter__(self) -> Any:
                self.times += 1
                return super().__iter__()

        happened = Read(events(*((n, "content.queued", {}) for n in range(200))))
        tried = [note(n + 0.5, "begun", attempt=1, due_at=at(n).isoformat()) for n in range(200)]
        spans = spans_of(Facts(at(999), row(), happened, tried, parts=[part("building")]))
        assert sum(span.kind == "content" for span in spans) == 200
        assert happened.times < 20


class TestHeldUp:
    def test_it_counts_by_cause_until_it_is_taken_and_forgets_the_oldest(self) -> None:
        held = RateLimitDelays(most=2)
        first, second, third = (new_id() for _ in range(3))
        for row_id in (first, second, second, third):
            held.note(row_id, ProviderRateLimited(1.0))
        assert (held.take(first), held.take(second), held.take(second)) == ({}, {"slots": 2}, {})
        assert held.take(third) == {"slots": 1}


class TestIntervals:
    def test_what_intervals_cover_and_what_is_left(self) -> None:
        assert union([(5.0, 7.0), (1.0, 3.0), (2.0, 4.0), (4.0, 4.5)]) == [(1.0, 4.5), (5.0, 7.0)]
        assert without([(0.0, 10.0)], [(1.0, 2.0), (4.0, 6.0), (9.0, 12.0)]) == [
            (0.0, 1.0),
            (2.0, 4.0),
            (6.0, 9.0),
        ]
        assert without([(1.0, 2.0)], [(0.0, 3.0)]) == []
        assert seconds_of([(at(1), at(2.5)), (at(4), at(5))]) == 2.5
