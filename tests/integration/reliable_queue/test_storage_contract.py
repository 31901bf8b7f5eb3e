"""What reliable_queue/storage.py promises, held against every storage: Redis, SQLite and memory."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from reliable_queue import redis_storage, sqlite_storage
from reliable_queue.memory_storage import ReliableMemoryStorage
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import MAX_DELIVERIES, Claim, ConsumerInfo
from tests.servers import Redis
from tests.waiting import wait_until

Storage = ReliableRedisStorage | ReliableSqliteStorage | ReliableMemoryStorage
Open = Callable[..., Storage]

ALIVE, MOMENT = 60.0, 0.05  # seconds that a consumer lives for after one beat
PATIENCE = 60.0  # seconds that a claim waits where the test has to end its waiting
SOON = 30.0  # seconds within which it must have ended
NOON = datetime(2100, 1, 1, 12)
ANY_BYTES = b"\x00\xff\n1 \xc3\n"

shared = pytest.mark.parametrize("consumer", ["redis", "sqlite"], indirect=True)


@pytest.fixture(params=["redis", "sqlite", "memory"])
def consumer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one more consumer, alive, of the test's queue, or of the named other queue of the same server."""
    opened: list[Storage] = []
    test = uuid.uuid4().hex

    def make(queue: str, now: Callable[[], float]) -> Storage:
        if request.param == "redis":
            return ReliableRedisStorage(
                queue, url=request.getfixturevalue("broker").url(), poll_seconds=PATIENCE, now=now
            )
        if request.param == "sqlite":
            return ReliableSqliteStorage(queue, filename=str(tmp_path / "queue.db"), now=now)
        return ReliableMemoryStorage(queue, now=now)

    def open_one(other: str = "", now: Callable[[], float] = time.time) -> Storage:
        made = make(test + other, now)
        made.heartbeat(ALIVE)
        opened.append(made)
        return made

    yield open_one
    for storage in opened:
        storage.close()


class Clock:
    """A storage's clock that stands still until the test sets it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at.replace(tzinfo=UTC).timestamp()


class Looks:
    """The real clock, which counts how often it is looked at: a waiting claim does so before it asks the server, and
    when the answer says that something is scheduled.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return time.time()


def held_by(storage: Storage) -> list[Any]:
    """The receipts of what the consumer holds."""
    return storage.heartbeat(ALIVE, judge=False).held


def dead(storage: Storage) -> list[tuple[bytes, str]]:
    """What was put aside, and why; the newest first."""
    return [(letter.data, letter.reason) for letter in storage.dead_letters()]


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
    storage.heartbeat(MOMENT)
    wait_until(lambda: rescuer.heartbeat(ALIVE).taken_over == 1, reason="the message is taken over")


def put_aside(storage: Storage, *messages: bytes) -> Storage:
    """The storage, on whose empty queue these messages have come and were buried one after the other."""
    for message in messages:
        storage.enqueue(message, 1)
        storage.dead_letter(claimed(storage), "reason")
    return storage


def letter_of(storage: Storage, data: bytes) -> str:
    """The id of the dead letter with that message."""
    (id_,) = [letter.id for letter in storage.dead_letters() if letter.data == data]
    return id_


@contextmanager
def waiting_claims(
    storage: Storage, count: int = 1, done: list[Claim] | None = None
) -> Iterator[list[Future[Claim | None]]]:
    """So many threads of one consumer that claim; whoever still waits at the end is woken, for good."""
    with ThreadPoolExecutor(count) as pool:
        claims = [pool.submit(storage.claim, PATIENCE, done or []) for _ in range(count)]
        try:
            wait_until(lambda: all(claim.running() or claim.done() for claim in claims))
            yield claims
        finally:
            storage.wake()


