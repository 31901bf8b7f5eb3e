"""Execution log: sent by size, age or at once, kept in outages, stored once."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import session, transaction
from core.errors import Unavailable
from core.ids import EPOCH, new_id
from core.tracing import TraceContext, use_trace
from models.records import ExecutionLog, LogSource
from roadmap.operations import execution_log
from roadmap.operations.execution_log import (
    Buffer,
    LogLedger,
    LogLevel,
    ledger,
    record,
    store_batch,
)
from tasks.logs import store_log_batch
from testing.logbook import entry
from testing.waiting import wait_until
from tests.unit.alone import run_alone
from tests.unit.roadmap.lifecycle.leased import away

Document = dict[str, Any]


class Sink:
    """Takes batches, or refuses them while `away`."""

    def __init__(self) -> None:
        self.batches: list[list[Document]] = []
        self.sources: list[Document] = []
        self.away = False
        self.refused = 0

    def __call__(self, batch: list[Document], source: Document) -> None:
        if self.away:
            self.refused += 1
            raise ConnectionError("the broker is away")
        self.batches.append(list(batch))
        self.sources.append(source)

    @property
    def records(self) -> list[Any]:
        return [int(document["message"]) for batch in self.batches for document in batch]


@pytest.fixture
def sink() -> Sink:
    return Sink()


def buffer_of(sink: Callable[[list[Document], Document], None] | None, **options: int) -> Buffer:
    buffer = Buffer(**options)
    buffer.sink = sink
    return buffer


def fill(buffer: Buffer, numbers: range) -> None:
    for number in numbers:
        buffer.add(entry(number), now=False)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no batch be sent for its age.

    Others record into a buffer of this test: the timer of the process would sleep that long.
    """
    monkeypatch.setattr(execution_log, "FLUSH_SECONDS", 600)
    stand_in = buffer_of(execution_log.buffer.sink)
    monkeypatch.setattr(execution_log, "buffer", stand_in)
    yield
    stand_in.flush()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_log, "FLUSH_SECONDS", 0.01)


