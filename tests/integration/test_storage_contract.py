"""What delivery/storage.py promises, held against every storage: Redis, SQLite and memory."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis

from delivery.memory_storage import ReliableMemoryStorage
from delivery.redis_storage import ReliableRedisStorage
from delivery.sqlite_storage import ReliableSqliteStorage
from delivery.storage import MAX_DELIVERIES, Claim, DeadLetter
from tests.servers import Redis
from tests.waiting import wait_until

Storage = ReliableRedisStorage | ReliableSqliteStorage | ReliableMemoryStorage
Open = Callable[..., Storage]

ALIVE, MOMENT = 60.0, 0.05  # seconds that a consumer lives for after one beat
PATIENCE = 60.0  # seconds that a claim waits where the test has to end its waiting
SOON = 30.0  # seconds within which it must have ended
NOON = datetime(2030, 1, 1, 12)
ANY_BYTES = b"\x00\xff\n1 \xc3\n"

shared = pytest.mark.parametrize("consumer", ["redis", "sqlite"], indirect=True)


@pytest.fixture(params=["redis", "sqlite", "memory"])
def consumer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one more consumer, alive, of the test's queue, or of the named other queue of the same server."""
    opened: list[Storage] = []
    test = uuid.uuid4().hex

    def make(queue: str) -> Storage:
        if request.param == "redis":
            return ReliableRedisStorage(queue, url=request.getfixturevalue("broker").url(), poll_seconds=PATIENCE)
        if request.param == "sqlite":
            return ReliableSqliteStorage(queue, filename=str(tmp_path / "queue.db"))
        return ReliableMemoryStorage(queue)

    def open_one(other: str = "") -> Storage:
        made = make(test + other)
        made.beat(ALIVE)
        opened.append(made)
        return made

    yield open_one
    for storage in opened:
        storage.close()


def claimed(storage: Storage) -> Claim:
    claim = storage.claim(0)
    assert claim is not None
    return claim


def claimed_data(storage: Storage) -> list[bytes]:
    """Everything that is ready, in the order in which it is claimed; it stays held."""
    data = []
    while (claim := storage.claim(0)) is not None:
        data.append(claim.data)
    return data


def worked_off(storage: Storage) -> list[bytes]:
    """Everything that is ready, claimed and acknowledged one after the other."""
    data = []
    while (claim := storage.claim(0)) is not None:
        data.append(claim.data)
        storage.acknowledge(claim)
    return data


def dies(storage: Storage, rescuer: Storage) -> None:
    """The consumer falls silent, and the other one takes over the one message that it holds."""
    storage.beat(MOMENT)
    wait_until(lambda: rescuer.recover() == 1, reason="the message is taken over")


