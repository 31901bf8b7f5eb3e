"""Contract of all storages: order, claims, and several consumers and queues."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reliable_queue.storage import MAX_DELIVERIES
from testing.waiting import HANG, wait_until
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
    dead,
    dies,
    held_by,
    letter_of,
    with_dead_letters,
    worked_off,
)


class TestOrder:
    def test_equals_are_claimed_in_the_order_in_which_they_came(self, consumer: Open) -> None:
        storage = consumer()
        messages = [b"%d" % number for number in range(20)]
        for message in messages:
            storage.enqueue(message)
        assert claimed_data(storage) == messages

    def test_an_empty_queue_gives_nothing(self, consumer: Open) -> None:
        assert consumer().claim(0) is None

    def test_a_higher_priority_overtakes_and_its_equals_keep_their_order(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        for message, priority in ((b"a", 0), (b"b", None), (b"C", 1), (b"d", 0), (b"E", 1)):
            storage.enqueue(message, priority)
        assert claimed_data(storage) == [b"C", b"E", b"a", b"b", b"d"]

    def test_many_are_enqueued_in_their_order_and_with_their_priority(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue(b"before")
        storage.enqueue_many((b"%d" % number, number % 2) for number in range(200))
        storage.enqueue(b"after")
        assert storage.queue_size() == 202
        odd, even = ([b"%d" % number for number in range(first, 200, 2)] for first in (1, 0))
        assert claimed_data(storage) == [*odd, b"before", *even, b"after"]

    def test_enqueueing_many_of_nothing_changes_nothing(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([])
        assert storage.queue_size() == 0
        assert storage.claim(0) is None

    def test_what_is_ready_can_be_looked_at_in_its_order_without_being_claimed(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"c", 0)])
        assert storage.enqueued_items() == [b"B", b"a", b"c"]
        assert storage.enqueued_items(2) == [b"B", b"a"]
        assert storage.queue_size() == 3


class TestHolding:
    def test_a_claimed_message_is_held_and_no_longer_ready(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"one", 0), (b"two", 0), (b"three", 1)])

        claims = [claimed(storage), claimed(storage)]

        assert [claim.data for claim in claims] == [b"three", b"one"]
        assert storage.queue_size() == 1
        assert storage.stats().held == 2
        assert set(held_by(storage)) == {claim.receipt for claim in claims}

    def test_receipts_are_a_consumers_own_and_the_count_is_everybodys(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        one.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])
        mine, yours = claimed(one), claimed(two)
        assert held_by(one) == [mine.receipt]
        assert held_by(two) == [yours.receipt]
        assert one.stats().held == two.stats().held == 2

    def test_an_acknowledged_message_is_forgotten(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"done", 0), (b"other", 0)])

        storage.acknowledge(claimed(storage))

        assert storage.stats().held == 0
        assert held_by(storage) == []
        assert storage.dead_letters() == []
        assert storage.release_all() == 0
        assert claimed_data(storage) == [b"other"]

    def test_only_the_acknowledged_one_of_several_is_forgotten(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])
        claims = [claimed(storage) for _ in range(3)]
        storage.acknowledge(claims[1])
        assert set(held_by(storage)) == {claims[0].receipt, claims[2].receipt}

    def test_one_call_acknowledges_and_gives_the_next(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])

        following = storage.claim(0, [claimed(storage)])

        assert following is not None
        assert following.data == b"b"
        assert held_by(storage) == [following.receipt]
        assert storage.release_all() == 1
        assert claimed_data(storage) == [b"b", b"c"]

    def test_several_are_acknowledged_with_one_claim_and_the_others_stay_held(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many((b"%d" % number, 0) for number in range(5))
        claims = [claimed(storage) for _ in range(4)]
        following = storage.claim(0, claims[1:])
        assert following is not None
        assert following.data == b"4"
        assert set(held_by(storage)) == {claims[0].receipt, following.receipt}

    def test_what_is_done_is_acknowledged_when_there_is_no_next(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue(b"last")
        assert storage.claim(0, [claimed(storage)]) is None
        assert storage.stats().held == 0
        assert storage.release_all() == 0
        assert storage.claim(0) is None

    def test_several_are_acknowledged_at_once_and_nothing_is_claimed(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0), (b"d", 0)])
        claims = [claimed(storage) for _ in range(3)]
        storage.acknowledge(*claims[:2])
        storage.acknowledge()
        assert held_by(storage) == [claims[2].receipt]
        assert storage.enqueued_items() == [b"d"]

    @pytest.mark.parametrize("act", ["acknowledge", "release", "dead_letter"])
    def test_what_is_done_but_not_held_any_more_does_no_harm(
        self, consumer: Open, act: str
    ) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 1)])
        gone = claimed(storage)
        getattr(storage, act)(gone, *(["reason"] if act == "dead_letter" else []))
        ready, dead = storage.enqueued_items(), storage.dead_letters()

        following = storage.claim(0, [gone, gone])

        assert following is not None
        assert [following.data, *storage.enqueued_items()] == ready
        assert storage.stats().held == 1
        assert storage.dead_letters() == dead

    def test_a_released_message_is_the_next_of_its_priority(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0)])
        first = claimed(storage)
        storage.enqueue(b"URGENT", 1)

        storage.release(first)

        assert storage.stats().held == 0
        assert storage.queue_size() == 3
        assert claimed_data(storage) == [b"URGENT", b"a", b"b"]

    def test_a_released_message_keeps_its_priority(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"C", 1)])
        storage.release(claimed(storage))
        assert claimed_data(storage) == [b"B", b"C", b"a"]

    def test_everything_that_is_handed_back_is_ready_again_in_its_order(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue_many((b"%d" % number, number % 2) for number in range(10))
        in_order = storage.enqueued_items()
        for _ in range(9):
            claimed(storage)
        assert storage.release_all() == 9
        assert storage.release_all() == 0
        assert storage.stats().held == 0
        assert claimed_data(storage) == in_order

    def test_what_is_not_held_any_more_can_neither_be_released_nor_buried(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.enqueue(b"done")
        claim = claimed(storage)
        storage.acknowledge(claim)

        storage.release(claim)
        storage.dead_letter(claim, "too late")

        assert storage.queue_size() == 0
        assert storage.dead_letters() == []

    def test_any_bytes_come_back_as_they_were(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(ANY_BYTES, 0), (b"", 1)])
        assert claimed(storage).data == b""
        claim = claimed(storage)
        assert claim.data == ANY_BYTES
        storage.dead_letter(claim, "reason")
        assert dead(storage) == [(ANY_BYTES, "reason")]


class TestOnce:
    def test_a_key_enqueues_once(self, consumer: Open) -> None:
        storage = consumer()
        assert storage.enqueue_once("task:1200", b"first", 600) is True
        assert storage.enqueue_once("task:1200", b"again", 600) is False
        assert storage.enqueue_once("task:1201", b"next minute", 600) is True
        assert claimed_data(storage) == [b"first", b"next minute"]

    def test_a_key_stays_used_when_its_message_has_run(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_once("key", b"message", 600)
        storage.acknowledge(claimed(storage))
        assert storage.enqueue_once("key", b"message", 600) is False

    def test_a_key_is_free_again_after_its_time(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_once("key", b"message", 1)
        wait_until(lambda: storage.enqueue_once("key", b"again", 1), reason="the key is free")
        assert claimed_data(storage) == [b"message", b"again"]

    def test_of_several_consumers_at_the_same_time_one_enqueues(self, consumer: Open) -> None:
        consumers = [consumer() for _ in range(6)]
        together = threading.Barrier(len(consumers))

        def enqueue(storage: Storage) -> bool:
            together.wait(HANG)
            return storage.enqueue_once("minute", b"periodic", 600)

        with ThreadPoolExecutor(len(consumers)) as pool:
            assert sorted(pool.map(enqueue, consumers)) == [False] * 5 + [True]
        assert claimed_data(consumers[0]) == [b"periodic"]


class TestConcurrency:
    MESSAGES = tuple(b"%d" % number for number in range(200))

    def share(self, consumers: list[Storage]) -> list[list[bytes]]:
        """Let a thread of each consumer claim what it gets of the messages, all at once."""
        consumers[0].enqueue_many((message, 0) for message in self.MESSAGES)
        together = threading.Barrier(len(consumers))

        def work(storage: Storage) -> list[bytes]:
            together.wait(HANG)
            return worked_off(storage)

        with ThreadPoolExecutor(len(consumers)) as pool:
            return list(pool.map(work, consumers))

    def test_no_message_goes_to_two_consumers_and_none_is_lost(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        shares = self.share([one, two, one, two])
        assert sorted(message for part in shares for message in part) == sorted(self.MESSAGES)
        assert one.queue_size() == one.stats().held == 0

    def test_no_message_goes_to_two_threads_of_a_consumer_and_none_is_lost(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        shares = self.share([storage] * 4)
        assert sorted(message for part in shares for message in part) == sorted(self.MESSAGES)
        assert storage.queue_size() == storage.stats().held == 0


class TestTwoQueues:
    def test_messages_of_two_queues_of_one_server_do_not_mix(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content", now=Clock())
        logs.enqueue_many([(b"log", 0), (b"LOG", 1)])
        content.enqueue(b"content")
        logs.add_to_schedule(b"scheduled log", NOON)

        assert claimed_data(content) == [b"content"]
        assert claimed_data(logs) == [b"LOG", b"log"]
        assert (logs.schedule_size(), content.schedule_size()) == (1, 0)
        assert (logs.stats().held, content.stats().held) == (2, 1)

    def test_a_key_of_one_queue_is_free_on_the_other(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content")
        assert logs.enqueue_once("key", b"log", 600)
        assert content.enqueue_once("key", b"content", 600)

    def test_a_queue_takes_over_and_puts_aside_its_own_messages_only(self, consumer: Open) -> None:
        silent_log, logs = consumer("logs"), consumer("logs")
        silent_content, content = consumer("content"), consumer("content")
        logs.enqueue_many([(b"broken log", 1), (b"log", 0)])
        content.enqueue(b"content")
        logs.dead_letter(claimed(logs), "broken")
        claimed(silent_log)
        claimed(silent_content)

        silent_log.heartbeat(MOMENT)
        dies(silent_content, content)  # fell silent later: both are silent now

        assert content.dead_letters() == []
        assert (content.queue_size(), logs.queue_size()) == (1, 0)
        assert logs.heartbeat(ALIVE).taken_over == 1
        assert claimed_data(logs) == [b"log"]

    @pytest.mark.parametrize("act", ["replay", "discard"])
    def test_a_queue_neither_sees_nor_touches_the_letters_of_another(
        self, consumer: Open, act: str
    ) -> None:
        logs, content = with_dead_letters(consumer("logs"), b"log"), consumer("content")
        assert (content.dead_letters(), content.stats().dead) == ([], 0)

        assert getattr(content, act)(letter_of(logs, b"log")) == 0

        assert [letter.data for letter in logs.dead_letters()] == [b"log"]
        assert (logs.queue_size(), content.queue_size()) == (0, 0)

    def test_a_claim_of_one_queue_makes_nothing_of_another_ready(self, consumer: Open) -> None:
        logs, content = consumer("logs", Clock()), consumer("content", Clock())
        logs.add_to_schedule(b"log", NOON)
        assert content.claim(0) is None
        assert (logs.schedule_size(), content.queue_size(), logs.queue_size()) == (1, 0, 0)
        assert claimed(logs).data == b"log"


def test_a_late_acknowledgement_does_not_wipe_out_the_deaths_of_a_message(consumer: Open) -> None:
    rescuer = consumer()
    rescuer.enqueue(b"poison")
    for _ in range(MAX_DELIVERIES):
        victim = consumer()
        claim = claimed(victim)
        dies(victim, rescuer)
        victim.acknowledge(claim)
    assert [letter.data for letter in rescuer.dead_letters()] == [b"poison"]
