"""Turns: one thread waits for all, the next one follows, and one call ends it for everybody."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from reliable_queue.poll_lock import PollLock
from testing.waiting import HANG, wait_until

MOMENT = 0.01


class Threads:
    """Threads that ask for the turn; each keeps it until the test lets it go on."""

    def __init__(self, turns: PollLock, pool: ThreadPoolExecutor) -> None:
        self.turns, self.pool = turns, pool
        self.inside: list[int] = []
        self._next = threading.Semaphore(0)

    def ask(self, name: int, timeout: float = HANG) -> "Future[bool]":
        asked = threading.Event()

        def wait() -> bool:
            asked.set()
            with self.turns.take(timeout) as mine:
                if mine:
                    self.inside.append(name)
                    assert self._next.acquire(timeout=HANG)
                    self.inside.remove(name)
            return mine

        future = self.pool.submit(wait)
        assert asked.wait(HANG)
        return future

    def let_go(self) -> None:
        """The one that has the turn may leave."""
        self._next.release()

    def someone_is_inside(self) -> int:
        wait_until(lambda: self.inside, reason="a thread has the turn")
        assert len(self.inside) == 1
        return self.inside[0]

    def pass_on(self) -> int:
        """Let the one that has the turn go; says which it was."""
        name = self.someone_is_inside()
        self.let_go()
        wait_until(lambda: name not in self.inside)
        return name


@pytest.fixture
def threads() -> Iterator[Threads]:
    with ThreadPoolExecutor(8) as pool:
        made = Threads(PollLock(), pool)
        yield made
        made.turns.end()
        for _ in range(8):
            made.let_go()


def test_who_comes_first_has_the_turn_at_once() -> None:
    with PollLock().take(0) as mine:
        assert mine is True


def test_a_turn_can_be_taken_again_and_again() -> None:
    turns = PollLock()
    for _ in range(3):
        with turns.take(0) as mine:
            assert mine is True


def test_another_thread_has_no_turn_while_it_is_taken(threads: Threads) -> None:
    threads.ask(1)
    threads.someone_is_inside()
    for timeout in (0, -1, MOMENT):
        with threads.turns.take(timeout) as mine:
            assert mine is False


def test_a_thread_without_a_turn_takes_none_away_when_it_leaves(threads: Threads) -> None:
    first = threads.ask(1)
    threads.someone_is_inside()
    for _ in range(2):
        with threads.turns.take(MOMENT) as mine:
            assert mine is False
    assert not first.done()
    threads.let_go()
    assert first.result(HANG) is True
    with threads.turns.take(0) as mine:
        assert mine is True


def test_when_one_leaves_another_follows_until_all_had_their_turn(threads: Threads) -> None:
    asked = [threads.ask(number) for number in range(6)]
    assert sorted(threads.pass_on() for _ in asked) == list(range(6))
    assert [future.result(HANG) for future in asked] == [True] * 6


def test_who_leaves_with_an_error_makes_room_as_well(threads: Threads) -> None:
    with ExitStack() as failing:
        failing.enter_context(pytest.raises(ConnectionError))
        assert failing.enter_context(threads.turns.take(0)) is True
        second = threads.ask(2)
        raise ConnectionError("the broker is away")
    assert threads.someone_is_inside() == 2
    threads.let_go()
    assert second.result(HANG) is True


def test_a_waiting_thread_that_gives_up_holds_up_no_other(threads: Threads) -> None:
    first = threads.ask(1)
    threads.someone_is_inside()
    assert threads.ask(2, MOMENT).result(HANG) is False
    third = threads.ask(3)
    threads.let_go()
    assert first.result(HANG) is True
    assert threads.someone_is_inside() == 3
    threads.let_go()
    assert third.result(HANG) is True


def test_the_end_comes_to_all_who_wait_with_one_call(threads: Threads) -> None:
    leader = threads.ask(1)
    threads.someone_is_inside()
    followers = [threads.ask(number) for number in range(2, 7)]

    threads.turns.end()

    assert [follower.result(HANG) for follower in followers] == [False] * 5
    assert threads.turns.ended.is_set()
    assert not leader.done()
    threads.let_go()
    assert leader.result(HANG) is True


def test_after_the_end_no_thread_gets_a_turn_or_waits(threads: Threads) -> None:
    assert not threads.turns.ended.is_set()
    threads.turns.end()
    threads.turns.end()
    for _ in range(2):
        assert threads.ask(1).result(HANG) is False
        with threads.turns.take(HANG) as mine:
            assert mine is False


def test_never_two_have_the_turn() -> None:
    turns, together = PollLock(), threading.Barrier(6)
    inside, most, rounds = 0, 0, 200

    def work(_: int) -> int:
        nonlocal inside, most
        together.wait(HANG)
        taken = 0
        for _ in range(rounds):
            with turns.take(HANG) as mine:
                taken += mine
                inside += 1
                most = max(most, inside)
                inside -= 1
        return taken

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 6 * rounds
    assert (inside, most) == (0, 1)