class TestOrder:
    def test_equals_are_claimed_in_the_order_in_which_they_came(self, consumer: Open) -> None:
        storage = consumer()
        messages = [b"%d" % number for number in range(20)]
        for message in messages:
            storage.enqueue(message)
        assert claimed_data(storage) == messages

    def test_an_empty_queue_gives_nothing(self, consumer: Open) -> None:
        assert consumer().claim(0) is None

    def test_a_higher_priority_overtakes_and_its_equals_keep_their_order(self, consumer: Open) -> None:
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

    def test_what_is_ready_can_be_looked_at_in_its_order_without_being_claimed(self, consumer: Open) -> None:
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
        assert storage.held_count() == 2
        assert set(storage.own_receipts()) == {claim.receipt for claim in claims}

    @shared
    def test_receipts_are_a_consumers_own_and_the_count_is_everybodys(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        one.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])
        mine, yours = claimed(one), claimed(two)
        assert one.own_receipts() == [mine.receipt]
        assert two.own_receipts() == [yours.receipt]
        assert one.held_count() == two.held_count() == 2

    def test_an_acknowledged_message_is_forgotten(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"done", 0), (b"other", 0)])

        storage.acknowledge(claimed(storage))

        assert storage.held_count() == 0
        assert storage.own_receipts() == []
        assert storage.dead_letters() == []
        assert storage.release_all() == 0
        assert claimed_data(storage) == [b"other"]

    def test_only_the_acknowledged_one_of_several_is_forgotten(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 0)])
        claims = [claimed(storage) for _ in range(3)]
        storage.acknowledge(claims[1])
        assert set(storage.own_receipts()) == {claims[0].receipt, claims[2].receipt}

    def test_a_released_message_is_the_next_of_its_priority(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"b", 0)])
        first = claimed(storage)
        storage.enqueue(b"URGENT", 1)

        storage.release(first)

        assert storage.held_count() == 0
        assert storage.queue_size() == 3
        assert claimed_data(storage) == [b"URGENT", b"a", b"b"]

    def test_a_released_message_keeps_its_priority(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"C", 1)])
        storage.release(claimed(storage))
        assert claimed_data(storage) == [b"B", b"C", b"a"]

    def test_everything_that_is_handed_back_is_ready_again_in_its_order(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many((b"%d" % number, number % 2) for number in range(10))
        in_order = storage.enqueued_items()
        for _ in range(9):
            claimed(storage)
        assert storage.release_all() == 9
        assert storage.release_all() == 0
        assert storage.held_count() == 0
        assert claimed_data(storage) == in_order

    def test_what_is_not_held_any_more_can_neither_be_released_nor_buried(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue(b"done")
        claim = claimed(storage)
        storage.acknowledge(claim)

        storage.release(claim)
        storage.bury(claim, "too late")

        assert storage.queue_size() == 0
        assert storage.dead_letters() == []

    def test_any_bytes_come_back_as_they_were(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(ANY_BYTES, 0), (b"", 1)])
        assert claimed(storage).data == b""
        claim = claimed(storage)
        assert claim.data == ANY_BYTES
        storage.bury(claim, "reason")
        assert storage.dead_letters() == [DeadLetter(ANY_BYTES, "reason")]


class TestDeadLetters:
    def test_a_buried_message_is_put_aside_with_its_reason(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"broken", 0), (b"next", 0)])

        storage.bury(claimed(storage), "it failed for good: ValueError('naïve')")

        assert storage.dead_letters() == [DeadLetter(b"broken", "it failed for good: ValueError('naïve')")]
        assert storage.held_count() == 0
        assert claimed_data(storage) == [b"next"]

    def test_the_newest_come_first_up_to_the_limit(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many((b"%d" % number, 0) for number in range(5))
        for number in range(5):
            storage.bury(claimed(storage), f"reason {number}")
        assert [letter.data for letter in storage.dead_letters()] == [b"4", b"3", b"2", b"1", b"0"]
        assert storage.dead_letters(2) == [DeadLetter(b"4", "reason 4"), DeadLetter(b"3", "reason 3")]


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

    @shared
    def test_of_several_consumers_at_the_same_time_one_enqueues(self, consumer: Open) -> None:
        consumers = [consumer() for _ in range(6)]
        together = threading.Barrier(len(consumers))

        def enqueue(storage: Storage) -> bool:
            together.wait(SOON)
            return storage.enqueue_once("minute", b"periodic", 600)

        with ThreadPoolExecutor(len(consumers)) as pool:
            assert sorted(pool.map(enqueue, consumers)) == [False] * 5 + [True]
        assert claimed_data(consumers[0]) == [b"periodic"]


class TestSchedule:
    def test_a_scheduled_message_is_ready_when_its_time_has_come_and_not_before(self, consumer: Open) -> None:
        storage = consumer()
        storage.add_to_schedule(b"message", NOON)

        assert storage.read_schedule(NOON - timedelta(milliseconds=1)) == []
        assert (storage.schedule_size(), storage.queue_size()) == (1, 0)
        assert storage.scheduled_items() == [b"message"]

        assert storage.read_schedule(NOON) == []  # nothing passes through the caller, where it could be lost
        assert (storage.schedule_size(), storage.queue_size()) == (0, 1)

        assert storage.read_schedule(NOON) == []
        assert claimed_data(storage) == [b"message"]

    def test_it_keeps_its_priority_and_equals_come_in_the_order_of_their_times(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue(b"waiting")
        storage.add_to_schedule(b"later", NOON + timedelta(seconds=2), 0)
        storage.add_to_schedule(b"URGENT", NOON + timedelta(seconds=1), 1)
        storage.add_to_schedule(b"earlier", NOON, None)
        assert storage.scheduled_items() == [b"earlier", b"URGENT", b"later"]

        storage.read_schedule(NOON + timedelta(seconds=2))

        assert claimed_data(storage) == [b"URGENT", b"waiting", b"earlier", b"later"]

    def test_all_that_is_due_moves_at_once(self, consumer: Open) -> None:
        storage = consumer()
        messages = [b"%d" % number for number in range(1200)]
        for number, message in enumerate(messages):
            storage.add_to_schedule(message, NOON + timedelta(seconds=number), 0)
        storage.read_schedule(NOON + timedelta(seconds=1198))
        assert storage.enqueued_items() == messages[:-1]
        assert storage.scheduled_items() == messages[-1:]

    @shared
    def test_two_schedulers_move_a_message_once(self, consumer: Open) -> None:
        schedulers = [consumer(), consumer()]
        for number in range(300):
            schedulers[0].add_to_schedule(b"%d" % number, NOON)
        together = threading.Barrier(2)

        def read(storage: Storage) -> list[bytes]:
            together.wait(SOON)
            return storage.read_schedule(NOON)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, schedulers)) == [[], []]
        assert sorted(claimed_data(schedulers[0])) == sorted(b"%d" % number for number in range(300))