def in_seconds(seconds: float) -> datetime:
    """So long from now, as Huey writes it: UTC without a zone."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)


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

    @shared
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
        ready, put_aside = storage.enqueued_items(), storage.dead_letters()

        following = storage.claim(0, [gone, gone])

        assert following is not None
        assert [following.data, *storage.enqueued_items()] == ready
        assert storage.stats().held == 1
        assert storage.dead_letters() == put_aside

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


class TestDeadLetters:
    def test_a_buried_message_is_put_aside_with_its_reason(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"broken", 0), (b"next", 0)])

        storage.dead_letter(claimed(storage), "it failed for good: ValueError('naïve')")

        assert dead(storage) == [(b"broken", "it failed for good: ValueError('naïve')")]
        assert storage.stats().held == 0
        assert claimed_data(storage) == [b"next"]

    def test_the_newest_come_first_up_to_the_limit(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many((b"%d" % number, 0) for number in range(5))
        for number in range(5):
            storage.dead_letter(claimed(storage), f"reason {number}")
        assert [letter.data for letter in storage.dead_letters()] == [b"4", b"3", b"2", b"1", b"0"]
        assert [letter.reason for letter in storage.dead_letters(2)] == ["reason 4", "reason 3"]

    def test_a_letter_says_when_it_was_put_aside_by_the_storages_own_clock(
        self, consumer: Open
    ) -> None:
        clock = Clock()
        storage = consumer(now=clock)
        storage.enqueue_many([(b"a", 0), (b"b", 0)])
        storage.dead_letter(claimed(storage), "first")
        clock.at += timedelta(seconds=90)
        storage.dead_letter(claimed(storage), "second")
        assert [letter.at for letter in storage.dead_letters()] == [clock(), clock() - 90]

    def test_letters_have_ids_of_their_own_that_do_not_change(self, consumer: Open) -> None:
        storage = put_aside(consumer(), b"a", b"b", b"c", b"d")
        ids = {letter.data: letter.id for letter in storage.dead_letters()}
        assert len(set(ids.values())) == 4
        assert all(ids.values())

        assert storage.discard(ids.pop(b"b"))
        assert storage.replay(ids.pop(b"d"))
        put_aside(storage, b"e")

        assert {
            letter.data: letter.id for letter in storage.dead_letters() if letter.data != b"d"
        } == ids

    def test_a_replayed_letter_is_ready_again_and_no_letter_any_more(self, consumer: Open) -> None:
        storage = put_aside(consumer(), b"a", ANY_BYTES, b"c")
        assert storage.replay(letter_of(storage, ANY_BYTES)) == 1
        assert [letter.data for letter in storage.dead_letters()] == [b"c", b"a"]
        assert storage.stats().dead == 2
        assert claimed(storage).data == ANY_BYTES
        assert storage.queue_size() == 0

    def test_a_replayed_letter_comes_last_in_its_lane(self, consumer: Open) -> None:
        storage = consumer()
        storage.enqueue_many([(b"LETTER", 1), (b"letter", 0)])
        for _ in range(2):
            storage.dead_letter(claimed(storage), "reason")
        storage.enqueue_many([(b"low", 0), (b"HIGH", 1)])
        for data in (b"letter", b"LETTER"):
            assert storage.replay(letter_of(storage, data))
        assert claimed_data(storage) == [b"HIGH", b"LETTER", b"low", b"letter"]

    def test_a_discarded_letter_is_gone(self, consumer: Open) -> None:
        storage = put_aside(consumer(), b"a", b"b", b"c")
        assert storage.discard(letter_of(storage, b"b")) == 1
        assert [letter.data for letter in storage.dead_letters()] == [b"c", b"a"]
        assert (storage.stats().dead, storage.queue_size(), storage.stats().held) == (2, 0, 0)

    @pytest.mark.parametrize("act", ["replay", "discard"])
    @pytest.mark.parametrize("id_", ["", "unknown", "987654321", "%", "*", "naïve", "0\n0"])
    def test_an_id_of_no_letter_changes_nothing(self, consumer: Open, act: str, id_: str) -> None:
        storage = put_aside(consumer(), b"a", b"b")
        before = storage.dead_letters()
        assert getattr(storage, act)(id_) == 0
        assert storage.dead_letters() == before
        assert storage.queue_size() == 0

    @pytest.mark.parametrize("first", ["replay", "discard"])
    @pytest.mark.parametrize("again", ["replay", "discard"])
    def test_a_letter_is_replayed_or_discarded_once(
        self, consumer: Open, first: str, again: str
    ) -> None:
        storage = put_aside(consumer(), b"a", b"b")
        id_ = letter_of(storage, b"a")
        assert getattr(storage, first)(id_) == 1
        assert getattr(storage, again)(id_) == 0
        assert storage.stats().dead == 1
        assert claimed_data(storage) == ([b"a"] if first == "replay" else [])

    @pytest.mark.parametrize("act", ["replay", "discard"])
    def test_of_two_letters_with_the_same_message_one_goes(self, consumer: Open, act: str) -> None:
        storage = put_aside(consumer(), b"same", b"same")
        assert getattr(storage, act)(storage.dead_letters()[0].id) == 1
        assert [letter.data for letter in storage.dead_letters()] == [b"same"]
        assert claimed_data(storage) == ([b"same"] if act == "replay" else [])

    def test_a_replayed_letter_can_be_put_aside_again(self, consumer: Open) -> None:
        storage = put_aside(consumer(), b"a")
        assert storage.replay(letter_of(storage, b"a"))
        storage.dead_letter(claimed(storage), "still broken")
        assert dead(storage) == [(b"a", "still broken")]
        assert storage.replay(letter_of(storage, b"a"))

    @pytest.mark.parametrize("act", ["replay", "discard"])
    def test_many_are_taken_at_once_wherever_they_lie_and_replayed_in_the_order_of_their_ids(
        self, consumer: Open, act: str
    ) -> None:
        messages = [b"%d" % number for number in range(1100)]
        storage = put_aside(consumer(), *messages)
        oldest_first = [letter.id for letter in reversed(storage.dead_letters(1100))]

        assert getattr(storage, act)(*oldest_first[:500]) == 500
        assert (
            getattr(storage, act)("unknown", oldest_first[-1], oldest_first[0], oldest_first[700])
            == 2
        )
        assert getattr(storage, act)() == 0

        assert storage.stats().dead == 598
        replayed = [*messages[:500], messages[700], messages[-1]]
        assert claimed_data(storage) == (replayed if act == "replay" else [])

    def test_they_are_counted_beyond_the_limit_of_a_listing(self, consumer: Open) -> None:
        storage = put_aside(consumer(), *(b"%d" % number for number in range(103)))
        assert storage.stats().dead == 103
        assert len(storage.dead_letters()) == 100
        assert storage.dead_letters(2) == storage.dead_letters()[:2]

    @shared
    def test_only_the_newest_are_kept(
        self, consumer: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (redis_storage, sqlite_storage):
            monkeypatch.setattr(module, "DEAD_LETTERS_KEPT", 3)
        storage = put_aside(consumer(), *(b"%d" % number for number in range(5)))
        assert [letter.data for letter in storage.dead_letters()] == [b"4", b"3", b"2"]
        assert storage.stats().dead == 3

        silent = consumer()
        silent.enqueue(b"poison")
        for _ in range(MAX_DELIVERIES):
            silent.heartbeat(ALIVE)
            claimed(silent)
            dies(silent, storage)

        assert [letter.data for letter in storage.dead_letters()] == [b"poison", b"4", b"3"]

    @shared
    def test_the_letters_of_one_queue_do_not_count_against_those_of_another(
        self, consumer: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (redis_storage, sqlite_storage):
            monkeypatch.setattr(module, "DEAD_LETTERS_KEPT", 2)
        logs, content = put_aside(consumer("logs"), b"log", b"another log"), consumer("content")
        put_aside(content, b"a", b"b", b"c")
        assert (logs.stats().dead, content.stats().dead) == (2, 2)

    @shared
    def test_letters_are_everybodys(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        put_aside(one, b"a", b"b")
        assert two.dead_letters() == one.dead_letters()
        assert two.replay(letter_of(one, b"a"))
        assert two.discard(letter_of(one, b"b"))
        assert one.dead_letters() == []
        assert claimed_data(one) == [b"a"]

    @shared
    def test_a_replayed_letter_has_all_its_deliveries_again(self, consumer: Open) -> None:
        rescuer = consumer()
        rescuer.enqueue_many([(b"POISON", 1), (b"other", 0)])
        for _ in range(2):
            for _ in range(MAX_DELIVERIES):
                assert rescuer.stats().dead == 0
                victim = consumer()
                assert claimed(victim).data == b"POISON"
                dies(victim, rescuer)
            assert rescuer.queue_size() == 1
            assert rescuer.replay(letter_of(rescuer, b"POISON"))

    @shared
    def test_a_letter_that_was_buried_by_hand_has_all_its_deliveries_when_it_is_replayed(
        self, consumer: Open
    ) -> None:
        rescuer = consumer()
        rescuer.enqueue(b"message")
        for _ in range(2):
            for _ in range(MAX_DELIVERIES - 1):
                victim = consumer()
                claimed(victim)
                dies(victim, rescuer)
            assert rescuer.stats().dead == 0
            rescuer.dead_letter(claimed(rescuer), "broken")
            assert rescuer.replay(letter_of(rescuer, b"message"))
        assert claimed_data(rescuer) == [b"message"]


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

    @shared
    def test_two_consumers_move_a_message_once(self, consumer: Open) -> None:
        consumers = [consumer(now=Clock()), consumer(now=Clock())]
        for number in range(300):
            consumers[0].add_to_schedule(b"%d" % number, NOON)
        together = threading.Barrier(2)

        def work(storage: Storage) -> list[bytes]:
            together.wait(SOON)
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

    @shared
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

    @shared
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

    @shared
    def test_another_queue_is_not_paused(self, consumer: Open) -> None:
        logs, content = consumer("logs"), consumer("content")
        logs.pause()
        content.enqueue(b"message")
        assert not content.is_paused()
        assert claimed(content).data == b"message"

    @shared
    def test_waiting_claims_of_several_consumers_get_what_waited_as_soon_as_it_is_resumed(
        self, consumer: Open
    ) -> None:
        one, two, person = consumer(), consumer(), consumer()
        person.pause()
        with waiting_claims(one, 2) as some, waiting_claims(two, 2) as others:
            person.enqueue_many((b"%d" % number, 0) for number in range(4))
            person.resume()
            results = [
                claim.result(SOON) for claim in [*some, *others]
            ]  # long before a look that no hint has caused
        assert {result.data for result in results if result is not None} == {b"0", b"1", b"2", b"3"}

    @shared
    def test_a_claim_that_waits_gets_what_fell_due_while_it_was_paused(
        self, consumer: Open
    ) -> None:
        waiting, person = consumer(), consumer()
        person.pause()
        person.add_to_schedule(b"due", in_seconds(-1))
        with waiting_claims(waiting) as (claim,):
            person.resume()
            result = claim.result(SOON)
        assert result is not None
        assert result.data == b"due"

    @shared
    def test_who_waits_is_not_kept_busy_by_what_may_not_be_claimed(self, consumer: Open) -> None:
        looks = Looks()
        waiting, producer = consumer(now=looks), consumer()
        producer.add_to_schedule(b"due", in_seconds(-1))
        producer.enqueue(b"ready")
        producer.pause()
        looks.count = 0
        with waiting_claims(waiting) as (claim,):
            wait_until(lambda: looks.count >= 2, reason="it has found nothing twice")
            begun = time.monotonic()
            wait_until(lambda: time.monotonic() - begun > 0.5)
            assert not claim.done()
            assert looks.count < 40


def test_an_idle_consumer_asks_redis_seldom(broker: Redis) -> None:
    """Who bills by the command bills them all day."""
    looks = Looks()
    waiting = ReliableRedisStorage(
        uuid.uuid4().hex, url=broker.url(), now=looks
    )  # as a service opens it
    assert waiting.claim(0.5) is None
    waiting.close()
    assert looks.count <= 4


def oldest(storage: Storage) -> float | None:
    """Since when the oldest message is ready, as far as the storage knows."""
    return min(
        (waiting.at for waiting in storage.stats().first if waiting.at is not None), default=None
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
        storage = put_aside(consumer(), b"dead")
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

    def test_the_next_messages_of_each_lane_are_told(self, consumer: Open) -> None:
        storage = consumer()
        assert storage.stats().first == []
        storage.enqueue_many([(b"a", 0), (b"B", 1), (b"c", 0), (b"D", 1)])
        told = {waiting.data for waiting in storage.stats().first}
        assert told <= {b"a", b"B"}
        assert told

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
        storage = put_aside(consumer(now=clock), b"message")
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
        storage = put_aside(consumer(), *(b"%d" % number for number in range(5)))
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
        assert member.info == '{"host": "näme"}'
        assert sorted(member.held) == sorted([b"held", ANY_BYTES])
        assert member.alive_until is not None
        assert began + ALIVE - 1 < member.alive_until < time.time() + ALIVE + 1

    def test_who_has_signed_off_is_not_shown(self, consumer: Open) -> None:
        storage = consumer()
        storage.release_all()
        assert storage.consumers() == []

    @shared
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

    @shared
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
        storage = put_aside(consumer(), b"dead")
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

    @shared
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


class TestVersionBefore:
    """What it has left behind, and what it does beside this one while a release is rolled out."""

    FILE = """
        create table kv (queue text not null, key text not null, value blob not null, primary key(queue, key));
        create table schedule (id integer not null primary key, queue text not null, data blob not null, timestamp real not null,
            priority integer not null default 0, deliveries integer not null default 0);
        create table counter (queue text not null, key text not null, value integer not null default 0, primary key(queue, key));
        create table message (id integer not null primary key autoincrement, queue text not null, data blob not null,
            priority integer not null default 0, holder text, deliveries integer not null default 0);
        create table consumer (queue text not null, id text not null, alive_until real not null, primary key (queue, id));
        create table once (queue text not null, key text not null, until real not null, primary key (queue, key));
        create table dead_letter (id integer not null primary key autoincrement, queue text not null, data blob not null,
            priority integer not null, reason text not null, at real not null);
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
            together.wait(SOON)
            return ReliableSqliteStorage("work", filename=str(place)).queue_size()

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(opened, range(6))) == [0] * 6

    def test_a_consumer_of_its_on_redis_is_shown_without_a_word(self, own_broker: Redis) -> None:
        storage, client = ReliableRedisStorage("work", url=own_broker.url()), own_broker.client()
        client.sadd("{huey.work}:consumers", "old")
        client.set("{huey.work}:alive:old", "1", px=60_000)
        assert [(member.id, member.info) for member in storage.consumers()] == [("old", "")]
        assert storage.stats().consumers == 1

    def test_what_is_done_leaves_nothing_beside_the_lists_on_redis(self, own_broker: Redis) -> None:
        storage, client = (
            ReliableRedisStorage("work", url=own_broker.url(), now=Clock()),
            own_broker.client(),
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
        self, own_broker: Redis
    ) -> None:
        """It acknowledges without a word about since when a message was ready."""
        storage, client = (
            ReliableRedisStorage("work", url=own_broker.url(), now=Clock()),
            own_broker.client(),
        )
        storage.add_to_schedule(b"message", NOON)
        claim = claimed(storage)
        storage.heartbeat(ALIVE)
        assert client.exists("{huey.work}:due")
        client.lrem("{huey.work}:held:" + storage.consumer, 1, claim.receipt)
        storage.heartbeat(ALIVE)
        assert not client.exists("{huey.work}:due")


