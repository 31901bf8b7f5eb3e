"""Contract of all storages: messages of consumers that have no heartbeat any more."""

import uuid
from types import SimpleNamespace

import pytest

from reliable_queue import redis_storage
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.storage import MAX_DELIVERIES
from testing.servers import Redis
from testing.waiting import HANG, wait_until
from tests.integration.reliable_queue.storages import (
    ALIVE,
    MOMENT,
    Open,
    claimed,
    claimed_data,
    dies,
    held_by,
    worked_off,
)


class TestTakingOver:
    def test_the_first_heartbeat_of_a_consumer_judges_no_consumer(self, consumer: Open) -> None:
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


def test_a_beat_that_redis_receives_late_judges_no_consumer(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of others were delayed as well."""
    name = uuid.uuid4().hex
    victim, judge = (
        ReliableRedisStorage(name, url=broker.url(), socket_timeout=HANG) for _ in range(2)
    )
    victim.enqueue(b"held")
    judge.heartbeat(ALIVE)
    claimed(victim)
    victim.heartbeat(MOMENT)
    alive, client = f"{{huey.{name}}}:alive:{victim.consumer}", broker.client()
    wait_until(lambda: not client.exists(alive), reason="the consumer is silent")
    with monkeypatch.context() as patch:
        long_ago = SimpleNamespace(monotonic=lambda: 0.0)  # when this machine was started
        patch.setattr(redis_storage, "time", long_ago)
        assert judge.heartbeat(1).taken_over == 0
    assert (victim.queue_size(), victim.stats().held) == (0, 1)
    assert judge.heartbeat(ALIVE).taken_over == 1


def test_redis_counts_a_beat_for_as_long_as_it_was_told(broker: Redis) -> None:
    storage = ReliableRedisStorage(uuid.uuid4().hex, url=broker.url())
    storage.heartbeat(60.0)
    [alive] = broker.client().keys(f"*:alive:{storage.consumer}")
    assert 0 < broker.client().pttl(alive) <= 60_000
