"""Traces: the header that is believed, and steps in the trace of their own request."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core import clock
from core.tracing import (
    TraceBaggage,
    TraceContext,
    current,
    message_fields,
    new_trace,
    outgoing_headers,
    trace_of_headers,
    use_trace,
)
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.making.rescue import overdue
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName
from tasks.dispatcher import enqueue
from tasks.queues import content_queue
from tests.cases import try_each

pytestmark = pytest.mark.usefixtures("short")

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{ID}-{SPAN}-01"


class TestHeader:
    @try_each(
        ("header", "is_sampled"),
        [
            (GOOD, True),
            (f"00-{ID}-{SPAN}-00", False),
            (f"00-{ID}-{SPAN}-03", True),
            (f"cc-{ID}-{SPAN}-01-what-comes-later", True),
        ],
    )
    def test_a_good_one_is_taken_in_a_span_of_our_own(self, header: str, is_sampled: bool) -> None:
        trace = trace_of_headers([header], "r1")
        assert (trace.trace_id, trace.is_sampled, trace.request_id) == (UUID(ID), is_sampled, "r1")
        assert trace.span_id != SPAN
        assert trace_of_headers([message_fields(trace)["traceparent"]]).trace_id == UUID(ID)
        assert message_fields(trace)["traceparent"].startswith(
            f"00-{ID}-{trace.span_id}-0{int(is_sampled)}"
        )

    @try_each(
        "headers",
        [
            [],
            [""],
            [GOOD, GOOD],
            [GOOD.upper()],
            [f" {GOOD}"],
            [f"{GOOD}-more"],
            [f"ff-{ID}-{SPAN}-01"],
            [f"00-{'0' * 32}-{SPAN}-01"],
            [f"00-{ID}-{'0' * 16}-01"],
            [f"00-{ID[1:]}-{SPAN}-01"],
            [f"cc-{ID}-{SPAN}-01." + "x"],
            [f"cc-{ID}-{SPAN}-01-" + "x" * 600],
            [f"{GOOD}\n"],
        ],
    )
    def test_a_bad_one_begins_a_new_trace(self, headers: list[str]) -> None:
        one, other = trace_of_headers(headers, "r1"), trace_of_headers(headers, "r1")
        assert one.request_id == "r1"
        assert UUID(ID) != one.trace_id != other.trace_id

    @given(st.text())
    def test_whatever_comes_what_goes_out_is_well_formed(self, header: str) -> None:
        assert trace_of_headers(
            [message_fields(trace_of_headers([header]))["traceparent"]]
        ).trace_id


class TestContext:
    def test_what_is_entered_lasts_as_long_as_the_block(self) -> None:
        one, other = new_trace(), new_trace()
        assert (current(), outgoing_headers()) == (None, {})
        with use_trace(one):
            with use_trace(other):
                assert current() is other
            assert current() is one
            (name, header), *more = outgoing_headers().items()
            assert (name, more) == ("traceparent", [])
            asked = trace_of_headers([header])
            assert asked.trace_id == one.trace_id
            assert one.span_id not in header  # a span of its own
        assert current() is None

    def test_a_task_is_of_the_trace_that_its_message_has_brought(self) -> None:
        trace = trace_of_headers([GOOD], "r1")
        with TraceBaggage().unpacked(message_fields(trace)):
            inside = current()
        assert inside is not None
        assert (inside.trace_id, inside.is_sampled, inside.request_id) == (UUID(ID), True, "r1")

    @pytest.mark.parametrize(
        "carried", [{}, {"traceparent": "rubbish", "request_id": "a\nb"}, {"other": "x"}]
    )
    def test_one_that_has_brought_none_begins_a_new_one(self, carried: dict[str, str]) -> None:
        with TraceBaggage().unpacked(carried):
            trace = current()
        assert trace is not None
        assert trace.request_id == ""


class TestSteps:
    def test_a_step_has_the_trace_that_it_was_made_in_and_its_message_too(
        self, immediate: None
    ) -> None:
        content_queue.immediate = False
        content_queue.storage.flush_queue()
        trace = new_trace("r1")
        with use_trace(trace):
            step = Job(JobName.plan_roadmap, UUID(ID))
        with use_trace(new_trace()):  # the trace of another sender
            enqueue([step])
        (data,) = content_queue.storage.enqueued_items()
        assert content_queue.deserialize_task(data).carried == message_fields(trace)
        assert step == Job(JobName.plan_roadmap, UUID(ID))

    def test_roadmaps_that_are_committed_together_keep_the_traces_of_their_requests(
        self, immediate: None
    ) -> None:
        traces = [new_trace(f"r{number}") for number in range(3)]
        batch = []
        for trace in traces:
            with use_trace(trace):
                batch.append(
                    NewRoadmap(
                        LOCAL_OWNER, RoadmapRequest(goal="Become a backend engineer in Python")
                    )
                )
        with ThreadPoolExecutor(1) as thread:
            steps = thread.submit(create_many, batch).result()
        assert [step.trace for step in steps if isinstance(step, Job)] == traces

    def test_rescue_begins_a_new_trace_for_each(self, immediate: None) -> None:
        batch = [
            NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal="Become a backend engineer in Python"))
            for _ in range(2)
        ]
        create_many(batch)
        clock.travel(timedelta(hours=1))
        with use_trace(new_trace()):
            ours = current()
            found = [step.trace for step in overdue() if step.id in {new.id for new in batch}]
        assert len({trace.trace_id for trace in found if trace is not None}) == 2
        assert ours is not None
        assert ours.trace_id not in {trace.trace_id for trace in found if trace is not None}

    def test_the_tasks_of_a_request_run_in_its_trace_through_every_step(
        self, client: TestClient
    ) -> None:
        seen: list[tuple[str, TraceContext | None]] = []

        def note(task: str, *_: object) -> None:
            seen.append((task, current()))

        content_queue.on_executed.append(note)
        try:
            goal = {"goal": "Become a backend engineer in Python"}
            client.post(
                "/api/v1/roadmaps", json=goal, headers={"traceparent": GOOD, "X-Request-ID": "mine"}
            )
        finally:
            content_queue.on_executed.remove(note)
        assert {task for task, _ in seen} == {"plan_roadmap", "build_content"}
        assert {(trace.trace_id, trace.request_id) for _, trace in seen if trace is not None} == {
            (UUID(ID), "mine")
        }
        assert None not in [trace for _, trace in seen]
