"""Contract of all storages: claims that wait, and queues that are paused."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from reliable_queue.redis_storage import ReliableRedisStorage
from testing.servers import Redis
from testing.waiting import BRIEF, HANG, wait_until
from tests.integration.reliable_queue.storages import (
    ALIVE,
    MOMENT,
    NOON,
    Clock,
    Looks,
    Open,
    claimed,
    claimed_data,
    dies,
    held_by,
    in_seconds,
    waiting_claims,
)


class TestPausing:
    def test_while_it_is_paused_nothing_is_claimed_and_afterwards_everything_in_its_order(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"B", 1)])
        storage.pause()
        storage.enqueue(b"c")
        assert storage.enqueue_once("key", b"d", 600)
        assert storage.is_paused()
        assert storage.claim(0) is None
        assert (storage.queue_size(), storage.stats().held) == (4, 0)

        storage.resume()

        assert not storage.is_paused()
        assert claimed_data(storage) == [b"B", b"a", b"c", b"d"]

    def test_what_is_done_is_still_forgotten_and_what_is_held_stays_held(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])
        done, runs = claimed(storage), claimed(storage)
        storage.pause()
        assert storage.claim(0, [done]) is None
        assert held_by(storage) == [runs.receipt]
        storage.acknowledge(runs)
        assert (storage.stats().held, storage.queue_size()) == (0, 1)

    def test_what_falls_due_meanwhile_comes_when_it_is_resumed(self, consumer: Open) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.add_to_schedule(b"message", NOON + timedelta(seconds=1))
        storage.pause()
        clock.at += timedelta(seconds=5)
        assert storage.claim(0) is None
        storage.resume()
        assert claimed(storage).data == b"message"

    def test_pausing_twice_and_resuming_what_is_not_paused_change_nothing(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.resume()
        storage.enqueue(b"a")
        storage.pause()
        storage.pause()
        storage.resume()
        assert not storage.is_paused()
        storage.resume()
        assert claimed_data(storage) == [b"a"]

    def test_it_is_paused_for_all_consumers_also_for_those_that_come_later(
        self, consumer: Open
    ) -> None:
        one, two = consumer(), consumer()
        one.enqueue(b"message")
        one.pause()
        later = consumer()
        assert [storage.claim(0) for storage in (one, two, later)] == [None] * 3
        assert later.is_paused()
        later.resume()
        assert claimed(two).data == b"message"

    def test_another_queue_is_not_paused(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content")
        logs.pause()
        content.enqueue(b"message")
        assert not content.is_paused()
        assert claimed(content).data == b"message"

    def test_waiting_claims_of_several_consumers_get_what_waited_as_soon_as_it_is_resumed(
        self, consumer: Open
    ) -> None:
        one, two, person = consumer(), consumer(), consumer()
        person.pause()
        with waiting_claims(one, 2) as some, waiting_claims(two, 2) as others:
            person.enqueue_many((b"%d" % number, 0) for number in range(4))
            person.resume()
            results = [
                claim.result(HANG) for claim in [*some, *others]
            ]  # long before a look that no hint has caused
        assert {result.data for result in results if result is not None} == {b"0", b"1", b"2", b"3"}

    def test_a_claim_that_waits_gets_what_fell_due_while_it_was_paused(
        self, consumer: Open
    ) -> None:
        waiting, person = consumer(), consumer()
        person.pause()
        person.add_to_schedule(b"due", in_seconds(-1))
        with waiting_claims(waiting) as (claim,):
            person.resume()
            result = claim.result(HANG)
        assert result is not None
        assert result.data == b"due"

    def test_who_waits_is_not_kept_busy_by_what_may_not_be_claimed(self, consumer: Open) -> None:
        looks = Looks()
        waiting, producer = consumer(now=looks), consumer()
        producer.add_to_schedule(b"due", in_seconds(-1))
        producer.enqueue(b"ready")
        producer.pause()
        looks.count = 0
        assert waiting.claim(3 * BRIEF) is None
        assert looks.count < 40


def test_an_idle_consumer_asks_redis_seldom(broker: Redis) -> None:
    """Servers that are billed by the command are so all day."""
    looks = Looks()
    waiting = ReliableRedisStorage(
        uuid.uuid4().hex, url=broker.url(), now=looks
    )  # as a service opens it
    assert waiting.claim(0.5) is None
    waiting.close()
    assert looks.count <= 4


class TestWaiting:
    def test_a_claim_that_waits_gets_a_message_that_is_enqueued_meanwhile(
        self, consumer: Open
    ) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting) as (claim,):
            producer.enqueue(b"late")
            result = claim.result(HANG)
        assert result is not None
        assert result.data == b"late"
        assert held_by(waiting) == [result.receipt]

    def test_a_claim_gives_nothing_when_its_time_is_over(self, consumer: Open) -> None:
        storage, other = consumer(), consumer()
        assert storage.claim(MOMENT) is None
        with waiting_claims(storage) as (
            leader,
        ):  # and not when another thread of the consumer waits longer
            assert storage.claim(MOMENT) is None
            other.enqueue(b"message")
            result = leader.result(HANG)
        assert result is not None

    @pytest.mark.parametrize("way", ["schedule", "release", "once", "death", "replay", "hand back"])
    def test_a_claim_that_waits_gets_what_becomes_ready_in_another_way(
        self, consumer: Open, way: str
    ) -> None:
        waiting, other, holder = consumer(), consumer(), consumer()
        holder.enqueue(b"message")
        claim = claimed(holder)
        if way == "replay":
            holder.dead_letter(claim, "reason")
        assert waiting.claim(MOMENT) is None
        with waiting_claims(waiting) as (result,):
            if way == "schedule":
                other.add_to_schedule(b"message", in_seconds(-1))
            elif way == "release":
                holder.release(claim)
            elif way == "once":
                other.enqueue_once("key", b"message", 600)
            elif way == "replay":
                assert other.replay(other.dead_letters()[0].id)
            elif way == "hand back":
                assert holder.release_all() == 1
            else:
                dies(holder, other)
            got = result.result(HANG)
        assert got is not None
        assert got.data == b"message"

    def test_when_one_thread_has_got_a_message_another_waits_for_the_next(
        self, consumer: Open
    ) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting, 2) as claims:
            producer.enqueue(b"first")
            wait_until(lambda: any(claim.done() for claim in claims))
            assert waiting.stats().held == 1
            producer.enqueue(b"second")
            results = [claim.result(HANG) for claim in claims]
        assert {result.data for result in results if result is not None} == {b"first", b"second"}

    def test_two_messages_at_once_reach_two_threads(self, consumer: Open) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting, 2) as claims:
            producer.enqueue_many([(b"first", 0), (b"second", 0)])
            results = [claim.result(HANG) for claim in claims]
        assert {result.data for result in results if result is not None} == {b"first", b"second"}

    def test_messages_reach_all_threads_of_two_consumers(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        with waiting_claims(one, 3) as some, waiting_claims(two, 3) as others:
            consumer().enqueue_many((b"%d" % number, 0) for number in range(6))
            results = [claim.result(HANG) for claim in [*some, *others]]
        assert {result.data for result in results if result is not None} == {
            b"%d" % number for number in range(6)
        }

    def test_what_is_done_is_forgotten_before_the_waiting_begins(self, consumer: Open) -> None:
        storage, other = consumer(), consumer()
        storage.enqueue(b"done")
        with waiting_claims(storage, done=[claimed(storage)]) as (claim,):
            wait_until(lambda: other.stats().held == 0, reason="it is acknowledged")
            assert not claim.done()
            other.enqueue(b"next")
            result = claim.result(HANG)
        assert result is not None
        assert result.data == b"next"
        assert other.stats().held == 1

    def test_wake_ends_the_waiting_of_all_claims_with_one_call(self, consumer: Open) -> None:
        storage = consumer()
        with ThreadPoolExecutor(3) as pool:
            claims = [pool.submit(storage.claim, ALIVE) for _ in range(3)]
            wait_until(lambda: all(claim.running() for claim in claims))
            storage.wake()
            assert [claim.result(HANG) for claim in claims] == [None, None, None]

    def test_after_wake_no_claim_waits_but_what_is_ready_is_still_given(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.wake()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(storage.claim, ALIVE).result(HANG) is None
            storage.enqueue(b"message")
            claim = pool.submit(storage.claim, ALIVE).result(HANG)
        assert claim is not None
        assert claim.data == b"message"

    def test_wake_can_be_called_again(self, consumer: Open) -> None:
        storage = consumer()
        storage.wake()
        storage.wake()
        assert storage.claim(ALIVE) is None

    def test_wake_does_not_disturb_the_claims_of_another_consumer(self, consumer: Open) -> None:
        leaving, staying = consumer(), consumer()
        with waiting_claims(staying) as (stays,), waiting_claims(leaving) as (leaves,):
            leaving.wake()
            assert leaves.result(HANG) is None
            leaving.enqueue(b"message")
            result = stays.result(HANG)
        assert result is not None
        assert result.data == b"message"
