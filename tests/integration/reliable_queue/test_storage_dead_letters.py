"""Contract of all storages: messages that failed too often."""

from datetime import timedelta

import pytest

from reliable_queue import redis_storage, sqlite_storage
from reliable_queue.storage import MAX_DELIVERIES
from tests.integration.reliable_queue.storages import (
    ALIVE,
    ANY_BYTES,
    Clock,
    Open,
    claimed,
    claimed_data,
    dead,
    dies,
    letter_of,
    with_dead_letters,
)


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
        storage = with_dead_letters(consumer(), b"a", b"b", b"c", b"d")
        ids = {letter.data: letter.id for letter in storage.dead_letters()}
        assert len(set(ids.values())) == 4
        assert all(ids.values())

        assert storage.discard(ids.pop(b"b"))
        assert storage.replay(ids.pop(b"d"))
        with_dead_letters(storage, b"e")

        assert {
            letter.data: letter.id for letter in storage.dead_letters() if letter.data != b"d"
        } == ids

    def test_a_replayed_letter_is_ready_again_and_no_letter_any_more(self, consumer: Open) -> None:
        storage = with_dead_letters(consumer(), b"a", ANY_BYTES, b"c")
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
        storage = with_dead_letters(consumer(), b"a", b"b", b"c")
        assert storage.discard(letter_of(storage, b"b")) == 1
        assert [letter.data for letter in storage.dead_letters()] == [b"c", b"a"]
        assert (storage.stats().dead, storage.queue_size(), storage.stats().held) == (2, 0, 0)

    @pytest.mark.parametrize("act", ["replay", "discard"])
    @pytest.mark.parametrize("id_", ["", "unknown", "987654321", "%", "*", "naïve", "0\n0"])
    def test_an_id_of_no_letter_changes_nothing(self, consumer: Open, act: str, id_: str) -> None:
        storage = with_dead_letters(consumer(), b"a", b"b")
        before = storage.dead_letters()
        assert getattr(storage, act)(id_) == 0
        assert storage.dead_letters() == before
        assert storage.queue_size() == 0

    @pytest.mark.parametrize("first", ["replay", "discard"])
    @pytest.mark.parametrize("again", ["replay", "discard"])
    def test_a_letter_is_replayed_or_discarded_once(
        self, consumer: Open, first: str, again: str
    ) -> None:
        storage = with_dead_letters(consumer(), b"a", b"b")
        id_ = letter_of(storage, b"a")
        assert getattr(storage, first)(id_) == 1
        assert getattr(storage, again)(id_) == 0
        assert storage.stats().dead == 1
        assert claimed_data(storage) == ([b"a"] if first == "replay" else [])

    @pytest.mark.parametrize("act", ["replay", "discard"])
    def test_of_two_letters_with_the_same_message_one_goes(self, consumer: Open, act: str) -> None:
        storage = with_dead_letters(consumer(), b"same", b"same")
        assert getattr(storage, act)(storage.dead_letters()[0].id) == 1
        assert [letter.data for letter in storage.dead_letters()] == [b"same"]
        assert claimed_data(storage) == ([b"same"] if act == "replay" else [])

    def test_a_replayed_letter_can_be_put_aside_again(self, consumer: Open) -> None:
        storage = with_dead_letters(consumer(), b"a")
        assert storage.replay(letter_of(storage, b"a"))
        storage.dead_letter(claimed(storage), "still broken")
        assert dead(storage) == [(b"a", "still broken")]
        assert storage.replay(letter_of(storage, b"a"))

    @pytest.mark.parametrize("act", ["replay", "discard"])
    def test_many_are_taken_at_once_wherever_they_lie_and_replayed_in_the_order_of_their_ids(
        self, consumer: Open, act: str
    ) -> None:
        messages = [b"%d" % number for number in range(1100)]
        storage = with_dead_letters(consumer(), *messages)
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
        storage = with_dead_letters(consumer(), *(b"%d" % number for number in range(103)))
        assert storage.stats().dead == 103
        assert len(storage.dead_letters()) == 100
        assert storage.dead_letters(2) == storage.dead_letters()[:2]

    def test_only_the_newest_are_kept(
        self, consumer: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (redis_storage, sqlite_storage):
            monkeypatch.setattr(module, "DEAD_LETTERS_KEPT", 3)
        storage = with_dead_letters(consumer(), *(b"%d" % number for number in range(5)))
        assert [letter.data for letter in storage.dead_letters()] == [b"4", b"3", b"2"]
        assert storage.stats().dead == 3

        silent = consumer()
        silent.enqueue(b"poison")
        for _ in range(MAX_DELIVERIES):
            silent.heartbeat(ALIVE)
            claimed(silent)
            dies(silent, storage)

        assert [letter.data for letter in storage.dead_letters()] == [b"poison", b"4", b"3"]

    def test_the_letters_of_one_queue_do_not_count_against_those_of_another(
        self, consumer: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (redis_storage, sqlite_storage):
            monkeypatch.setattr(module, "DEAD_LETTERS_KEPT", 2)
        logs, content = (
            with_dead_letters(consumer("logs"), b"log", b"another log"),
            consumer("content"),
        )
        with_dead_letters(content, b"a", b"b", b"c")
        assert (logs.stats().dead, content.stats().dead) == (2, 2)

    def test_letters_are_everybodys(self, consumer: Open) -> None:
        one, two = consumer(), consumer()
        with_dead_letters(one, b"a", b"b")
        assert two.dead_letters() == one.dead_letters()
        assert two.replay(letter_of(one, b"a"))
        assert two.discard(letter_of(one, b"b"))
        assert one.dead_letters() == []
        assert claimed_data(one) == [b"a"]

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
