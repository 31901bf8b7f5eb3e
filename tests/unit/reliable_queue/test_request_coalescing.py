"""Threads that ask at once: an answer for each, one call for all, and no error that hangs."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import pytest

from reliable_queue.request_coalescing import RequestCoalescer
from testing.waiting import HANG, wait_until

ASKING = 8  # threads


class Broker:
    """Answers with negatives, as soon as it may; knows the numbers that it was asked together."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may_answer = threading.Event()
        self.fails: Callable[[Sequence[int]], bool] = lambda _: False

    def answer(self, asked: Sequence[int]) -> list[int]:
        self.calls.append(list(asked))
        assert self.may_answer.wait(HANG)
        if self.fails(asked):
            raise ConnectionError(f"{len(asked)} asked")
        return [-number for number in asked]


class Turn:
    """A lock that says who waits for it."""

    waiting: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.release = self.lock.release

    def acquire(self) -> None:
        if not self.lock.acquire(blocking=False):
            self.waiting.append(threading.get_ident())
            self.lock.acquire()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr("reliable_queue.request_coalescing.threading", SimpleNamespace(Lock=Turn))
    Turn.waiting.clear()
    return Broker()


@pytest.fixture
def together(broker: Broker) -> RequestCoalescer[int, int]:
    return RequestCoalescer(broker.answer)


def asking(
    broker: Broker, together: RequestCoalescer[int, int], pool: ThreadPoolExecutor
) -> list["Future[int]"]:
    """One thread asks, and the others while it does."""
    first = pool.submit(together.ask, 1)
    wait_until(lambda: bool(broker.calls))
    others = [pool.submit(together.ask, number) for number in range(2, ASKING + 1)]
    wait_until(lambda: len(Turn.waiting) == ASKING - 1)
    return [first, *others]


def test_who_waits_is_asked_for_together(
    broker: Broker, together: RequestCoalescer[int, int]
) -> None:
    with ThreadPoolExecutor(ASKING) as pool:
        asked = asking(broker, together, pool)
        broker.may_answer.set()
        assert [each.result(HANG) for each in asked] == [-number for number in range(1, ASKING + 1)]
    assert [len(call) for call in broker.calls] == [1, ASKING - 1]


def test_an_error_reaches_the_requests_of_its_call_and_no_other(
    broker: Broker, together: RequestCoalescer[int, int]
) -> None:
    broker.fails = lambda asked: 1 in asked
    with ThreadPoolExecutor(ASKING) as pool:
        first, *others = asking(broker, together, pool)
        broker.may_answer.set()
        with pytest.raises(ConnectionError, match="1 asked"):
            first.result(HANG)
        assert sorted(-each.result(HANG) for each in others) == list(range(2, ASKING + 1))


def test_an_error_of_many_reaches_all_of_them_and_the_next_is_answered(
    broker: Broker, together: RequestCoalescer[int, int]
) -> None:
    broker.fails = lambda asked: len(asked) > 1
    with ThreadPoolExecutor(ASKING) as pool:
        first, *others = asking(broker, together, pool)
        broker.may_answer.set()
        assert first.result(HANG) == -1
        for each in others:
            with pytest.raises(ConnectionError, match=f"{ASKING - 1} asked"):
                each.result(HANG)
    assert together.ask(9) == -9


def test_too_few_answers_are_an_error_for_all() -> None:
    together = RequestCoalescer[int, int](lambda _: [])
    for _ in range(2):  # and no thread waits for ever afterwards
        with pytest.raises(ValueError, match="zip"):
            together.ask(1)


def test_many_threads_ask_again_and_again() -> None:
    running = threading.Lock()

    def answer(asked: Sequence[int]) -> list[int]:
        assert running.acquire(blocking=False), "two calls at once"
        try:
            return [number * 2 for number in asked]
        finally:
            running.release()

    together = RequestCoalescer(answer)
    with ThreadPoolExecutor(ASKING) as pool:
        found = [
            pool.submit(lambda first: [together.ask(first + i) for i in range(500)], 1000 * n)
            for n in range(ASKING)
        ]
        assert [each.result(HANG) for each in found] == [
            [2 * (1000 * n + i) for i in range(500)] for n in range(ASKING)
        ]