@shared
class TestTakingOver:
    def test_the_first_beat_of_a_consumer_judges_nobody(self, consumer: Open) -> None:
        silent, rescuer = consumer(), consumer()
        silent.enqueue(b"held")
        claimed(silent)
        silent.heartbeat(MOMENT)
        newcomer = consumer()  # beats once
        assert (newcomer.queue_size(), newcomer.stats().held) == (0, 1)
        wait_until(
            lambda: rescuer.heartbeat(ALIVE).taken_over == 1, reason="the message is taken over"
        )

    def test_a_silent_consumers_messages_are_taken_over_and_a_beating_ones_are_not(
        self, consumer: Open
    ) -> None:
        silent, beating, rescuer = consumer(), consumer(), consumer()
        rescuer.enqueue_many([(b"a", 0), (b"b", 0), (b"c", 1), (b"d", 0)])
        assert [claimed(silent).data, claimed(beating).data, claimed(silent).data] == [
            b"c",
            b"a",
            b"b",
        ]
        assert rescuer.heartbeat(ALIVE).taken_over == 0

        silent.heartbeat(MOMENT)
        wait_until(
            lambda: rescuer.heartbeat(ALIVE).taken_over == 2, reason="the messages are taken over"
        )

        assert held_by(silent) == []
        assert rescuer.stats().held == len(held_by(beating)) == 1
        assert claimed_data(rescuer) == [b"c", b"b", b"d"]

    def test_a_consumer_that_beats_on_keeps_what_it_holds(self, consumer: Open) -> None:
        storage, rescuer = consumer(), consumer()
        storage.enqueue(b"long")
        storage.heartbeat(MOMENT)
        claimed(storage)
        storage.heartbeat(ALIVE)
        other = consumer()
        other.enqueue(b"other")
        claimed(other)

        dies(other, rescuer)

        assert len(held_by(storage)) == 1
        assert claimed_data(rescuer) == [b"other"]

    def test_a_message_whose_consumers_die_is_put_aside_and_the_others_go_on(
        self, consumer: Open
    ) -> None:
        rescuer = consumer()
        rescuer.enqueue_many([(b"poison", 1), (b"other", 0)])

        for death in range(1, MAX_DELIVERIES + 1):
            victim = consumer()
            assert claimed(victim).data == b"poison"
            assert rescuer.dead_letters() == []
            dies(victim, rescuer)
            assert rescuer.stats().held == 0, death

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
            assert held_by(orderly) == []
        assert rescuer.stats().held == 0

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
        assert held_by(staying) == [kept.receipt]
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

    def test_an_acknowledgement_with_the_next_claim_ends_the_count_of_deaths(
        self, consumer: Open
    ) -> None:
        rescuer = consumer()
        for _ in range(2):
            rescuer.enqueue(b"the same message")
            for _ in range(MAX_DELIVERIES - 1):
                victim = consumer()
                claimed(victim)
                dies(victim, rescuer)
            assert rescuer.claim(0, [claimed(rescuer)]) is None
        assert rescuer.dead_letters() == []

    def test_who_may_not_judge_beats_and_puts_nothing_back(self, consumer: Open) -> None:
        silent, blind, judge = consumer(), consumer(), consumer()
        blind.enqueue_many([(b"a", 0), (b"b", 0)])
        claimed(silent)
        mine = claimed(blind)
        other = consumer("other queue")
        other.enqueue(b"clock")
        claimed(other)
        for storage in (silent, blind, other):
            storage.heartbeat(MOMENT)
        dies(other, consumer("other queue"))  # fell silent last: all are silent now

        pulse = blind.heartbeat(ALIVE, judge=False)

        assert (pulse.taken_over, pulse.held) == (0, [mine.receipt])
        assert judge.stats().held == 2
        assert judge.heartbeat(ALIVE).taken_over == 1  # the beat without judgement was one
        assert held_by(blind) == [mine.receipt]
        assert claimed_data(judge) == [b"a"]

    def test_a_claim_by_who_was_taken_for_dead_acknowledges_nothing_of_the_new_holder(
        self, consumer: Open
    ) -> None:
        paused, holder = consumer(), consumer()
        holder.enqueue_many([(b"message", 1), (b"next", 0)])
        late = claimed(paused)
        dies(paused, holder)
        taken = claimed(holder)

        following = paused.claim(0, [late])

        assert following is not None
        assert following.data == b"next"
        assert held_by(holder) == [taken.receipt]
        assert holder.stats().held == 2

    @pytest.mark.parametrize("act", ["acknowledge", "release", "dead_letter"])
    def test_who_was_taken_for_dead_takes_nothing_from_the_new_holder(
        self, consumer: Open, act: str
    ) -> None:
        paused, holder = consumer(), consumer()
        holder.enqueue(b"message")
        late = claimed(paused)
        dies(paused, holder)
        taken = claimed(holder)

        getattr(paused, act)(late, *(["late"] if act == "dead_letter" else []))

        assert held_by(holder) == [taken.receipt]
        assert holder.queue_size() == 0
        assert holder.dead_letters() == []
        assert holder.release_all() == 1

    def test_what_a_consumer_claims_after_it_was_taken_for_dead_is_taken_over_as_well(
        self, consumer: Open
    ) -> None:
        paused, rescuer = consumer(), consumer()
        rescuer.enqueue_many([(b"first", 1), (b"second", 0)])
        claimed(paused)
        dies(paused, rescuer)
        assert worked_off(rescuer) == [b"first", b"second"]

        rescuer.enqueue(b"third")
        claimed(paused)  # it goes on, and dies before its heart beats again

        assert rescuer.stats().held == 1
        assert rescuer.heartbeat(ALIVE).taken_over == 1
        assert claimed_data(rescuer) == [b"third"]

    def test_what_a_consumer_claims_after_it_has_handed_back_is_taken_over(
        self, consumer: Open
    ) -> None:
        leaving, rescuer = consumer(), consumer()
        leaving.release_all()
        rescuer.enqueue(b"message")
        claimed(leaving)

        assert rescuer.stats().held == 1
        assert rescuer.heartbeat(ALIVE).taken_over == 1
        assert claimed_data(rescuer) == [b"message"]


