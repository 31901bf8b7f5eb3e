"""Contract of all storages: lists and numbers of a queue, and removed messages."""

import time
from datetime import timedelta

from reliable_queue.storage import MAX_DELIVERIES, ConsumerInfo
from testing.waiting import wait_until
from tests.integration.reliable_queue.storages import (
    ALIVE,
    ANY_BYTES,
    MOMENT,
    NOON,
    Clock,
    Open,
    Storage,
    claimed,
    claimed_data,
    dies,
    held_by,
    letter_of,
    oldest,
    with_dead_letters,
)


def places(storage: Storage) -> list[bytes]:
    """Of everything that is ready and scheduled, looked at two at a time."""
    data: list[bytes] = []
    for look in (storage.ready, storage.scheduled):
        first = 0
        while some := look(first, 2):
            data += [waiting.data for waiting in some]
            first += 2
    return data


class TestLooking:
    def test_everything_is_counted(self, consumer: Open) -> None:
        storage = with_dead_letters(consumer(), b"dead")
        storage.enqueue_many([(b"a", 0), (b"b", 1), (b"c", 0)])
        claimed(storage)
        storage.add_to_schedule(b"later", NOON)
        stats = storage.stats()
        assert (stats.ready, stats.held, stats.scheduled, stats.dead) == (2, 1, 1, 1)
        assert (stats.consumers, stats.is_paused) == (1, False)
        storage.pause()
        storage.release_all()
        stats = storage.stats()
        assert (stats.ready, stats.held, stats.consumers, stats.is_paused) == (
            3,
            0,
            0,
            True,
        )

    def test_stats_contain_the_next_messages_of_each_lane(self, consumer: Open) -> None:
        storage = consumer()
        assert storage.stats().heads == []
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"c", 0), (b"D", 1)])
        body = {waiting.data for waiting in storage.stats().heads}
        assert body <= {b"a", b"B"}
        assert body

    def test_what_was_scheduled_is_ready_since_it_was_due(self, consumer: Open) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.add_to_schedule(b"soon", NOON + timedelta(seconds=5))
        storage.add_to_schedule(b"next", NOON + timedelta(seconds=9))
        assert oldest(storage) is None
        clock.at += timedelta(seconds=60)
        assert oldest(storage) == clock() - 55  # though no consumer has looked
        storage.release(claimed(storage))
        assert oldest(storage) == clock() - 55
        storage.acknowledge(claimed(storage))
        assert oldest(storage) == clock() - 51
        storage.acknowledge(claimed(storage))
        assert oldest(storage) is None

    def test_what_was_postponed_is_ready_since_its_time(self, consumer: Open) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.enqueue(b"message")
        storage.snooze(claimed(storage), clock() + 100)
        clock.at += timedelta(seconds=130)
        storage.release(claimed(storage))
        assert oldest(storage) == clock() - 30

    def test_what_comes_back_is_as_old_as_before(self, consumer: Open) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.add_to_schedule(b"message", NOON)
        clock.at += timedelta(seconds=10)
        claim = claimed(storage)
        clock.at += timedelta(seconds=10)
        storage.release(claim)
        assert oldest(storage) == clock() - 20
        claimed(storage)
        storage.heartbeat(ALIVE)
        assert storage.release_all() == 1
        assert oldest(storage) == clock() - 20

    def test_a_replayed_letter_is_as_old_as_its_replay(self, consumer: Open) -> None:
        clock = Clock()
        storage = with_dead_letters(consumer(now=clock), b"message")
        clock.at += timedelta(hours=3)
        storage.replay(letter_of(storage, b"message"))
        clock.at += timedelta(seconds=7)
        assert oldest(storage) == clock() - 7

    def test_ready_and_scheduled_messages_are_listed_in_their_order_part_by_part(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"c", 0), (b"D", 1), (b"E", 1)])
        storage.add_to_schedule(b"later", NOON + timedelta(seconds=1))
        storage.add_to_schedule(b"soon", NOON)
        assert places(storage) == [b"B", b"D", b"E", b"a", b"c", b"soon", b"later"]
        assert [waiting.data for waiting in storage.ready(2, 2)] == [b"E", b"a"]
        assert storage.ready(5, 100) == storage.scheduled(2, 100) == []
        assert [waiting.at for waiting in storage.scheduled(0, 5)] == [Clock()(), Clock()() + 1]

    def test_letters_are_listed_part_by_part(self, consumer: Open) -> None:
        storage = with_dead_letters(consumer(), *(b"%d" % number for number in range(5)))
        assert [letter.data for letter in storage.dead_letters(2, 2)] == [b"2", b"1"]
        assert storage.dead_letters(2, 5) == []

    def test_a_consumer_says_who_it_is_and_what_it_holds(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"held", 0), (ANY_BYTES, 0), (b"ready", 0)])
        claimed(storage)
        claimed(storage)
        began = time.time()
        storage.heartbeat(ALIVE, info='{"host": "näme"}')
        (member,) = storage.consumers()
        ended = time.time()
        assert member.info == '{"host": "näme"}'
        assert sorted(member.held) == sorted([b"held", ANY_BYTES])
        assert member.alive_until is not None
        assert began - 1 < member.alive_until - ALIVE < ended + 1

    def test_who_has_signed_off_is_not_shown(self, consumer: Open) -> None:
        storage = consumer()
        storage.release_all()
        assert storage.consumers() == []

    def test_all_consumers_are_shown_and_one_that_says_nothing_as_well(
        self, consumer: Open
    ) -> None:
        one, two = consumer(), consumer()
        two.enqueue(b"held")
        claimed(two)
        one.heartbeat(ALIVE, info="about one")
        assert sorted((member.info, member.held) for member in one.consumers()) == [
            ("", [b"held"]),
            ("about one", []),
        ]
        assert {member.id for member in two.consumers()} == {one.consumer, two.consumer}

    def test_one_that_is_silent_is_shown_as_long_as_it_holds_something(
        self, consumer: Open
    ) -> None:
        silent, rescuer = consumer(), consumer()
        silent.enqueue(b"held")
        claimed(silent)
        silent.heartbeat(MOMENT, info="about it")

        def shown() -> ConsumerInfo | None:
            return next(
                (member for member in rescuer.consumers() if member.id == silent.consumer), None
            )

        member = wait_until(
            lambda: (it := shown()) and it.alive_until is None and it, reason="it is silent"
        )
        assert member.held == [b"held"]
        wait_until(
            lambda: rescuer.heartbeat(ALIVE).taken_over == 1, reason="the message is taken over"
        )
        assert shown() is None


