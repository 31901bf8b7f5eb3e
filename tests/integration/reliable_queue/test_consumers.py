"""Consumers in threads and in child processes: their stop and their heartbeat."""

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reliable_queue.queue import ReliableQueue
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import Heartbeat
from testing.servers import Redis
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.consumers import (
    KEY,
    Child,
    OpenQueue,
    Works,
    consuming,
    on,
    recorded_beats,
)
from tests.integration.reliable_queue.storages import ALIVE, MOMENT


class TestStopping:
    @pytest.mark.parametrize("workers", [1, 3])
    def test_the_last_tasks_of_a_stopped_consumer_are_acknowledged(
        self, process: OpenQueue, workers: int
    ) -> None:
        works, others = process(), process()
        words = [f"{number}" for number in range(20)]
        works.queue.enqueue_many(works.note.s(word) for word in words)
        with consuming(works, workers):
            wait_until(lambda: len(works.noted) == len(words))

        assert others.left() == (0, 0, 0)
        assert others.queue.storage.heartbeat(ALIVE).taken_over == 0
        assert others.drain() == 0
        assert sorted(works.noted) == sorted(words)

    def test_a_task_that_ends_while_its_consumer_stops_is_acknowledged(
        self, process: OpenQueue
    ) -> None:
        works, others = process(), process()
        works.queue.enqueue(works.long.s("last"))
        with consuming(works) as consumer:
            assert works.started.wait(HANG)
            works.queue.enqueue(works.note.s("next"))
            wait_until(lambda: works.noted == ["next"])
            consumer.request_stop(graceful=True)
            assert consumer.stop_flag.wait(HANG)
            works.gate.set()

        assert others.left() == (0, 0, 0)
        assert others.drain() == 0
        assert works.noted == ["next", "last"]

    def test_a_stopped_consumer_leaves_what_is_ready_to_others(self, process: OpenQueue) -> None:
        works, others = process(), process()
        works.queue.enqueue(works.long.s("last"))
        with consuming(works, workers=1) as consumer:
            assert works.started.wait(HANG)
            works.queue.enqueue(works.note.s("other"))
            consumer.request_stop(graceful=True)
            assert consumer.stop_flag.wait(HANG)
            works.gate.set()
        assert works.noted == ["last"]
        assert others.left() == (1, 0, 0)
        others.drain()
        assert others.noted == ["other"]

    def test_what_is_interrupted_is_handed_back_at_once(self, process: OpenQueue) -> None:
        works, others = process(ttl=ALIVE), process(ttl=ALIVE)
        others.gate.set()
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(HANG)
            consumer.request_stop(graceful=False)
            wait_until(lambda: others.left() == (1, 0, 0), reason="it is handed back")
            assert others.drain() == 1
        assert others.noted == ["message"]
        assert others.left() == (0, 0, 0)
        assert others.queue.storage.stats().dead == 0

    def test_a_second_signal_ends_the_grace_wherever_the_first_has_led(
        self, process: OpenQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, others = process(ttl=ALIVE), process(ttl=ALIVE)
        others.gate.set()
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(HANG)
            usual, graceful = (
                works.queue.storage.wake,
                signal.SIGINT,
            )  # Huey's default

            def wake() -> None:  # between the first signal and the wait for the workers
                usual()
                consumer._handle_signal(graceful, None)

            monkeypatch.setattr(works.queue.storage, "wake", wake)
            consumer._handle_signal(graceful, None)
            wait_until(lambda: others.left() == (1, 0, 0), reason="it is handed back")
            assert others.drain() == 1
        assert others.noted == ["message"]

    def test_who_has_handed_everything_back_takes_nothing_any_more(
        self, process: OpenQueue
    ) -> None:
        """An idle worker is woken by its consumer's end: a message that it took would be lost."""
        works, others = process(), process()
        works.queue.enqueue(works.note.s("interrupted"))
        assert works.queue.dequeue() is not None
        works.queue.storage.wake()

        works.queue.notify_interrupted_tasks()

        assert works.queue.dequeue() is None
        assert others.left() == (1, 0, 0)

    def test_idle_workers_stop_at_once_however_many_they_are(self, process: OpenQueue) -> None:
        works = process()
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(8))
        with consuming(works, workers=8):
            wait_until(
                lambda: len(works.noted) == 8 and works.queue.storage.stats().held == 0,
            )


class RecordedBeats(ReliableSqliteStorage):
    """Remembers which beats may judge; some of the first ones find no broker."""

    faults = (ConnectionError,)

    def __init__(self, name: str, *, failing: int = 0, **options: Any) -> None:
        super().__init__(name, **options)
        self.failing, self.judged = failing, list[bool]()

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        self.judged.append(judge)
        if len(self.judged) <= self.failing:
            raise ConnectionError("the broker is away")
        return super().heartbeat(ttl, judge=judge, info=info)


