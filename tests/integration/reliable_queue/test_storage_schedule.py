"""Contract of all storages: scheduled, snoozed and due messages."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

from reliable_queue.storage import MAX_DELIVERIES
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.storages import (
    NOON,
    Clock,
    Looks,
    Open,
    Storage,
    claimed,
    claimed_data,
    dies,
    held_by,
    in_seconds,
    waiting_claims,
    worked_off,
)


class TestSchedule:
    def test_a_claim_gives_what_is_due_by_the_storages_own_clock_and_not_before(
        self, consumer: Open
    ) -> None:
        clock = Clock(NOON - timedelta(milliseconds=1))
        storage = consumer(now=clock)
        storage.add_to_schedule(b"message", NOON)
        assert storage.claim(0) is None
        assert storage.scheduled_items() == [b"message"]

        clock.at = NOON

        assert claimed(storage).data == b"message"
        assert (storage.schedule_size(), storage.queue_size(), storage.stats().held) == (0, 0, 1)

    def test_what_falls_due_comes_in_its_lane_behind_what_is_ready(self, consumer: Open) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.add_to_schedule(b"later", NOON + timedelta(seconds=2), 0)
        storage.add_to_schedule(b"URGENT", NOON + timedelta(seconds=3), 1)
        storage.add_to_schedule(b"earlier", NOON + timedelta(seconds=1), None)
        storage.add_to_schedule(b"not yet", NOON + timedelta(seconds=4), 1)
        storage.enqueue_many([(b"waiting", 0), (b"FIRST", 1)])
        clock.at += timedelta(seconds=3)
        assert claimed_data(storage) == [b"FIRST", b"URGENT", b"waiting", b"earlier", b"later"]
        assert storage.scheduled_items() == [b"not yet"]

    def test_a_claim_acknowledges_and_gives_what_is_due(self, consumer: Open) -> None:
        storage = consumer(now=Clock())
        storage.enqueue(b"fails")
        failed = claimed(storage)
        storage.add_to_schedule(b"its retry", NOON)
        retry = storage.claim(0, [failed])
        assert retry is not None
        assert retry.data == b"its retry"
        assert held_by(storage) == [retry.receipt]

    def test_claims_get_all_that_is_due_however_much_it_is(self, consumer: Open) -> None:
        storage = consumer(now=Clock())
        messages = [b"%d" % number for number in range(1200)]
        for number, message in enumerate(messages):
            storage.add_to_schedule(message, NOON - timedelta(seconds=1200 - number))
        assert worked_off(storage) == messages

    def test_two_consumers_move_a_message_once(self, consumer: Open) -> None:
        consumers = [consumer(now=Clock()), consumer(now=Clock())]
        for number in range(300):
            consumers[0].add_to_schedule(b"%d" % number, NOON)
        together = threading.Barrier(2)

        def work(storage: Storage) -> list[bytes]:
            together.wait(HANG)
            return claimed_data(storage)

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(work, consumers)
        assert sorted(first + second) == sorted(b"%d" % number for number in range(300))


class TestPostponing:
    def test_a_postponed_message_comes_again_at_its_time_with_its_priority(
        self, consumer: Open
    ) -> None:
        clock = Clock(NOON - timedelta(seconds=1))
        storage = consumer(now=clock)
        storage.enqueue_many([(b"later", 1), (b"other", 0)])
        storage.snooze(claimed(storage), NOON.replace(tzinfo=UTC).timestamp())
        assert (storage.stats().held, storage.schedule_size(), storage.queue_size()) == (0, 1, 1)
        assert storage.scheduled_items() == [b"later"]
        clock.at = NOON
        assert claimed_data(storage) == [b"later", b"other"]

    def test_what_is_not_held_any_more_is_not_postponed(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue(b"done")
        claim = claimed(storage)
        storage.acknowledge(claim)
        storage.snooze(claim, NOON.replace(tzinfo=UTC).timestamp())
        assert storage.schedule_size() == 0

    def test_its_deliveries_count_on(self, consumer: Open) -> None:
        rescuer = consumer(now=Clock())
        rescuer.enqueue(b"poison")
        for death in range(1, MAX_DELIVERIES + 1):
            victim = consumer(now=Clock())
            assert claimed(victim).data == b"poison"
            dies(victim, rescuer)
            assert rescuer.stats().dead == (death == MAX_DELIVERIES)
            if death < MAX_DELIVERIES:
                rescuer.snooze(claimed(rescuer), NOON.replace(tzinfo=UTC).timestamp())


class TestFallingDue:
    """By the real clock: these claims wait."""

    def test_a_claim_that_waits_gets_a_message_that_falls_due(self, consumer: Open) -> None:
        waiting = consumer()
        waiting.add_to_schedule(b"later", in_seconds(3600))
        waiting.add_to_schedule(b"soon", in_seconds(0.3))
        with waiting_claims(waiting) as (claim,):
            result = claim.result(HANG)
        assert result is not None
        assert result.data == b"soon"
        assert waiting.scheduled_items() == [b"later"]

    def test_it_gets_one_that_another_consumer_schedules_meanwhile(self, consumer: Open) -> None:
        looks = Looks()
        waiting, other = consumer(now=looks), consumer()
        other.add_to_schedule(b"later", in_seconds(3600))
        looks.count = 0
        with waiting_claims(waiting) as (claim,):
            wait_until(
                lambda: looks.count >= 2,
                reason="it has found nothing, and when it has to look again",
            )
            other.add_to_schedule(b"soon", in_seconds(0.3))
            result = claim.result(HANG)
        assert result is not None
        assert result.data == b"soon"

    def test_two_that_fall_due_together_reach_two_threads(self, consumer: Open) -> None:
        waiting, due = consumer(), in_seconds(0.3)
        waiting.add_to_schedule(b"one", due)
        waiting.add_to_schedule(b"two", due)
        with waiting_claims(waiting, 2) as claims:
            results = [claim.result(HANG) for claim in claims]
        assert {result.data for result in results if result is not None} == {b"one", b"two"}

    def test_who_takes_over_the_waiting_knows_what_was_scheduled_meanwhile(
        self, consumer: Open
    ) -> None:
        looks = Looks()
        other, waiting = consumer(), consumer(now=looks)
        other.add_to_schedule(b"much later", in_seconds(3600))
        looks.count = 0
        with waiting_claims(waiting, 2) as claims:
            wait_until(
                lambda: looks.count >= 4,
                reason="both have found nothing, and when they have to look again",
            )
            other.add_to_schedule(b"scheduled", in_seconds(1))
            wait_until(lambda: looks.count >= 6, reason="the first one knows of it")
            other.enqueue(b"enqueued")
            results = [claim.result(HANG) for claim in claims]
        assert {result.data for result in results if result is not None} == {
            b"scheduled",
            b"enqueued",
        }