@shared
class TestTakingOver:
    def test_a_silent_consumers_messages_are_taken_over_and_a_beating_ones_are_not(self, consumer: Open) -> None:
        silent, beating, rescuer = consumer(), consumer(), consumer()
        rescuer.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 1), (b"d", 0)])
        assert [claimed(silent).data, claimed(beating).data, claimed(silent).data] == [b"c", b"a", b"b"]
        assert rescuer.recover() == 0

        silent.beat(MOMENT)
        wait_until(lambda: rescuer.recover() == 2, reason="the messages are taken over")

        assert silent.own_receipts() == []
        assert rescuer.held_count() == len(beating.own_receipts()) == 1
        assert claimed_data(rescuer) == [b"c", b"b", b"d"]

    def test_a_consumer_that_beats_on_keeps_what_it_holds(self, consumer: Open) -> None:
        storage, rescuer = consumer(), consumer()
        storage.enqueue(b"long")
        storage.beat(MOMENT)
        claimed(storage)
        storage.beat(ALIVE)
        other = consumer()
        other.enqueue(b"other")
        claimed(other)

        dies(other, rescuer)

        assert len(storage.own_receipts()) == 1
        assert claimed_data(rescuer) == [b"other"]

    def test_a_message_whose_consumers_die_is_put_aside_and_the_others_go_on(self, consumer: Open) -> None:
        rescuer = consumer()
        rescuer.enqueue_many([(b"poison", 1), (b"other", 0)])

        for death in range(1, MAX_DELIVERIES + 1):
            victim = consumer()
            assert claimed(victim).data == b"poison"
            assert rescuer.dead_letters() == []
            dies(victim, rescuer)
            assert rescuer.held_count() == 0, death

        letter = rescuer.dead_letters()[0]
        assert letter.data == b"poison"
        assert f"died {MAX_DELIVERIES} times" in letter.reason
        assert claimed_data(rescuer) == [b"other"]

    def test_handing_back_is_no_death(self, consumer: Open) -> None:
        rescuer = consumer()
        rescuer.enqueue_many([(b"a", 0), (b"B", 1), (b"c", 0)])
        for _ in range(MAX_DELIVERIES + 1):
            orderly = consumer()
            assert claimed_data(orderly) == [b"B", b"a", b"c"]
            assert orderly.release_all() == 3
            assert orderly.own_receipts() == []
        assert rescuer.held_count() == 0

        for _ in range(MAX_DELIVERIES - 1):
            victim = consumer()
            assert claimed(victim).data == b"B"
            dies(victim, rescuer)

        assert rescuer.dead_letters() == []
        assert claimed_data(rescuer) == [b"B", b"a", b"c"]

    def test_handing_back_leaves_alone_what_others_hold(self, consumer: Open) -> None:
        leaving, staying = consumer(), consumer()
        staying.enqueue_many([(b"a", 0), (b"b", 0)])
        claimed(leaving)
        kept = claimed(staying)
        assert leaving.release_all() == 1
        assert staying.own_receipts() == [kept.receipt]
        assert claimed_data(staying) == [b"a"]

    def test_an_acknowledgement_ends_the_count_of_deaths(self, consumer: Open) -> None:
        rescuer = consumer()
        for _ in range(2):
            rescuer.enqueue(b"the same message")
            for _ in range(MAX_DELIVERIES - 1):
                victim = consumer()
                claimed(victim)
                dies(victim, rescuer)
            assert worked_off(rescuer) == [b"the same message"]
        assert rescuer.dead_letters() == []

    @pytest.mark.parametrize("act", ["acknowledge", "release", "bury"])
    def test_who_was_taken_for_dead_takes_nothing_from_the_new_holder(self, consumer: Open, act: str) -> None:
        paused, holder = consumer(), consumer()
        holder.enqueue(b"message")
        late = claimed(paused)
        dies(paused, holder)
        taken = claimed(holder)

        getattr(paused, act)(late, *(["late"] if act == "bury" else []))

        assert holder.own_receipts() == [taken.receipt]
        assert holder.queue_size() == 0
        assert holder.dead_letters() == []
        assert holder.release_all() == 1

    def test_what_a_consumer_claims_after_it_was_taken_for_dead_is_taken_over_as_well(self, consumer: Open) -> None:
        paused, rescuer = consumer(), consumer()
        rescuer.enqueue_many([(b"first", 1), (b"second", 0)])
        claimed(paused)
        dies(paused, rescuer)
        assert worked_off(rescuer) == [b"first", b"second"]

        rescuer.enqueue(b"third")
        claimed(paused)  # it goes on, and dies before its heart beats again

        assert rescuer.held_count() == 1
        assert rescuer.recover() == 1
        assert claimed_data(rescuer) == [b"third"]

    def test_what_a_consumer_claims_after_it_has_handed_back_is_taken_over(self, consumer: Open) -> None:
        leaving, rescuer = consumer(), consumer()
        leaving.release_all()
        rescuer.enqueue(b"message")
        claimed(leaving)

        assert rescuer.held_count() == 1
        assert rescuer.recover() == 1
        assert claimed_data(rescuer) == [b"message"]