@shared
class TestWaiting:
    def test_a_claim_that_waits_gets_a_message_that_is_enqueued_meanwhile(
        self, consumer: Open
    ) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting) as (claim,):
            producer.enqueue(b"late")
            result = claim.result(SOON)
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
            result = leader.result(SOON)
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
            got = result.result(SOON)
        assert got is not None
        assert got.data == b"message"

    def test_when_one_thread_has_got_a_message_another_waits_for_the_next(
        self, consumer: Open
    ) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting, 2) as claims:
            producer.enqueue(b"first")
            wait_until(lambda: any(claim.done() for claim in claims), timeout=SOON)
            assert waiting.stats().held == 1
            producer.enqueue(b"second")
            results = [claim.result(SOON) for claim in claims]
        assert {result.data for result in results if result is not None} == {b"first", b"second"}

    def test_two_messages_at_once_reach_two_threads(self, consumer: Open) -> None:
        waiting, producer = consumer(), consumer()
        with waiting_claims(waiting, 2) as claims:
            producer.enqueue_many([(b"first", 0), (b"second", 0)])
            results = [claim.result(SOON) for claim in claims]
        assert {result.data for result in results if result is not None} == {b"first", b"second"}

    def test_messages_reach_all_threads_of_two_consumers(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        with waiting_claims(one, 3) as some, waiting_claims(two, 3) as others:
            consumer().enqueue_many((b"%d" % number, 0) for number in range(6))
            results = [claim.result(SOON) for claim in [*some, *others]]
        assert {result.data for result in results if result is not None} == {
            b"%d" % number for number in range(6)
        }

    def test_what_is_done_is_forgotten_before_the_waiting_begins(self, consumer: Open) -> None:
        storage, other = consumer(), consumer()
        storage.enqueue(b"done")
        with waiting_claims(storage, done=[claimed(storage)]) as (claim,):
            wait_until(lambda: other.stats().held == 0, timeout=SOON, reason="it is acknowledged")
            assert not claim.done()
            other.enqueue(b"next")
            result = claim.result(SOON)
        assert result is not None
        assert result.data == b"next"
        assert other.stats().held == 1

    def test_wake_ends_the_waiting_of_all_claims_with_one_call(self, consumer: Open) -> None:
        storage = consumer()
        with ThreadPoolExecutor(3) as pool:
            claims = [pool.submit(storage.claim, PATIENCE) for _ in range(3)]
            wait_until(lambda: all(claim.running() for claim in claims))
            storage.wake()
            assert [claim.result(SOON) for claim in claims] == [None, None, None]

    def test_after_wake_no_claim_waits_but_what_is_ready_is_still_given(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        storage.wake()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(storage.claim, PATIENCE).result(SOON) is None
            storage.enqueue(b"message")
            claim = pool.submit(storage.claim, PATIENCE).result(SOON)
        assert claim is not None
        assert claim.data == b"message"

    def test_wake_can_be_called_again(self, consumer: Open) -> None:
        storage = consumer()
        storage.wake()
        storage.wake()
        assert storage.claim(PATIENCE) is None

    def test_wake_does_not_disturb_the_claims_of_another_consumer(self, consumer: Open) -> None:
        leaving, staying = consumer(), consumer()
        with waiting_claims(staying) as (stays,), waiting_claims(leaving) as (leaves,):
            leaving.wake()
            assert leaves.result(SOON) is None
            leaving.enqueue(b"message")
            result = stays.result(SOON)
        assert result is not None
        assert result.data == b"message"


@shared
class TestFallingDue:
    """By the real clock: these claims wait."""

    def test_a_claim_that_waits_gets_a_message_that_falls_due(self, consumer: Open) -> None:
        waiting = consumer()
        waiting.add_to_schedule(b"later", in_seconds(3600))
        waiting.add_to_schedule(b"soon", in_seconds(0.3))
        with waiting_claims(waiting) as (claim,):
            result = claim.result(SOON)
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
            result = claim.result(SOON)
        assert result is not None
        assert result.data == b"soon"

    def test_two_that_fall_due_together_reach_two_threads(self, consumer: Open) -> None:
        waiting, due = consumer(), in_seconds(0.3)
        waiting.add_to_schedule(b"one", due)
        waiting.add_to_schedule(b"two", due)
        with waiting_claims(waiting, 2) as claims:
            results = [claim.result(SOON) for claim in claims]
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
            results = [claim.result(SOON) for claim in claims]
        assert {result.data for result in results if result is not None} == {
            b"scheduled",
            b"enqueued",
        }


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
        assert one.queue_size() == one.stats().held == 0

    def test_no_message_goes_to_two_threads_of_a_consumer_and_none_is_lost(
        self, consumer: Open
    ) -> None:
        storage = consumer()
        shares = self.share([storage] * 4)
        assert sorted(message for part in shares for message in part) == sorted(self.MESSAGES)
        assert storage.queue_size() == storage.stats().held == 0


@shared
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
        logs, content = put_aside(consumer("logs"), b"log"), consumer("content")
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


class TestHeldUp:
    def test_a_beat_that_a_hung_redis_receives_late_judges_nobody(self, own_broker: Redis) -> None:
        victim, judge = (
            ReliableRedisStorage("work", url=own_broker.url(), socket_timeout=0.2) for _ in range(2)
        )
        victim.enqueue(b"held")
        for storage in (victim, judge):
            storage.heartbeat(1)
        claimed(victim)
        own_broker.pause()
        with pytest.raises(redis.TimeoutError):
            judge.heartbeat(1)
        started = time.monotonic()
        wait_until(lambda: time.monotonic() - started > 1.5, reason="both are silent")
        own_broker.resume()
        client = own_broker.client()
        wait_until(
            lambda: client.keys(f"*alive:{judge.consumer}"), reason="the late beat has arrived"
        )
        assert (victim.queue_size(), victim.stats().held) == (0, 1)


@shared
def test_a_late_acknowledgement_does_not_wipe_out_the_deaths_of_a_message(consumer: Open) -> None:
    rescuer = consumer()
    rescuer.enqueue(b"poison")
    for _ in range(MAX_DELIVERIES):
        victim = consumer()
        claim = claimed(victim)
        dies(victim, rescuer)
        victim.acknowledge(claim)
    assert [letter.data for letter in rescuer.dead_letters()] == [b"poison"]


class TestFullRedis:
    def test_a_full_redis_refuses_producers_and_can_be_drained(self, own_broker: Redis) -> None:
        def opened(now: Callable[[], float] = time.time) -> ReliableRedisStorage:
            return ReliableRedisStorage("work", url=own_broker.url(), now=now)

        producer, victim = opened(), opened()
        producer.enqueue_many((b"%d" % number, 0) for number in range(6))
        producer.add_to_schedule(b"scheduled", NOON, 1)
        fill(own_broker)

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
        self, own_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=own_broker.url(), now=Clock())
        storage.heartbeat(ALIVE)
        storage.enqueue_many([(b"fails", 0), (b"other", 0)])
        fill(own_broker)

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
        self, own_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=own_broker.url())
        storage.enqueue_many([(b"a", 0), (b"b", 0)])
        for _ in range(2):
            storage.dead_letter(claimed(storage), "broken")
        fill(own_broker)
        newest, oldest = storage.dead_letters()
        assert storage.discard(newest.id)
        assert storage.replay(oldest.id)
        assert storage.stats().dead == 0
        assert worked_off(storage) == [b"a"]

    def test_a_server_that_has_become_a_replica_is_left_for_the_one_at_its_address(
        self, own_broker: Redis
    ) -> None:
        storage = ReliableRedisStorage("work", url=own_broker.url())
        admin = own_broker.client()
        before = storage.conn.client_id()
        admin.replicaof("127.0.0.1", "1")
        with pytest.raises(redis.ReadOnlyError):
            storage.enqueue(b"a")
        admin.replicaof("no", "one")
        assert storage.conn.client_id() != before
        storage.enqueue(b"a")
        assert claimed(storage).data == b"a"

    def test_an_entry_without_a_lane_is_not_lost_when_its_consumer_dies(
        self, own_broker: Redis
    ) -> None:
        storage, rescuer = (ReliableRedisStorage("work", url=own_broker.url()) for _ in range(2))
        own_broker.client().lpush("{huey.work}:ready:0", b"xyz")
        storage.heartbeat(ALIVE)
        rescuer.heartbeat(ALIVE)
        assert claimed(storage).data == b"yz"
        assert storage.release_all() == 1
        assert claimed(rescuer).data == b"yz"

    def test_a_poisonous_message_is_put_aside_on_a_full_redis(self, own_broker: Redis) -> None:
        rescuer = ReliableRedisStorage("work", url=own_broker.url())
        rescuer.enqueue_many([(b"poison", 0), (b"other", 0)])
        fill(own_broker)
        rescuer.heartbeat(ALIVE)
        for _ in range(MAX_DELIVERIES):
            victim = ReliableRedisStorage("work", url=own_broker.url())
            victim.heartbeat(ALIVE)
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
