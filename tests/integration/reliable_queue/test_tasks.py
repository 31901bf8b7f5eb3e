"""Tasks of a queue: baggage, outcomes, retries, schedules and chains."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huey import crontab

from reliable_queue.queue import ReliableQueue
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.consumers import KEY, OpenQueue, Works, consuming


class Tracing:
    """Baggage that tells whose request a message comes of, as known in the thread that sends it."""

    def __init__(self) -> None:
        self._known = threading.local()

    @property
    def whose(self) -> str:
        return getattr(self._known, "whose", "")

    @contextmanager
    def of(self, whose: str) -> Iterator[None]:
        before, self._known.whose = self.whose, whose
        try:
            yield
        finally:
            self._known.whose = before

    def packed(self) -> dict[str, str]:
        return {"whose": self.whose} if self.whose else {}

    def unpacked(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        return self.of(carried.get("whose", ""))


class TestBaggage:
    @pytest.fixture
    def tracing(self) -> Tracing:
        return Tracing()

    def test_a_task_runs_with_what_its_message_carries_and_with_nothing_of_the_one_before(
        self, process: OpenQueue, tracing: Tracing
    ) -> None:
        works = process(baggage=tracing)
        tell = works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))
        for whose in ("Ada", "", "Grace"):
            with tracing.of(whose):
                works.queue.enqueue(tell.s())
        works.queue.enqueue_many([tell.s()])
        assert works.drain() == 4
        assert works.noted == ["Ada", "", "Grace", ""]
        assert tracing.whose == ""

    def test_what_a_task_sends_and_its_retries_carry_the_same(
        self, process: OpenQueue, tracing: Tracing
    ) -> None:
        works, failures = process(baggage=tracing), [ValueError("once"), ValueError("twice")]
        tell = works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))

        def moody() -> None:
            works.noted.append(tracing.whose)
            if failures:
                raise failures.pop()
            tell.schedule(eta=datetime.now(UTC) - timedelta(seconds=1))
            works.queue.enqueue_many([tell.s(), tell.s()])

        with tracing.of("Ada"):
            works.queue.enqueue(works.queue.task(name="fickle", retries=2)(moody).s())
        assert works.drain() == 6
        assert works.noted == ["Ada"] * 6

    def test_a_postponed_message_keeps_it(self, process: OpenQueue, tracing: Tracing) -> None:
        works = process(baggage=tracing)

        def twice() -> None:
            works.noted.append(tracing.whose)
            if len(works.noted) == 1:
                assert works.queue.snooze(datetime.now(UTC) - timedelta(seconds=1))

        with tracing.of("Ada"):
            works.queue.enqueue(works.queue.task(name="twice")(twice).s())
        assert works.drain() == 2
        assert works.noted == ["Ada", "Ada"]

    def test_a_message_of_a_queue_without_baggage_runs_as_well(
        self, process: OpenQueue, tracing: Tracing
    ) -> None:
        before, works = process(), process(baggage=tracing)
        works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))
        before.queue.enqueue(before.queue.task(name="tell")(lambda: None).s())
        works.drain()
        assert works.noted == [""]
        with tracing.of("Ada"):
            works.queue.enqueue(works.note.s("word"))
        before.drain()
        assert before.noted == ["word"]

    def test_in_immediate_mode_it_travels_as_well(self, tracing: Tracing) -> None:
        works = Works(
            ReliableQueue(
                "spare",
                keys=[KEY],
                storage_class=ReliableSqliteStorage,
                filename=":memory:",
                baggage=tracing,
            )
        )
        works.queue.immediate = True
        inner = works.queue.task(name="inner")(lambda: works.noted.append(tracing.whose))
        outer = works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s()))
        with tracing.of("Ada"):
            works.queue.pause()
            works.queue.enqueue(outer.s())
        works.queue.resume()
        works.queue.enqueue(outer.s())
        assert works.noted == ["Ada", ""]


class TestOutcomes:
    def ended(self, works: Works) -> list[tuple[str, str]]:
        """Grows by every run that ends: which task, and how."""
        ends: list[tuple[str, str]] = []

        def read(task: str, seconds: float, outcome: str) -> None:
            assert 0 <= seconds < HANG
            ends.append((task, outcome))

        works.queue.on_executed.append(read)
        return ends

    def test_each_run_is_reported_with_its_end(self, process: OpenQueue) -> None:
        works = process()
        ends = self.ended(works)
        works.gate.set()
        works.failures += [ValueError("once"), ValueError("twice"), ValueError("thrice")]
        works.queue.enqueue_many([works.note.s("word"), works.moody.s("a"), works.moody.s("b")])
        works.drain()
        assert ends == [
            *[("note", "done"), ("moody", "retried"), ("moody", "retried")],
            *[("moody", "failed"), ("moody", "done")],
        ]

    def test_a_postponed_one_and_one_that_would_end_its_worker(self, process: OpenQueue) -> None:
        works = process()
        ends = self.ended(works)
        later = datetime.now(UTC) + timedelta(hours=1)
        works.queue.enqueue(works.queue.task(name="later")(lambda: works.queue.snooze(later)).s())
        works.queue.enqueue(works.queue.task(name="end")(sys.exit).s(3))
        works.drain()
        assert ends == [("later", "postponed"), ("end", "failed")]

    def test_an_interrupted_one_is_reported_once(self, process: OpenQueue) -> None:
        works = process()
        ends = self.ended(works)
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(HANG)
            consumer.request_stop(graceful=False)
            wait_until(lambda: ends)
            works.gate.set()
            wait_until(lambda: works.noted, reason="it ends nevertheless")
        assert ends == [("long", "interrupted")]

    def test_a_callback_that_fails_hurts_neither_the_task_nor_the_others(
        self, process: OpenQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        works = process()

        def fail(*_: Any) -> None:
            raise RuntimeError("a mistake")

        works.queue.on_executed.append(fail)
        ends = self.ended(works)
        works.queue.enqueue_many([works.note.s("a"), works.note.s("b")])
        assert works.drain() == 2
        assert (works.noted, ends) == (["a", "b"], [("note", "done")] * 2)
        assert works.left() == (0, 0, 0)
        assert "cannot be reported" in caplog.text

    def test_in_immediate_mode_a_task_inside_another_has_its_own_end(self) -> None:
        works = Works(
            ReliableQueue(
                "spare", keys=[KEY], storage_class=ReliableSqliteStorage, filename=":memory:"
            )
        )
        works.queue.immediate = True
        ends = self.ended(works)
        inner = works.queue.task(name="inner")(lambda: None)
        works.queue.enqueue(
            works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s())).s()
        )
        assert ends == [("inner", "done"), ("outer", "done")]

    def test_in_immediate_mode_a_task_inside_another_does_not_postpone_it(self) -> None:
        works, later = (
            Works(
                ReliableQueue(
                    "spare", keys=[KEY], storage_class=ReliableSqliteStorage, filename=":memory:"
                )
            ),
            list[bool](),
        )
        works.queue.immediate = True
        inner = works.queue.task(name="inner")(
            lambda: later.append(works.queue.snooze(datetime.now(UTC)))
        )
        outer = works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s()))
        ends = self.ended(works)
        works.queue.storage.enqueue(works.queue.serialize_task(outer.s()))
        assert works.queue.drain() == 1
        assert (later, ends) == ([False], [("inner", "done"), ("outer", "done")])
        assert works.left() == (0, 0, 0)


class TestTasks:
    def test_a_periodic_task_keeps_its_priority(self, process: OpenQueue) -> None:
        works = process()
        works.queue.periodic_task(crontab(), name="tick", priority=1)(
            lambda: works.noted.append("tick")
        )
        works.queue.periodic_task(crontab(), name="tock")(lambda: works.noted.append("tock"))
        works.queue.enqueue(works.note.s("waiting"))
        assert works.queue.read_periodic(datetime(2100, 1, 1, 12)) == []
        works.drain()
        assert works.noted == ["tick", "waiting", "tock"]

    def test_two_schedulers_enqueue_a_periodic_task_once_a_minute(self, process: OpenQueue) -> None:
        one, two = process(), process()
        for works in (one, two):
            works.queue.periodic_task(crontab(), name="tick")(one.noted.append)
            works.queue.periodic_task(crontab(minute="1"), name="other")(one.noted.append)
        minute = datetime(2100, 1, 1, 12)
        for works in (one, two, one):
            works.queue.read_periodic(minute)
        assert one.queue.pending_count() == 1
        for works in (one, two):
            works.queue.read_periodic(minute + timedelta(minutes=1))
        assert one.queue.pending_count() == 3

    def test_a_retry_keeps_its_priority(self, process: OpenQueue) -> None:
        noon = datetime(2100, 1, 1, 12, tzinfo=UTC)
        clock = [noon]
        works = process(now=lambda: clock[0])
        failures = [ValueError("once")]

        def urgent(word: str) -> None:
            if failures:
                raise failures.pop()
            works.noted.append(word)

        task = works.queue.task(name="urgent that fails", priority=1, retries=1, retry_delay=60)(
            urgent
        )
        works.queue.enqueue(task.s("urgent"))
        assert works.drain() == 1
        assert works.left() == (0, 1, 0)
        clock[0] += timedelta(seconds=60)
        works.queue.enqueue(works.note.s("low"))
        works.drain()
        assert works.noted == ["urgent", "low"]

    def test_a_scheduled_task_runs_when_its_time_has_come_though_all_workers_wait(
        self, process: OpenQueue
    ) -> None:
        works, other = process(), process()
        works.queue.enqueue(works.note.s("before"))
        with consuming(works, workers=3):
            wait_until(lambda: works.noted == ["before"])
            other.queue.enqueue(
                other.note.s("later", eta=datetime.now(UTC) + timedelta(seconds=0.3))
            )
            wait_until(lambda: works.noted == ["before", "later"])
            wait_until(lambda: other.left() == (0, 0, 0))