@shared
class TestWaiting:
    def test_a_claim_that_waits_gets_a_message_that_is_enqueued_meanwhile(self, consumer: Open) -> None:
        waiting, producer = consumer(), consumer()
        with ThreadPoolExecutor(1) as pool:
            claim = pool.submit(waiting.claim, PATIENCE)
            wait_until(claim.running)
            producer.enqueue(b"late")
            result = claim.result(SOON)
        assert result is not None
        assert result.data == b"late"
        assert waiting.own_receipts() == [result.receipt]

    @pytest.mark.parametrize("way", ["schedule", "release", "once", "recover"])
    def test_a_claim_that_waits_gets_what_becomes_ready_in_another_way(self, consumer: Open, way: str) -> None:
        waiting, other = consumer(), consumer()
        holder = consumer()
        holder.enqueue(b"message")
        claim = claimed(holder)
        assert waiting.claim(MOMENT) is None
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(wait_until, lambda: waiting.claim(PATIENCE), timeout=SOON)
            wait_until(result.running)
            if way == "schedule":
                other.add_to_schedule(b"message", NOON)
                other.read_schedule(NOON)
            elif way == "release":
                holder.release(claim)
            elif way == "once":
                other.enqueue_once("key", b"message", 600)
            else:
                dies(holder, other)
            got = result.result(SOON)
        assert got.data == b"message"

    def test_wake_ends_the_waiting_of_as_many_claims_as_it_is_called_for(self, consumer: Open) -> None:
        storage = consumer()
        with ThreadPoolExecutor(3) as pool:
            claims = [pool.submit(storage.claim, PATIENCE) for _ in range(3)]
            wait_until(lambda: all(claim.running() for claim in claims))
            for _ in claims:
                storage.wake()
            assert [claim.result(SOON) for claim in claims] == [None, None, None]

    def test_wake_does_not_disturb_the_claims_of_another_consumer(self, consumer: Open) -> None:
        leaving, staying = consumer(), consumer()
        with ThreadPoolExecutor(2) as pool:
            stays, leaves = pool.submit(staying.claim, PATIENCE), pool.submit(leaving.claim, PATIENCE)
            wait_until(lambda: stays.running() and leaves.running())
            leaving.wake()
            assert leaves.result(SOON) is None
            leaving.enqueue(b"message")
            result = stays.result(SOON)
        assert result is not None
        assert result.data == b"message"


