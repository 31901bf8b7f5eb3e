"""Stats, pauses and revoked messages of a queue."""

import json
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huey import crontab

from reliable_queue.queue import ReliableQueue
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from testing.servers import Redis
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.consumers import (
    KEY,
    OpenQueue,
    Works,
    consuming,
    on,
    recorded_beats,
)
from tests.integration.reliable_queue.storages import ALIVE


class TestLooking:
    def test_a_consumer_says_what_it_is_and_what_it_runs(self, process: OpenQueue) -> None:
        works, person = process(about={"version": "7"}), process()
        task = works.long.s("word")
        works.queue.enqueue(task)

        def read() -> dict[str, Any]:
            return next(
                (
                    json.loads(member.info)
                    for member in person.queue.storage.consumers()
                    if member.info
                ),
                {},
            )

        began = time.time()
        with consuming(works, workers=3):
            assert works.started.wait(HANG)
            found = wait_until(
                lambda: (it := read()).get("running") and it,
                reason="it beats with it",
            )
            assert (found["version"], found["pid"], found["threads"]) == ("7", os.getpid(), 3)
            assert found["host"]
            read_at = time.time()
            assert began - 1 < found["started_at"] <= found["at"] <= read_at
            [run] = found["running"]
            assert (run["task"], run["id"]) == ("long", task.id)
            assert found["started_at"] - 1 < run["since"] <= found["at"]
            works.gate.set()
            wait_until(lambda: read().get("running") == [])
        assert person.queue.storage.consumers() == []

    def test_the_oldest_message_is_as_old_as_its_sending_or_its_time(
        self, process: OpenQueue
    ) -> None:
        noon = datetime(2100, 1, 1, 12, tzinfo=UTC)
        clock = [noon]
        works = process(now=lambda: clock[0])
        assert works.queue.stats()[1] is None
        works.queue.enqueue(works.note.s("later", eta=noon + timedelta(seconds=30)))
        assert works.queue.stats()[1] is None
        clock[0] += timedelta(seconds=40)
        works.queue.enqueue(works.note.s("now"))
        assert works.queue.stats()[1] == pytest.approx(10)
        clock[0] += timedelta(seconds=5)
        assert works.queue.stats()[1] == pytest.approx(15)
        works.drain()
        assert works.queue.stats()[1] is None
        works.queue.enqueue(works.note.s("again"))
        clock[0] += timedelta(seconds=3)
        assert works.queue.stats()[1] == pytest.approx(3)

    def test_a_message_that_does_not_say_when_it_was_sent_is_of_no_known_age(
        self, broker: Redis
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        message = works.queue.serializer.open(
            works.queue.serialize_task(works.note.s("of the version before"))
        ).message
        works.queue.storage.enqueue(works.queue.serializer.seal(message, None, {}))
        works.queue.storage.enqueue(b"garbage", 1)
        stats, oldest = works.queue.stats()
        assert (stats.ready, oldest) == (2, None)


class TestPausing:
    def test_a_consumer_finishes_what_it_runs_and_goes_on_when_it_is_resumed(
        self, process: OpenQueue
    ) -> None:
        works, person = process(), process()
        works.queue.enqueue(works.long.s("runs"))
        with consuming(works, workers=2):
            assert works.started.wait(HANG)
            person.queue.pause()
            person.queue.enqueue_many([person.note.s("waits"), person.note.s("as well")])
            works.gate.set()
            wait_until(lambda: works.noted == ["runs"] and person.left() == (2, 0, 0))
            person.queue.resume()
            wait_until(lambda: len(works.noted) == 3)
        assert person.left() == (0, 0, 0)

    def test_periodic_tasks_do_not_pile_up_while_it_is_paused(self, process: OpenQueue) -> None:
        works = process()
        works.queue.periodic_task(crontab(), name="tick")(lambda: works.noted.append("tick"))
        works.queue.pause()
        for minute in range(3):
            works.queue.read_periodic(datetime(2100, 1, 1, 12, minute))
        assert works.left() == (0, 0, 0)
        works.queue.resume()
        works.queue.read_periodic(datetime(2100, 1, 1, 12, 3))
        works.drain()
        assert works.noted == ["tick"]

    def test_consumers_that_start_while_it_is_paused_wait_and_beat(
        self, process: OpenQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person, first, second = (process(ttl=ALIVE) for _ in range(3))
        person.queue.enqueue_many(person.note.s(f"{number}") for number in range(20))
        person.queue.pause()
        beats = [recorded_beats(works, monkeypatch) for works in (first, second)]
        with consuming(first), consuming(second):
            wait_until(lambda: all(len(each) > 1 for each in beats), reason="both beat again")
            assert (first.noted, second.noted, person.left()) == ([], [], (20, 0, 0))
            person.queue.resume()
            wait_until(lambda: person.left() == (0, 0, 0))
        assert sorted(first.noted + second.noted) == sorted(f"{number}" for number in range(20))

    def test_in_immediate_mode_what_is_enqueued_waits_and_runs_when_it_is_resumed(self) -> None:
        works = Works(
            ReliableQueue(
                "spare", keys=[KEY], storage_class=ReliableSqliteStorage, filename=":memory:"
            )
        )
        works.queue.immediate = True
        works.queue.pause()
        works.queue.enqueue(works.note.s("a"))
        works.queue.enqueue_many([works.note.s("b")])
        assert works.drain() == 0
        assert (works.noted, works.queue.pending_count()) == ([], 2)
        works.queue.resume()
        works.queue.enqueue(works.note.s("c"))
        assert works.noted == ["a", "b", "c"]
