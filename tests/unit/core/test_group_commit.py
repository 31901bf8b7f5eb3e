"""Group commit: each item gets its own result or its own error, whatever happens to the batch."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

from core.batching import GroupCommit
from core.errors import Unavailable
from testing.waiting import HANG, wait_until

LIMIT = 20  # seconds until a test that would wait for ever fails


class Refused(Exception):
    """One item does not fit."""


class Gate:
    """A handler that notes its batches. Shut, it does not answer; negative items do not fit."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.entered.set()
        self.open.wait(HANG)
        return [Refused(str(item)) if item < 0 else item * 10 for item in items]


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(main, HANG)

    return asyncio.run(limited())


async def submit_all(batcher: GroupCommit[int, int], items: Sequence[int]) -> list[Any]:
    return await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


async def begun() -> None:
    """Every task that was made so far has begun, and waits in the line."""
    await asyncio.sleep(0)


def test_each_item_gets_its_own_result(gate: Gate) -> None:
    gate.open.set()
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.start()
    assert run(submit_all(batcher, range(1000))) == [item * 10 for item in range(1000)]
    batcher.stop()
    assert [item for batch in gate.batches for item in batch] == list(range(1000))


def test_what_arrives_together_is_handled_together_and_never_more_than_the_largest_batch(
    gate: Gate,
) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test", largest=10)

    async def main() -> list[Any]:
        first = asyncio.create_task(batcher.submit(0))
        await until(gate.entered.is_set)
        rest = [asyncio.create_task(batcher.submit(item)) for item in range(1, 26)]
        await begun()
        gate.open.set()
        return [await first, *await asyncio.gather(*rest)]

    batcher.start()
    assert run(main()) == [item * 10 for item in range(26)]
    batcher.stop()
    assert gate.batches == [[0], list(range(1, 11)), list(range(11, 21)), list(range(21, 26))]


def test_an_error_of_one_item_is_its_own(gate: Gate) -> None:
    gate.open.set()
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.start()
    one, bad, other = run(submit_all(batcher, [1, -2, 3]))
    batcher.stop()
    assert (one, other) == (10, 30)
    assert isinstance(bad, Refused)
    assert str(bad) == "-2"


def test_a_handler_that_raises_answers_everybody_with_its_error_and_goes_on() -> None:
    calls: list[int] = []

    def handle(items: Sequence[int]) -> list[int | Exception]:
        calls.append(len(items))
        if len(calls) == 1:
            raise OSError("the disk is full")
        return list(items)

    batcher: GroupCommit[int, int] = GroupCommit(handle, name="test")

    async def main() -> tuple[list[Any], int]:
        waiting = [asyncio.create_task(batcher.submit(item)) for item in range(5)]
        await begun()
        batcher.start()
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        return failed, await batcher.submit(7)

    failed, later = run(main())
    batcher.stop()
    assert [(type(error), str(error)) for error in failed] == [(OSError, "the disk is full")] * 5
    assert later == 7
    assert calls == [5, 1]


def test_a_handler_that_forgets_an_item_answers_everybody_and_goes_on() -> None:
    def handle(items: Sequence[int]) -> list[int | Exception]:
        return [item for item in items if item != 13]

    batcher: GroupCommit[int, int] = GroupCommit(handle, name="test")
    batcher.start()

    async def main() -> tuple[list[Any], int]:
        answered = asyncio.gather(batcher.submit(13), return_exceptions=True)
        return await asyncio.wait_for(answered, HANG), await batcher.submit(7)

    (forgotten,), later = run(main())
    batcher.stop()
    assert isinstance(forgotten, Exception)
    assert later == 7


def test_a_full_line_refuses_at_once_and_those_in_it_are_answered(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test", waiting=3)

    async def main() -> list[Any]:
        first = asyncio.create_task(batcher.submit(0))
        await until(gate.entered.is_set)
        waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
        await begun()
        with pytest.raises(Unavailable) as full:
            await batcher.submit(4)
        assert full.value.retry_after == 1
        gate.open.set()
        return [await first, *await asyncio.gather(*waiting)]

    batcher.start()
    assert run(main()) == [0, 10, 20, 30]
    batcher.stop()
    assert [item for batch in gate.batches for item in batch] == [0, 1, 2, 3]


def test_stopping_answers_everything_that_was_submitted(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test", largest=4)

    async def main() -> list[Any]:
        waiting = [asyncio.create_task(batcher.submit(item)) for item in range(20)]
        await until(gate.entered.is_set)
        stopping = asyncio.create_task(asyncio.to_thread(batcher.stop))
        gate.open.set()
        results = await asyncio.gather(*waiting)
        await stopping
        return results

    batcher.start()
    assert run(main()) == [item * 10 for item in range(20)]
    assert all(thread.name != "test" for thread in threading.enumerate())


def test_stopping_answers_also_when_the_line_is_full(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test", waiting=2)

    async def main() -> list[Any]:
        first = asyncio.create_task(batcher.submit(0))
        await until(gate.entered.is_set)
        waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
        await begun()
        stopping = asyncio.create_task(asyncio.to_thread(batcher.stop))
        gate.open.set()
        results = [await first, *await asyncio.gather(*waiting)]
        await stopping
        return results

    batcher.start()
    assert run(main()) == [0, 10, 20]


def test_a_caller_who_goes_away_does_not_disturb_the_others(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")

    async def main() -> list[Any]:
        waiting = [asyncio.create_task(batcher.submit(item)) for item in range(3)]
        await until(gate.entered.is_set)
        waiting[1].cancel()
        gate.open.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    batcher.start()
    first, gone, third = run(main())
    batcher.stop()
    assert (first, third) == (0, 20)
    assert isinstance(gone, asyncio.CancelledError)
    assert sorted(item for batch in gate.batches for item in batch) == [0, 1, 2]


def test_a_loop_that_has_ended_does_not_disturb_the_next(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.start()

    async def leave() -> None:
        task = asyncio.create_task(batcher.submit(1))
        await until(gate.entered.is_set)
        task.cancel()

    run(leave())
    gate.open.set()
    assert run(batcher.submit(2)) == 20
    batcher.stop()


def test_callers_of_different_loops_share_a_batcher(gate: Gate) -> None:
    gate.open.set()
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.start()
    answers: dict[int, list[int]] = {}

    def caller(start: int) -> None:
        answers[start] = run(submit_all(batcher, range(start, start + 50)))

    threads = [threading.Thread(target=caller, args=[start]) for start in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batcher.stop()
    assert answers == {
        start: [item * 10 for item in range(start, start + 50)] for start in range(0, 200, 50)
    }


def test_a_batcher_can_be_started_again_after_it_was_stopped(gate: Gate) -> None:
    gate.open.set()
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    for _ in range(3):
        batcher.start()
        assert run(submit_all(batcher, [1, 2])) == [10, 20]
        batcher.stop()


def test_nothing_is_taken_after_the_end(gate: Gate) -> None:
    gate.open.set()
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.start()
    batcher.stop()
    [refused] = run(submit_all(batcher, [1]))
    assert isinstance(refused, Unavailable)
    assert gate.batches == []


def test_stopping_what_was_never_started_returns(gate: Gate) -> None:
    batcher: GroupCommit[int, int] = GroupCommit(gate, name="test")
    batcher.stop()
    assert gate.batches == []
