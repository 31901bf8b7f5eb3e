"""Storages of an earlier version, and a Redis without memory."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import MAX_DELIVERIES
from testing.servers import Redis
from testing.waiting import HANG
from tests.integration.reliable_queue.storages import (
    ALIVE,
    NOON,
    Clock,
    claimed,
    claimed_data,
    dead,
    dies,
    oldest,
    worked_off,
)


@pytest.fixture
def spare_broker(module_broker: Redis) -> Iterator[Redis]:
    """A server that the test may fill up; it is emptied afterwards."""
    yield module_broker
    client = module_broker.client()
    client.config_set("maxmemory", 0)
    client.flushall()


class TestVersionBefore:
    """Its file, and what it does beside this version while a release is rolled out."""

    FILE = """
        create table kv (queue text not null, key text not null, value blob not null,
            primary key(queue, key));
        create table schedule (id integer not null primary key, queue text not null,
            data blob not null, timestamp real not null, priority integer not null default 0,
            deliveries integer not null default 0);
        create table counter (queue text not null, key text not null,
            value integer not null default 0, primary key(queue, key));
        create table message (id integer not null primary key autoincrement, queue text not null,
            data blob not null, priority integer not null default 0, holder text,
            deliveries integer not null default 0);
        create table consumer (queue text not null, id text not null, alive_until real not null,
            primary key (queue, id));
        create table once (queue text not null, key text not null, until real not null,
            primary key (queue, key));
        create table dead_letter (id integer not null primary key autoincrement,
            queue text not null, data blob not null, priority integer not null,
            reason text not null, at real not null);
        """
    ENQUEUES = "insert into message (queue, data, priority) values ('work', ?, 0)"
    BEATS = "insert or replace into consumer values ('work', 'old', 4e9)"

    def test_a_file_of_its_is_made_fit_and_keeps_its_messages(self, tmp_path: Path) -> None:
        place = tmp_path / "queue.db"
        before = sqlite3.connect(place, isolation_level=None)
        before.executescript(self.FILE)
        before.execute(self.ENQUEUES, [b"old"])
        storage = ReliableSqliteStorage("work", filename=str(place), now=Clock())
        assert [(waiting.data, waiting.at) for waiting in storage.ready(0, 9)] == [(b"old", None)]
        assert oldest(storage) is None

        before.execute(self.ENQUEUES, [b"old, later"])  # it runs on beside this one
        before.execute(self.BEATS)
        storage.enqueue(b"new")

        assert [member.info for member in storage.consumers()] == [""]
        assert claimed_data(ReliableSqliteStorage("work", filename=str(place))) == [
            b"old",
            b"old, later",
            b"new",
        ]
        before.close()

    def test_several_processes_make_a_file_fit_at_the_same_time(self, tmp_path: Path) -> None:
        place = tmp_path / "queue.db"
        before = sqlite3.connect(place)
        before.executescript(self.FILE)
        before.close()
        together = threading.Barrier(6)

        def opened(_: int) -> int:
            together.wait(HANG)
            return ReliableSqliteStorage("work", filename=str(place)).queue_size()

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(opened, range(6))) == [0] * 6

    def test_a_consumer_of_its_on_redis_is_shown_without_a_word(self, spare_broker: Redis) -> None:
        storage, client = (
            ReliableRedisStorage("work", url=spare_broker.url()),
            spare_broker.client(),
        )
        client.sadd("{huey.work}:consumers", "old")
        client.set("{huey.work}:alive:old", "1", px=60_000)
        assert [(member.id, member.info) for member in storage.consumers()] == [("old", "")]
        assert storage.stats().consumers == 1

    def test_what_is_done_leaves_nothing_beside_the_lists_on_redis(
        self, spare_broker: Redis
    ) -> None:
        storage, client = (
            ReliableRedisStorage("work", url=spare_broker.url(), now=Clock()),
            spare_broker.client(),
        )
        for number in range(3):
            storage.add_to_schedule(b"%d" % number, NOON)
        first, second = claimed(storage), claimed(storage)
        storage.acknowledge(first)
        storage.dead_letter(second, "reason")
        assert client.hlen("{huey.work}:due") == 1
        assert storage.claim(0, [claimed(storage)]) is None
        assert not client.exists("{huey.work}:due")

    def test_what_it_leaves_beside_the_lists_on_redis_is_cleared_away(
        self, spare_broker: Redis
    ) -> None:
        """It acknowledges without a word about since when a message was ready."""
        storage, client = (
            ReliableRedisStorage("work", url=spare_broker.url(), now=Clock()),
            spare_broker.client(),
        )
        storage.add_to_schedule(b"message", NOON)
        claim = claimed(storage)
        storage.heartbeat(ALIVE)
        assert client.exists("{huey.work}:due")
        client.lrem("{huey.work}:held:" + storage.consumer, 1, claim.receipt)
        storage.heartbeat(ALIVE)
        assert not client.exists("{huey.work}:due")


class TestFullRedis:
    def test_a_full_redis_refuses_producers_and_can_be_drained(self, spare_broker: Redis) -> None:
        def opened(now: Callable[[], float] = time.time) -> ReliableRedisStorage:
            return ReliableRedisStorage("work", url=spare_broker.url(), now=now)

        producer, victim = opened(), opened()
        producer.enqueue_many((b"%d" % number, 0) for number in range(6))
        producer.add_to_schedule(b"scheduled", NOON, 1)
        fill(spare_broker)

        for refused in (
            lambda: producer.enqueue(b"more"),
            lambda: producer.enqueue_many([(b"more", 0)]),
            lambda: producer.enqueue_once("key", b"more", 600),
        ):
            with pytest.raises(producer.faults):
                refused()

        consumer = opened(Clock())  # as when it is started because the queue has filled up
        consumer.heartbeat(ALIVE)
        victim.heartbeat(ALIVE)
        assert claimed(victim).data == b"0"
        dies(victim, consumer)
        assert claimed(consumer).data == b"scheduled"
        consumer.dead_letter(claimed(consumer), "broken")
        consumer.release(claimed(consumer))
        consumer.acknowledge(claimed(consumer))
        assert dead(consumer) == [(b"0", "broken")]
        assert consumer.release_all() == 1
        consumer.heartbeat(ALIVE)
        assert worked_off(consumer) == [b"scheduled", b"2", b"3", b"4", b"5"]
        assert consumer.queue_size() == consumer.stats().held == 0

    def test_on_a_full_redis_a_retry_is_scheduled_in_the_place_of_its_message(
        self, spare_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=spare_broker.url(), now=Clock())
        storage.heartbeat(ALIVE)
        storage.enqueue_many([(b"fails", 0), (b"other", 0)])
        fill(spare_broker)

        failed = claimed(storage)
        storage.add_to_schedule(b"again", NOON)
        other = storage.claim(0, [failed])

        assert other is not None
        assert other.data == b"other"
        last = storage.claim(0, [other])
        assert last is not None
        assert last.data == b"again"
        assert storage.claim(0, [last]) is None
        assert storage.stats().held == 0

    def test_on_a_full_redis_dead_letters_can_be_replayed_and_discarded(
        self, spare_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=spare_broker.url())
        storage.enqueue_many([(b"a", 0), (b"b", 0)])
        for _ in range(2):
            storage.dead_letter(claimed(storage), "broken")
        fill(spare_broker)
        newest, oldest = storage.dead_letters()
        assert storage.discard(newest.id)
        assert storage.replay(oldest.id)
        assert storage.stats().dead == 0
        assert worked_off(storage) == [b"a"]

    def test_a_server_that_has_become_a_replica_is_left_for_the_one_at_its_address(
        self, spare_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=spare_broker.url())
        admin = spare_broker.client()
        before = storage.conn.client_id()
        admin.replicaof("127.0.0.1", "1")
        with pytest.raises(redis.ReadOnlyError):
            storage.enqueue(b"a")
        admin.replicaof("no", "one")
        assert storage.conn.client_id() != before
        storage.enqueue(b"a")
        assert claimed(storage).data == b"a"

    def test_an_entry_without_a_lane_is_not_lost_when_its_consumer_dies(
        self, spare_broker: Redis
    ) -> None:
        storage, rescuer = (ReliableRedisStorage("work", url=spare_broker.url()) for _ in range(2))
        spare_broker.client().lpush("{huey.work}:ready:0", b"xyz")
        storage.heartbeat(ALIVE)
        rescuer.heartbeat(ALIVE)
        assert claimed(storage).data == b"yz"
        assert storage.release_all() == 1
        assert claimed(rescuer).data == b"yz"

    def test_a_poisonous_message_is_put_aside_on_a_full_redis(self, spare_broker: Redis) -> None:
        rescuer = ReliableRedisStorage("work", url=spare_broker.url())
        rescuer.enqueue_many([(b"poison", 0), (b"other", 0)])
        fill(spare_broker)
        rescuer.heartbeat(ALIVE)
        for _ in range(MAX_DELIVERIES):
            victim = ReliableRedisStorage("work", url=spare_broker.url())
            victim.heartbeat(ALIVE)
            assert claimed(victim).data == b"poison"
            dies(victim, rescuer)
        assert [letter.data for letter in rescuer.dead_letters()] == [b"poison"]
        assert worked_off(rescuer) == [b"other"]

    def test_producers_go_on_when_there_is_room_again(self, spare_broker: Redis) -> None:
        producer = ReliableRedisStorage("work", url=spare_broker.url())
        fill(spare_broker)
        with pytest.raises(redis.OutOfMemoryError):
            producer.enqueue(b"refused")
        spare_broker.client().config_set("maxmemory", 0)
        producer.enqueue(b"accepted")
        assert claimed_data(producer) == [b"accepted"]


def fill(server: Redis) -> None:
    """Let it refuse every command that needs memory from now on, and know no script."""
    client = server.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    client.script_flush()
