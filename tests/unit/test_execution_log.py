"""The execution log: what is recorded is sent by size, by age or at once, kept while nobody takes it, and stored once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.ids import new_id
from core.runtime import session
from models.logs import ExecutionLog
from roadmap import execution_log
from roadmap.execution_log import Buffer, LogLevel, record, store_batch
from tests.waiting import wait_until

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
        return [document["n"] for batch in self.batches for document in batch]


@pytest.fixture
def sink() -> Sink:
    return Sink()


def buffer_of(sink: Sink, **options: int) -> Buffer:
    buffer = Buffer(**options)
    buffer.sink = sink
    return buffer


def fill(buffer: Buffer, numbers: range) -> None:
    for number in numbers:
        buffer.add({"n": number}, now=False)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Age alone sends nothing within a test."""
    monkeypatch.setattr(execution_log, "FLUSH_SECONDS", 600)
    yield
    execution_log.buffer._urgent.set()  # the timer of the process must not have fallen asleep for that long


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
        buffer.add({"n": 3}, now=True)
        wait_until(lambda: sink.records == [0, 1, 2, 3], reason="the error is sent")

    def test_no_batch_is_larger_than_its_size(self, sink: Sink) -> None:
        buffer = Buffer(batch=10)
        fill(buffer, range(35))
        buffer.sink = sink
        buffer.flush()
        assert [len(batch) for batch in sink.batches] == [10, 10, 10, 5]
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

    def test_every_record_of_many_threads_is_sent_once_and_in_the_order_of_its_thread(self, sink: Sink) -> None:
        buffer = buffer_of(sink, batch=7)
        threads = [threading.Thread(target=fill, args=[buffer, range(start, start + 200)]) for start in range(0, 800, 200)]
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
        wait_until(lambda: sink.records == [0], reason="the record is sent")

    def test_the_tail_after_a_pause_is_sent_too(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        for number in range(5):
            buffer.add({"n": number}, now=False)
            wait_until(lambda: len(buffer) == 0, reason="the record is sent")
        assert sink.records == list(range(5))

    def test_what_the_sink_refuses_is_tried_again_without_another_record(self, sink: Sink) -> None:
        buffer = buffer_of(sink)
        sink.away = True
        fill(buffer, range(3))
        wait_until(lambda: sink.refused >= 3, reason="it is tried again and again")
        sink.away = False
        wait_until(lambda: sink.records == [0, 1, 2], reason="the records are sent")


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
        assert (buffer.accepted, buffer.dropped) == (28, 0)

    def test_a_refused_batch_is_not_lost_when_the_ones_before_it_were_taken(self, sink: Sink) -> None:
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

    def test_the_oldest_are_kept_and_there_is_room_again_after_a_flush(self, sink: Sink) -> None:
        buffer = Buffer(capacity=10)
        fill(buffer, range(15))
        buffer.sink = sink
        buffer.flush()
        fill(buffer, range(20, 23))
        buffer.flush()
        assert sink.records == [*range(10), 20, 21, 22]
        assert buffer.dropped == 5

    def test_nothing_that_was_accepted_is_lost_when_more_arrives_while_a_batch_is_refused(self, sink: Sink) -> None:
        buffer = Buffer(capacity=10, batch=5)

        def add_more_and_refuse(batch: list[Document], source: Document) -> None:
            buffer.sink = sink
            fill(buffer, range(100, 110))
            raise ConnectionError("the broker is away")

        fill(buffer, range(10))
        buffer.sink = add_more_and_refuse
        buffer.flush()
        buffer.flush()
        wait_until(lambda: len(sink.records) == buffer.accepted, reason="all that was accepted is sent")
        assert sink.records == [*range(10), *range(100, 105)]
        assert buffer.dropped == 5


@pytest.mark.usefixtures("immediate")
class TestStoring:
    def stored(self) -> list[dict[str, Any]]:
        with session():
            return list(ExecutionLog.select().order_by(ExecutionLog.id).dicts())

    def document(self, **fields: Any) -> Document:
        common = {"id": new_id().hex, "at": clock.now().isoformat(), "level": "info", "category": "test", "step": "step"}
        optional = {"details": None, "duration_ms": None, "roadmap_id": None, "concept_id": None}
        return {**common, **optional, "message": "It happened.", **fields}

    def test_a_batch_that_is_stored_twice_is_stored_once(self) -> None:
        batch = [self.document() for _ in range(20)]
        store_batch(batch)
        first = self.stored()
        store_batch(batch)
        assert self.stored() == first
        assert [row["id"].hex for row in first] == sorted(document["id"] for document in batch)

    def test_of_a_batch_that_is_known_in_part_the_rest_is_stored(self) -> None:
        known, new = [self.document() for _ in range(5)], [self.document() for _ in range(5)]
        store_batch(known)
        store_batch([*known[2:], *new])
        assert len(self.stored()) == 10

    def test_a_record_that_comes_twice_in_one_batch_is_stored_once(self) -> None:
        document = self.document()
        store_batch([document, document])
        assert len(self.stored()) == 1

    def test_an_empty_batch_is_no_mistake(self) -> None:
        store_batch([])
        assert self.stored() == []

    def test_the_largest_batch_fits_into_one_statement(self) -> None:
        store_batch([self.document(details={"n": n}) for n in range(execution_log.BATCH)])
        assert len(self.stored()) == execution_log.BATCH

    def test_what_is_recorded_is_stored_with_every_field(self) -> None:
        roadmap_id, concept_id = new_id(), new_id()
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

        (row,) = self.stored()
        assert isinstance(row.pop("id"), UUID)
        at = row.pop("at")
        assert at.utcoffset() == timedelta()
        assert abs(at - clock.now()) < timedelta(hours=1)
        assert row == {
            "level": "warning",
            "category": "building",
            "step": "quiz",
            "message": "Wrote — 写",
            "details": {"tokens": 12, "deep": {"list": [1, None]}},
            "duration_ms": 42,
            "roadmap_id": roadmap_id,
            "concept_id": concept_id,
        }

    def test_records_sort_by_the_time_they_were_made(self) -> None:
        for number in range(50):
            record("test", "step", f"{number}")
        execution_log.buffer.flush()
        assert [row["message"] for row in self.stored()] == [f"{number}" for number in range(50)]

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