class TestConcurrency:
    MESSAGES = tuple(b"%d" % number for number in range(200))

    def share(self, consumers: list[Storage]) -> list[list[bytes]]:
        """What each thread of the consumers gets of the messages when all start together."""
        consumers[0].enqueue_many((message, 0) for message in self.MESSAGES)
        together = threading.Barrier(len(consumers))

        def work(storage: Storage) -> list[bytes]:
            together.wait(SOON)
            return worked_off(storage)

        with ThreadPoolExecutor(len(consumers)) as pool:
            return list(pool.map(work, consumers))

    @shared
    def test_no_message_goes_to_two_consumers_and_none_is_lost(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        shares = self.share([one, two, one, two])
        assert sorted(message for part in shares for message in part) == sorted(self.MESSAGES)
        assert one.queue_size() == one.held_count() == 0

    def test_no_message_goes_to_two_threads_of_a_consumer_and_none_is_lost(self, consumer: Open) -> None:
        storage = consumer()
        shares = self.share([storage] * 4)
        assert sorted(message for part in shares for message in part) == sorted(self.MESSAGES)
        assert storage.queue_size() == storage.held_count() == 0


@shared
class TestTwoQueues:
    def test_messages_of_two_queues_of_one_server_do_not_mix(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content")
        logs.enqueue_many([(b"log", 0), (b"LOG", 1)])
        content.enqueue(b"content")
        logs.add_to_schedule(b"scheduled log", NOON)

        content.read_schedule(NOON)
        assert claimed_data(content) == [b"content"]
        assert claimed_data(logs) == [b"LOG", b"log"]
        assert (logs.schedule_size(), content.schedule_size()) == (1, 0)
        assert (logs.held_count(), content.held_count()) == (2, 1)

    def test_a_key_of_one_queue_is_free_on_the_other(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content")
        assert logs.enqueue_once("key", b"log", 600)
        assert content.enqueue_once("key", b"content", 600)

    def test_a_queue_takes_over_and_puts_aside_its_own_messages_only(self, consumer: Open) -> None:
        silent_log, logs = consumer("logs"), consumer("logs")
        silent_content, content = consumer("content"), consumer("content")
        logs.enqueue_many([(b"broken log", 1), (b"log", 0)])
        content.enqueue(b"content")
        logs.bury(claimed(logs), "broken")
        claimed(silent_log)
        claimed(silent_content)

        silent_log.beat(MOMENT)
        dies(silent_content, content)  # fell silent later: both are silent now

        assert content.dead_letters() == []
        assert (content.queue_size(), logs.queue_size()) == (1, 0)
        assert logs.recover() == 1
        assert claimed_data(logs) == [b"log"]


class TestFullRedis:
    def test_a_full_redis_refuses_producers_and_can_be_drained(self, own_broker: Redis) -> None:
        def opened() -> ReliableRedisStorage:
            return ReliableRedisStorage("work", url=own_broker.url())

        producer, victim = opened(), opened()
        producer.enqueue_many((b"%d" % number, 0) for number in range(6))
        producer.add_to_schedule(b"scheduled", NOON, 1)
        fill(own_broker)

        for refused in (
            lambda: producer.enqueue(b"more"),
            lambda: producer.enqueue_many([(b"more", 0)]),
            lambda: producer.enqueue_once("key", b"more", 600),
            lambda: producer.add_to_schedule(b"more", NOON),
        ):
            with pytest.raises(producer.faults):
                refused()

        consumer = opened()  # as when it is started because the queue has filled up
        consumer.beat(ALIVE)
        victim.beat(ALIVE)
        assert claimed(victim).data == b"0"
        dies(victim, consumer)
        assert consumer.read_schedule(NOON) == []
        assert claimed(consumer).data == b"scheduled"
        consumer.bury(claimed(consumer), "broken")
        consumer.release(claimed(consumer))
        consumer.acknowledge(claimed(consumer))
        assert consumer.dead_letters() == [DeadLetter(b"0", "broken")]
        assert consumer.release_all() == 1
        consumer.beat(ALIVE)
        assert worked_off(consumer) == [b"scheduled", b"2", b"3", b"4", b"5"]
        assert consumer.queue_size() == consumer.held_count() == 0

    def test_a_poisonous_message_is_put_aside_on_a_full_redis(self, own_broker: Redis) -> None:
        rescuer = ReliableRedisStorage("work", url=own_broker.url())
        rescuer.enqueue_many([(b"poison", 0), (b"other", 0)])
        fill(own_broker)
        rescuer.beat(ALIVE)
        for _ in range(MAX_DELIVERIES):
            victim = ReliableRedisStorage("work", url=own_broker.url())
            victim.beat(ALIVE)
            assert claimed(victim).data == b"poison"
            dies(victim, rescuer)
        assert [letter.data for letter in rescuer.dead_letters()] == [b"poison"]
        assert worked_off(rescuer) == [b"other"]

    def test_producers_go_on_when_there_is_room_again(self, own_broker: Redis) -> None:
        producer = ReliableRedisStorage("work", url=own_broker.url())
        fill(own_broker)
        with pytest.raises(redis.OutOfMemoryError):
            producer.enqueue(b"refused")
        own_broker.client().config_set("maxmemory", 0)
        producer.enqueue(b"accepted")
        assert claimed_data(producer) == [b"accepted"]


def fill(server: Redis) -> None:
    """Every command that needs memory is refused from now on, and no script is known to the server."""
    client = server.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    client.script_flush()
