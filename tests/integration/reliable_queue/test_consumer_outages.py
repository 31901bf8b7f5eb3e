"""Consumers while the broker is away."""

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from testing.servers import Redis
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.consumers import OpenQueue, consuming, on, recorded_beats
from tests.integration.reliable_queue.storages import ALIVE


class TestOutages:
    def test_what_ends_while_the_broker_is_away_is_acknowledged_later(
        self, own_broker: Redis
    ) -> None:
        works, others = on(own_broker), on(own_broker)
        works.queue.enqueue_many(
            [works.long.s("long"), *(works.note.s(f"{number}") for number in range(5))]
        )
        with consuming(works, workers=1):
            assert works.started.wait(HANG)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: "long" in works.noted)
            own_broker.start()
            wait_until(
                lambda: others.left() == (0, 0, 0),
                reason="every message is acknowledged",
            )
        assert set(works.noted) == {"long", "0", "1", "2", "3", "4"}
        assert others.queue.storage.stats().dead == 0
        assert others.left() == (0, 0, 0)

    def test_what_ends_while_the_broker_is_away_is_not_run_again_by_its_consumer(
        self, own_broker: Redis
    ) -> None:
        works, others = on(own_broker), on(own_broker)
        works.queue.enqueue(works.long.s("long"))
        with consuming(works):
            assert works.started.wait(HANG)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: works.noted)
            own_broker.start()
            wait_until(
                lambda: others.left() == (0, 0, 0),
                reason="its message is acknowledged",
            )
        assert works.noted == ["long"]

    def test_what_fails_while_the_broker_is_away_is_tried_again(self, own_broker: Redis) -> None:
        works, others = on(own_broker), on(own_broker)
        works.failures.append(ValueError("broken"))
        works.queue.enqueue(works.moody.s("moody"))
        with consuming(works):
            assert works.started.wait(HANG)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: not works.failures, reason="it has failed")
            own_broker.start()
            wait_until(lambda: works.noted == ["moody"], reason="it is tried again")
            wait_until(
                lambda: others.left() == (0, 0, 0),
                reason="every message is acknowledged",
            )
        assert others.queue.storage.stats().dead == 0

    def test_a_consumer_that_cannot_beat_at_its_start_works_when_the_broker_is_back(
        self, own_broker: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, producer = on(own_broker), on(own_broker)
        beats = recorded_beats(works, monkeypatch)
        own_broker.kill()
        with consuming(works):
            wait_until(lambda: len(beats) > 2, reason="it has tried again")
            assert set(beats) == {None}
            own_broker.start()
            producer.queue.enqueue(producer.note.s("word"))
            wait_until(lambda: works.noted == ["word"])
            wait_until(lambda: producer.left() == (0, 0, 0))

    def test_idle_workers_get_new_messages_after_an_outage(self, own_broker: Redis) -> None:
        works, producer = on(own_broker), on(own_broker)
        works.queue.enqueue(works.note.s("before"))
        with consuming(works, workers=3):
            wait_until(lambda: works.noted == ["before"])
            own_broker.kill()
            own_broker.start()
            producer.queue.enqueue_many(producer.note.s(f"{number}") for number in range(6))
            wait_until(lambda: len(works.noted) == 7)
        assert producer.left() == (0, 0, 0)

    def test_a_message_that_no_worker_knows_comes_back(self, process: OpenQueue) -> None:
        works = process(ttl=ALIVE)
        works.queue.enqueue(works.note.s("lost reply"))
        assert works.queue.storage.claim(0) is not None  # and no worker knows of it
        with consuming(works):
            wait_until(lambda: works.noted == ["lost reply"])
            wait_until(lambda: works.left() == (0, 0, 0))

    def test_what_a_worker_still_runs_does_not_come_back_however_often_the_heart_beats(
        self, process: OpenQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, others = process(ttl=ALIVE), process()
        beats = recorded_beats(works, monkeypatch)
        works.queue.enqueue(works.long.s("long"))
        with consuming(works):
            wait_until(lambda: len([pulse for pulse in beats if pulse and pulse.held]) > 3)
            assert others.left() == (0, 0, 1)
            works.gate.set()
            wait_until(lambda: others.left() == (0, 0, 0))
        assert works.noted == ["long"]

    def test_who_postpones_its_message_forgets_it_before_another_worker_can_have_it(
        self, process: OpenQueue
    ) -> None:
        works, taken = process(ttl=ALIVE), list[Any]()

        def again() -> None:
            assert works.queue.snooze(datetime.now(UTC))
            taken.append(
                works.queue.dequeue()
            )  # another worker is quicker than the end of this task

        works.queue.enqueue(works.queue.task(name="again")(again).s())
        works.queue.execute(works.queue.dequeue())
        assert taken[0] is not None

        for _ in range(2):
            assert works.queue.release_unknown(works.queue.storage.heartbeat(ALIVE).held) == 0
        assert works.left() == (0, 0, 1)

    def test_a_task_that_would_end_its_worker_is_put_aside(self, process: OpenQueue) -> None:
        works = process()
        works.queue.enqueue(works.queue.task(name="end")(sys.exit).s(3))
        works.queue.enqueue(works.note.s("after it"))
        with consuming(works, workers=1):
            wait_until(lambda: works.noted == ["after it"])
        assert [letter.reason for letter in works.queue.storage.dead_letters()] == [
            "it failed for good: SystemExit(3)"
        ]
        assert works.left() == (0, 0, 0)