@pytest.mark.usefixtures("patient")
class TestSending:
    def test_a_full_batch_is_sent_without_waiting_for_the_timer(self, sink: Sink) -> None:
        buffer = buffer_of(sink, batch=10)
        fill(buffer, range(10))
        wait_until(lambda: sink.records == list(range(10)), reason="the batch is sent")
        assert len(buffer) == 0

    def test_less_than_a_batch_waits(self, sink: Sink) -> None:
        buffer = buffer_of(sink, batch=10)
        fill(buffer, range(9))
        assert (len(buffer), sink.batches) == (9, [])
        buffer.flush()
        assert sink.records == list(range(9))

    def test_an_error_is_sent_at_once_with_what_came_before(self, sink: Sink) -> None:
        buffer = buffer_of(sink, batch=10)
        fill(buffer, range(3))
        buffer.add(entry(3), now=True)
        assert wait_until(lambda: sink.records == [0, 1, 2, 3], reason="the error is sent")

    def test_no_batch_is_larger_than_its_size(self, sink: Sink) -> None:
        buffer = Buffer(batch=10)
        fill(buffer, range(35))
        buffer.sink = sink
        buffer.flush()
        assert [len(batch) for batch in sink.batches] == [10, 10, 10, 5]
        assert [source["last_seq"] for source in sink.sources] == [10, 20, 30, 35]
        assert {source["id"] for source in sink.sources} == {buffer.id.hex}
        assert sink.records == list(range(35))

    def test_flushing_nothing_sends_nothing(self, sink: Sink) -> None:
        buffer_of(sink).flush()
        assert sink.batches == []

    def test_without_a_sink_records_wait_for_one(self, sink: Sink) -> None:
        buffer = Buffer()
        fill(buffer, range(5))
        buffer.flush()
        assert len(buffer) == 5
        buffer.sink = sink
        buffer.flush()
        assert sink.records == list(range(5))

    def test_every_record_of_many_threads_is_sent_once_and_in_the_order_of_its_thread(
        self, sink: Sink
    ) -> None:
        buffer = buffer_of(sink, batch=7)
        threads = [
            threading.Thread(target=fill, args=[buffer, range(start, start + 200)])
            for start in range(0, 800, 200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        buffer.flush()
        wait_until(lambda: len(sink.records) == 800, reason="all are sent")
        assert sorted(sink.records) == list(range(800))
        for start in range(0, 800, 200):
            mine = [number for number in sink.records if start <= number < start + 200]
            assert mine == sorted(mine)


@pytest.mark.usefixtures("hasty")
class TestAge:
    def test_a_lone_record_is_sent_by_its_age(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        fill(buffer, range(1))
        assert wait_until(lambda: sink.records == [0], reason="the record is sent")

    def test_the_tail_after_a_pause_is_sent_too(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        for number in range(5):
            buffer.add(entry(number), now=False)
            wait_until(lambda: len(buffer) == 0, reason="the record is sent")
        assert sink.records == list(range(5))

    def test_what_the_sink_refuses_is_tried_again_without_another_record(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        sink.away = True
        fill(buffer, range(3))
        wait_until(lambda: sink.refused >= 3, reason="it is tried again and again")
        sink.away = False
        assert wait_until(lambda: sink.records == [0, 1, 2], reason="the records are sent")


@pytest.mark.usefixtures("patient")
class TestRefusal:
    def test_what_the_sink_refuses_is_kept_and_sent_later_in_order(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        sink.away = True
        fill(buffer, range(25))
        buffer.flush()
        assert (len(buffer), sink.batches) == (25, [])

        sink.away = False
        fill(buffer, range(25, 28))
        buffer.flush()

        assert sink.records == list(range(28))
        assert [source["last_seq"] for source in sink.sources] == [28]
        assert (buffer.accepted, buffer.sent, buffer.dropped) == (28, 28, 0)

    def test_a_refused_batch_is_not_lost_when_the_ones_before_it_were_taken(
        self, sink: Sink
    ) -> None:
        taken: list[list[Document]] = []

        def twice(batch: list[Document], source: Document) -> None:
            if len(taken) == 2:
                raise ConnectionError("the broker went away")
            taken.append(batch)

        buffer = Buffer(batch=10)
        fill(buffer, range(40))
        buffer.sink = twice
        buffer.flush()
        wait_until(lambda: len(buffer) == 20, reason="the rest is kept")
        buffer.sink = sink
        buffer.flush()
        assert sink.records == list(range(20, 40))

    def test_what_finds_no_room_is_counted(self) -> None:
        buffer = Buffer(capacity=10)
        fill(buffer, range(15))
        assert (len(buffer), buffer.accepted, buffer.dropped) == (10, 10, 5)

    def test_large_records_find_room_for_fewer(
        self, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(execution_log, "CAPACITY_BYTES", 10_000)
        buffer = Buffer()
        for _ in range(15):
            buffer.add(entry("a" * 1000), now=False)
        assert (len(buffer), buffer.dropped) == (10, 5)
        buffer.sink = sink
        buffer.flush()
        fill(buffer, range(15))
        assert (len(buffer), buffer.dropped) == (15, 5)

    def test_a_hasty_thread_lets_the_sending_one_go_on_while_there_is_room(
        self, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buffer = buffer_of(sink, capacity=100)
        monkeypatch.setattr(execution_log.time, "sleep", lambda _: buffer.flush())
        fill(buffer, range(1000))
        buffer.flush()
        assert (buffer.dropped, sink.records) == (0, list(range(1000)))

    def test_a_record_keeps_its_id_when_its_batch_is_sent_again(self) -> None:
        tries: list[list[str]] = []

        def refuse_once(batch: list[Document], source: Document) -> None:
            tries.append([document["id"] for document in batch])
            if len(tries) == 1:
                raise ConnectionError("the reply is lost")

        buffer = buffer_of(refuse_once)
        fill(buffer, range(3))
        buffer.flush()
        fill(buffer, range(3, 5))
        buffer.flush()
        assert [len(ids) for ids in tries] == [3, 5]
        assert tries[1][:3] == tries[0]

    def test_the_oldest_are_kept_and_there_is_room_again_after_a_flush(self, sink: Sink) -> None:
        buffer = Buffer(capacity=10)
        fill(buffer, range(15))
        buffer.sink = sink
        buffer.flush()
        fill(buffer, range(20, 23))
        buffer.flush()
        assert sink.records == [*range(10), 20, 21, 22]
        assert buffer.dropped == 5
        assert [(source["last_seq"], source["dropped"]) for source in sink.sources] == [
            (10, 5),
            (13, 5),
        ]  # no numbers for them

    def test_nothing_that_was_accepted_is_lost_when_more_arrives_while_a_batch_is_refused(
        self, sink: Sink
    ) -> None:
        buffer = Buffer(capacity=10, batch=5)

        def add_more_and_refuse(batch: list[Document], source: Document) -> None:
            buffer.sink = sink
            fill(buffer, range(100, 110))
            raise ConnectionError("the broker is away")

        fill(buffer, range(10))
        buffer.sink = add_more_and_refuse
        buffer.flush()
        buffer.flush()
        wait_until(
            lambda: len(sink.records) == buffer.accepted, reason="all that was accepted is sent"
        )
        assert sink.records == [*range(10), *range(100, 105)]
        assert buffer.dropped == 5


def stored() -> list[dict[str, Any]]:
    with session():
        return list(ExecutionLog.select().order_by(ExecutionLog.id).dicts())


def document(**fields: Any) -> Document:
    common = {
        "id": new_id().hex,
        "at": clock.now().isoformat(),
        "level": "info",
        "category": "test",
        "step": "step",
    }
    optional = {"details": None, "duration_ms": None, "roadmap_id": None, "concept_id": None}
    return {**common, **optional, "message": "It happened.", **fields}


@pytest.mark.usefixtures("immediate")
class TestStoring:
    def test_a_batch_that_is_stored_twice_is_stored_once(self) -> None:
        batch = [document() for _ in range(20)]
        store_batch(batch)
        first = stored()
        store_batch(batch)
        assert stored() == first
        assert [row["id"].hex for row in first] == sorted(made["id"] for made in batch)

    def test_of_a_batch_that_is_known_in_part_the_rest_is_stored(self) -> None:
        known, new = [document() for _ in range(5)], [document() for _ in range(5)]
        store_batch(known)
        store_batch([*known[2:], *new])
        assert len(stored()) == 10

    def test_a_record_that_comes_twice_in_one_batch_is_stored_once(self) -> None:
        twice = document()
        store_batch([twice, twice])
        assert len(stored()) == 1

    def test_an_empty_batch_is_no_mistake(self) -> None:
        store_batch([])
        assert stored() == []

    def test_the_largest_batch_fits_into_one_statement(self) -> None:
        store_batch([document(details={"n": n}) for n in range(execution_log.BATCH)])
        assert len(stored()) == execution_log.BATCH

    def test_what_is_recorded_is_stored_with_every_field(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id, concept_id, trace_id = new_id(), new_id(), new_id()
        monkeypatch.setattr(execution_log, "current", lambda: TraceContext(trace_id.hex, "0" * 16))
        clock.travel(timedelta(days=1000))
        record(
            "building",
            "quiz",
            "Wrote — 写",
            level=LogLevel.warning,
            roadmap_id=roadmap_id,
            concept_id=concept_id,
            details={"tokens": 12, "deep": {"list": [1, None]}},
            duration_ms=42,
        )
        execution_log.buffer.flush()

        (row,) = stored()
        assert isinstance(row.pop("id"), UUID)
        at = row.pop("at")
        assert at.utcoffset() == timedelta()
        ago = clock.now() - at
        assert abs(ago) < timedelta(hours=1)
        assert row == {
            "level": "warning",
            "category": "building",
            "step": "quiz",
            "message": "Wrote — 写",
            "details": {"tokens": 12, "deep": {"list": [1, None]}},
            "duration_ms": 42,
            "roadmap_id": roadmap_id,
            "concept_id": concept_id,
            "trace_id": trace_id,
        }

    def test_records_of_several_traces_keep_theirs_and_the_version_before_can_store_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, sent = Buffer(), []
        made.sink = lambda records, source: sent.append((records, source))
        monkeypatch.setattr(execution_log, "buffer", made)
        traces = [new_id(), None, new_id()]
        for trace_id in traces:
            monkeypatch.setattr(
                execution_log,
                "current",
                lambda found=trace_id: TraceContext(found.hex, "0" * 16) if found else None,
            )
            record("test", "step", "message")
        made.flush()
        [(records, source)] = sent
        known = {
            "id",
            "at",
            "level",
            "category",
            "step",
            "message",
            "details",
            "duration_ms",
            "roadmap_id",
            "concept_id",
        }
        assert [set(document) for document in records] == [known] * 3  # it has no other columns
        store_batch(json.loads(json.dumps(records)), json.loads(json.dumps(source)))
        assert [row["trace_id"] for row in stored()] == traces

    def test_a_record_about_other_work_has_the_trace_of_that_work(self) -> None:
        ours, theirs = new_id(), new_id()
        with use_trace(TraceContext(ours.hex, "0" * 16)):
            record("test", "step", "message", trace=TraceContext(theirs.hex, "0" * 16))
            record("test", "step", "message")
        execution_log.buffer.flush()
        assert [row["trace_id"] for row in stored()] == [theirs, ours]

    def test_details_that_json_or_a_database_has_no_type_for_hold_nothing_up(self) -> None:
        circle: dict[str, Any] = {}
        circle["self"] = circle
        record(
            "test",
            "step",
            "1",
            details={"id": UUID(int=7), ("a", "tuple"): 1, "text": "a\x00b\ud800c", 3: {1}},
        )
        record("test", "step", "2", details=circle)
        record("test", "step", "3", details={"ratio": float("nan")})
        record("test", "step", ValueError("4"))  # type: ignore[arg-type]
        record("test", "step", "5", details={"last": True})
        execution_log.buffer.flush()

        details = {row["message"]: row["details"] for row in stored()}
        assert list(details) == ["1", "2", "3", "4", "5"]
        assert details["1"] == {"id": str(UUID(int=7)), "text": "ab?c", "3": "{1}"}
        assert [list(details[message]) for message in "23"] == [["unstorable"]] * 2
        assert details["5"] == {"last": True}

    def test_whoever_changes_what_it_recorded_does_not_change_the_record(self) -> None:
        inner = [1]
        details: dict[str, Any] = {"list": inner, "text": "before"}
        record("test", "step", "message", details=details)
        details["text"] = "after"
        inner.append(2)
        execution_log.buffer.flush()
        assert [row["details"] for row in stored()] == [{"list": [1], "text": "before"}]

    def test_a_record_has_the_time_at_which_it_was_made_however_late_it_is_sent(self) -> None:
        clock.travel(timedelta(days=-1))
        record("test", "step", "message")
        made = clock.now()
        clock.travel(timedelta(days=1))
        execution_log.buffer.flush()
        (row,) = stored()
        assert timedelta() <= made - row["at"] < timedelta(hours=1)
        assert made - timedelta(hours=1) < EPOCH + timedelta(milliseconds=row["id"].int >> 80)
        assert EPOCH + timedelta(milliseconds=row["id"].int >> 80) <= made

    def test_records_sort_by_the_time_they_were_made(self) -> None:
        for number in range(50):
            record("test", "step", f"{number}")
        execution_log.buffer.flush()
        assert [row["message"] for row in stored()] == [f"{number}" for number in range(50)]

    @pytest.fixture
    def capped(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Buffer]:
        """A buffer of three records in place of the process's own."""
        made = Buffer(capacity=3)
        monkeypatch.setattr(execution_log, "buffer", made)
        yield made
        made.sink = Sink()
        made.flush()

    def test_recording_never_fails_however_much_waits(self, capped: Buffer) -> None:
        for _ in range(10):
            record("test", "step", "message", level=LogLevel.error)
        assert (capped.accepted, capped.dropped) == (3, 7)


class Process:
    """A process that numbers its records and sends batches, some of them lost or late."""

    def __init__(self) -> None:
        self.id, self.numbered = new_id().hex, 0

    def batch(self, size: int = 10, *, dropped: int = 0) -> tuple[list[Document], Document]:
        self.numbered += size
        source = {"id": self.id, "service": "api", "last_seq": self.numbered, "dropped": dropped}
        return [document() for _ in range(size)], source


@pytest.fixture
def empty_ledger(immediate: None) -> None:
    execution_log.buffer.flush()
    with transaction():
        LogSource.delete().execute()


@pytest.mark.usefixtures("empty_ledger")
class TestLedger:
    PAST = execution_log.SETTLED + timedelta(seconds=1)

    def test_with_no_process_everything_is_zero(self) -> None:
        assert ledger() == LogLedger(stored=0, missing=0, dropped=0)

    def test_a_batch_that_comes_twice_counts_once(self) -> None:
        batch = Process().batch()
        store_batch(*batch)
        store_batch(*batch)
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=10, missing=0, dropped=0)

    def test_of_a_batch_that_is_known_in_part_the_new_ones_count(self) -> None:
        process = Process()
        first, _ = process.batch()
        second, source = process.batch()
        store_batch(first, {**source, "last_seq": 10})
        store_batch([*first, *second], source)
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=20, missing=0, dropped=0)

    def test_a_record_that_comes_twice_in_one_batch_counts_once(self) -> None:
        (one, *_), source = Process().batch()
        store_batch([one, one], {**source, "last_seq": 1})
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=1, missing=0, dropped=0)

    def test_batches_may_come_in_any_order(self) -> None:
        process = Process()
        for batch in reversed([process.batch(dropped=number) for number in range(5)]):
            store_batch(*batch)
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=50, missing=0, dropped=4)

    def test_a_gap_is_missing_after_its_time_and_not_before_and_no_more_when_it_comes_late(
        self,
    ) -> None:
        process = Process()
        late = process.batch()
        store_batch(*process.batch())
        assert ledger() == LogLedger(stored=10, missing=0, dropped=0)
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=10, missing=10, dropped=0)
        store_batch(*late)
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=20, missing=0, dropped=0)

    def test_what_a_busy_process_lost_is_missing_although_it_goes_on_writing(self) -> None:
        process = Process()
        process.batch()  # lost
        for _ in range(4):
            store_batch(*process.batch())
            clock.travel(execution_log.SETTLED / 2)
        assert ledger() == LogLedger(stored=40, missing=10, dropped=0)

    def test_processes_are_counted_for_themselves_and_summed_up(self) -> None:
        first, second = Process(), Process()
        first.batch()  # lost
        store_batch(*first.batch(5, dropped=3))
        store_batch(*second.batch(7, dropped=4))
        clock.travel(self.PAST)
        store_batch(*second.batch(2, dropped=4))  # alive
        assert ledger() == LogLedger(stored=14, missing=10, dropped=7)
        with session():
            assert sorted(LogSource.select(LogSource.stored, LogSource.last_seq).tuples()) == [
                (5, 15),
                (9, 9),
            ]

    def test_a_message_of_the_version_before_is_stored_and_not_counted(self) -> None:
        records, _ = Process().batch()
        store_log_batch.call_local(records)
        assert len(stored()) == 10
        assert ledger() == LogLedger(stored=0, missing=0, dropped=0)

    def test_a_batch_is_stored_and_counted_or_neither(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_off(*_: Any) -> None:
            raise Unavailable("the connection broke")

        batch = Process().batch()
        with monkeypatch.context() as patch:
            patch.setattr(execution_log, "is_postgres", break_off)  # which the count asks for
            with pytest.raises(Unavailable):
                store_batch(*batch)
        assert stored() == []
        store_batch(*batch)
        assert ledger() == LogLedger(stored=10, missing=0, dropped=0)

    def test_threads_that_store_batches_of_one_process_count_all_of_them(self) -> None:
        process = Process()
        batches = [process.batch(5) for _ in range(12)]
        threads = [
            threading.Thread(
                target=lambda mine: [store_batch(*batch) for batch in mine], args=[batches[n::3]]
            )
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=60, missing=0, dropped=0)

    @pytest.mark.usefixtures("patient")
    def test_what_a_buffer_sends_over_the_queue_is_counted_with_what_found_no_room(self) -> None:
        buffer = Buffer(capacity=10, batch=4)
        for _ in range(13):
            buffer.add(entry(), now=False)
        buffer.sink = store_log_batch
        buffer.flush()
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=10, missing=0, dropped=3)
        (row,) = rows_of_ledger()
        assert (row["id"], row["service"], row["last_seq"]) == (buffer.id, "all", 10)

    @pytest.mark.usefixtures("patient")
    def test_what_the_broker_lost_is_missing_once_its_process_has_written_again(self) -> None:
        buffer = Buffer()
        buffer.sink = lambda batch, source: None  # taken, and lost
        for _ in range(6):
            buffer.add(entry(), now=False)
        buffer.flush()
        buffer.sink = store_log_batch
        buffer.add(entry(), now=False)
        buffer.flush()
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=1, missing=6, dropped=0)

    @pytest.mark.usefixtures("patient")
    def test_a_batch_that_was_taken_although_the_sink_failed_counts_once(self) -> None:
        def take_and_fail(batch: list[Document], source: Document) -> None:
            store_batch(batch, source)
            raise ConnectionError("the reply is lost")

        buffer = Buffer()
        for _ in range(6):
            buffer.add(entry(), now=False)
        buffer.sink = take_and_fail
        buffer.flush()
        buffer.add(entry(), now=False)
        buffer.sink = store_log_batch
        buffer.flush()
        clock.travel(self.PAST)
        assert ledger() == LogLedger(stored=7, missing=0, dropped=0)


def rows_of_ledger() -> list[dict[str, Any]]:
    with session():
        return list(LogSource.select().dicts())


@pytest.mark.usefixtures("empty_ledger", "patient")
class TestClosing:
    def filled(self, number: int, **options: int) -> Buffer:
        buffer = Buffer(**options)
        for _ in range(number):
            buffer.add(entry(), now=False)
        return buffer

    def test_what_the_queue_takes_is_not_stored_from_here(self, sink: Sink) -> None:
        buffer = self.filled(3)
        buffer.sink = sink
        buffer.close()
        assert [len(batch) for batch in sink.batches] == [3]
        assert (len(buffer), stored()) == (0, [])

    def test_what_the_queue_refuses_is_stored_from_here_and_counted(self, sink: Sink) -> None:
        buffer = self.filled(25, batch=10)
        sink.away = True
        buffer.sink = sink
        buffer.close()
        assert (len(buffer), sink.batches, len(stored())) == (0, [], 25)
        clock.travel(TestLedger.PAST)
        assert ledger() == LogLedger(stored=25, missing=0, dropped=0)

    def test_a_process_without_a_queue_stores_its_records(self) -> None:
        buffer = self.filled(3)
        buffer.close()
        assert (len(buffer), len(stored())) == (0, 3)

    def test_with_queue_and_database_away_the_number_of_lost_records_is_logged(
        self, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        buffer = self.filled(7)
        sink.away = True
        buffer.sink = sink
        with away():
            buffer.close()
        (found,) = [line for line in caplog.records if line.levelname == "ERROR"]
        assert (
            found.getMessage()
            == "7 log records are lost: neither the queue nor the database accepts them"
        )

    def test_nothing_is_logged_when_nothing_is_lost(
        self, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        buffer = self.filled(7)
        buffer.sink = sink
        with away():
            buffer.close()
        assert caplog.records == []

    def test_closing_twice_stores_once(self) -> None:
        buffer = self.filled(3)
        buffer.close()
        buffer.close()
        assert ledger() == LogLedger(stored=3, missing=0, dropped=0)

    def test_a_process_that_just_ends_has_stored_what_it_recorded(self) -> None:
        """A process that it forks meanwhile leaves these records to it."""
        ended = run_alone(FORKS, os.environ)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert [row["message"] for row in stored()] == ["of the parent"]


FORKS = """
import os
import warnings
from roadmap.operations.execution_log import buffer, record

record("test", "step", "of the parent")
source = buffer.id
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
else:
    record("test", "step", "of the child")
    sent = []
    buffer.sink = lambda records, source: sent.append((records, source))
    buffer.flush()
    [([made], numbers)] = sent
    assert made["message"] == "of the child", made
    assert numbers["last_seq"] == 1 and buffer.id != source, numbers
    os._exit(0)
"""


@pytest.mark.usefixtures("patient")
def test_accepted_records_are_counted_once_by_several_threads_without_a_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came: list[int] = []

    class Turn:
        """A lock that notes who comes to it."""

        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __enter__(self) -> None:
            came.append(threading.get_ident())
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    with monkeypatch.context() as patch:
        made_of = SimpleNamespace(Lock=Turn, Event=threading.Event)
        patch.setattr(execution_log, "threading", made_of)
        made = Buffer()
    counted: list[float] = []
    other = threading.Thread(target=made.update_metric)

    def count(name: str, value: float = 1) -> None:
        counted.append(value)
        if other.ident is None:
            other.start()  # in the midst of this one
            wait_until(lambda: len(came) == 2 or not other.is_alive())

    monkeypatch.setattr(execution_log.metric_counters, "count", count)
    for _ in range(3):
        made.add(entry(), now=False)
    made.update_metric()
    other.join()
    assert sum(counted) == 3