@contextmanager
def hearts(*, heartbeat: float, ttl: float, failing: int = 0) -> Iterator[list[bool]]:
    """A consumer at work; the list grows by every beat, with whether it judges."""
    options = {"heartbeat": heartbeat, "ttl": ttl, "failing": failing}
    options |= {"storage_class": RecordedBeats, "filename": ":memory:"}
    queue = ReliableQueue("hearts", keys=[KEY], **options)
    storage: Any = queue.storage
    with consuming(Works(queue)):
        yield storage.judged


class TestJudging:
    def test_a_heart_goes_on_whatever_a_beat_comes_upon(
        self, process: OpenQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works = process(ttl=ALIVE)
        beat, mistakes = works.queue.storage.heartbeat, [ValueError("unforeseen") for _ in range(3)]

        def mistaken(ttl: float, **options: Any) -> Heartbeat:
            if mistakes:
                raise mistakes.pop()
            return beat(ttl, **options)

        monkeypatch.setattr(works.queue.storage, "heartbeat", mistaken)
        beats = recorded_beats(works, monkeypatch)
        works.queue.enqueue(works.note.s("done"))
        with consuming(works):
            wait_until(
                lambda: len([pulse for pulse in beats if pulse]) > 1,
                reason="it beats again",
            )
            wait_until(lambda: works.noted == ["done"])

    def test_a_consumer_that_beats_in_time_judges_at_every_beat(self) -> None:
        with hearts(heartbeat=0.01, ttl=ALIVE) as judged:
            wait_until(lambda: len(judged) >= 5)
        assert all(judged)

    def test_after_a_silence_longer_than_its_ttl_it_judges_no_consumer(self) -> None:
        with hearts(heartbeat=0.1, ttl=0.05) as judged:
            wait_until(lambda: len(judged) >= 3)
        assert judged[0] is True
        assert not any(judged[1:])

    def test_after_a_failed_heartbeat_it_judges_no_consumer_for_one_ttl(self) -> None:
        with hearts(heartbeat=0.01, ttl=ALIVE, failing=2) as judged:
            wait_until(lambda: len(judged) >= 6)
        assert judged[0] is True
        assert not any(judged[1:])

    def test_one_ttl_after_the_last_failure_it_judges_again(self) -> None:
        with hearts(heartbeat=0.01, ttl=1, failing=1) as judged:
            wait_until(lambda: any(judged[1:]), reason="it judges again")
        assert judged[:2] == [True, False]


class TestProcesses:
    def test_a_paused_one_judges_no_consumer_at_first(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        """Others were away as well, and can send heartbeats before it judges them."""
        works = on(broker, uuid.uuid4().hex)
        paused = child(works.queue.name, ttl=1.0)
        storage = works.queue.storage
        key = f"{{huey.{works.queue.name}}}:alive:"

        def lives(consumer: str) -> bool:
            return bool(broker.client().exists(key + consumer))

        wait_until(lambda: lives(paused.consumer))
        paused.signal(signal.SIGSTOP)
        wait_until(lambda: not lives(paused.consumer), reason="the paused one is silent")
        beats = len(paused.judged)
        storage.heartbeat(ALIVE)
        works.queue.enqueue(works.note.s("held"))
        assert storage.claim(0) is not None
        storage.heartbeat(MOMENT)
        wait_until(lambda: not lives(storage.consumer), reason="the other is silent as well")

        paused.signal(signal.SIGCONT)
        wait_until(
            lambda: paused.noted == ["held"],
            reason="it is taken over from the one that stays silent",
        )

        assert paused.judged[beats : beats + 2] == [False, False]
        wait_until(lambda: works.left() == (0, 0, 0))
        storage.close()

    def test_a_stopped_process_holds_nothing_and_runs_nothing_twice(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(200))
        consumer = child(works.queue.name)
        wait_until(lambda: consumer.noted)
        consumer.signal(signal.SIGTERM)
        assert consumer.process.wait(HANG) == 0
        assert works.queue.storage.stats().held == 0
        works.drain()
        assert works.left() == (0, 0, 0)
        assert sorted(consumer.noted + works.noted) == sorted(f"{number}" for number in range(200))
        works.queue.storage.close()

    def test_a_killed_process_loses_nothing(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(500))
        consumer = child(works.queue.name)
        wait_until(lambda: consumer.noted)
        consumer.signal(signal.SIGKILL)
        consumer.process.wait(HANG)
        everything = {f"{number}" for number in range(500)}
        with consuming(works):
            wait_until(
                lambda: set(consumer.noted + works.noted) == everything,
                reason="each has run",
            )
        assert works.queue.storage.stats().dead == 0
        works.queue.storage.close()