class TestRemoving:
    def test_a_ready_message_is_removed_and_no_other(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (ANY_BYTES, 1), (b"b", 0)])
        assert storage.remove(ANY_BYTES)
        assert storage.remove(b"b")
        assert not storage.remove(b"b")
        assert claimed_data(storage) == [b"a"]

    def test_a_scheduled_message_is_removed_and_no_other(self, consumer: Open) -> None:
        clock = Clock(NOON - timedelta(seconds=1))
        storage = consumer(now=clock)
        for number in range(4):
            storage.add_to_schedule(b"%d" % number, NOON + timedelta(seconds=number), number % 2)
        assert storage.remove(b"1")
        assert storage.remove(b"2")
        assert storage.scheduled_items() == [b"0", b"3"]
        clock.at += timedelta(seconds=9)
        assert claimed_data(storage) == [b"3", b"0"]

    def test_what_is_held_or_put_aside_is_not_removed(self, consumer: Open) -> None:
        storage = with_dead_letters(consumer(), b"dead")
        storage.enqueue(b"held")
        claim = claimed(storage)
        assert not storage.remove(b"held")
        assert not storage.remove(b"dead")
        assert held_by(storage) == [claim.receipt]
        assert storage.stats().dead == 1

    def test_of_two_with_the_same_message_one_goes(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"same", 0), (b"same", 0)])
        assert storage.remove(b"same")
        assert claimed_data(storage) == [b"same"]

    def test_a_removed_message_has_all_its_deliveries_when_it_is_sent_again(
        self, consumer: Open
    ) -> None:
        rescuer = consumer()
        for _ in range(2):
            rescuer.enqueue(b"message")
            for _ in range(MAX_DELIVERIES - 1):
                victim = consumer()
                claimed(victim)
                dies(victim, rescuer)
            assert rescuer.remove(b"message")
        assert rescuer.stats().dead == rescuer.queue_size() == 0
