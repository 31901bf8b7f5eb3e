"""Group read: what is asked for together is read together, and never before it was asked for."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from core.batching import READS_AT_ONCE, GroupRead
from testing.waiting import wait_until
from tests.unit.core.test_group_commit import LIMIT, run


class Gate:
    """A reader that notes its batches. Shut, it does not answer; it has no negative items."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.open.wait(LIMIT)
        if min(items) < 0:
            raise ValueError(items)
        return [item * 10 for item in items]


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


async def asked(group: GroupRead[int, int], *items: int) -> list[asyncio.Task[int]]:
    """Those who ask, and wait by now."""
    tasks = [asyncio.create_task(group.get(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


def test_each_who_asks_gets_the_result_of_the_own_item(gate: Gate) -> None:
    group = GroupRead(gate)
    gate.open.set()

    async def main() -> list[int]:
        return await asyncio.gather(*map(group.get, range(300)))

    assert run(main()) == [item * 10 for item in range(300)]
    assert sum(map(len, gate.batches)) == 300
    assert 3 <= len(gate.batches) <= 5  # of a hundred at most


def test_what_is_asked_for_while_as_many_as_may_are_read_waits_for_the_next(gate: Gate) -> None:
    group = GroupRead(gate)

    async def main() -> None:
        tasks = []
        for number in range(READS_AT_ONCE):
            tasks += await asked(group, number)
            await until(lambda number=number: len(gate.batches) == number + 1)
        tasks += await asked(group, 7, 8, 9)
        assert len(gate.batches) == READS_AT_ONCE
        gate.open.set()
        assert [await task for task in tasks] == [
            *(n * 10 for n in range(READS_AT_ONCE)),
            70,
            80,
            90,
        ]

    run(main())
    assert gate.batches[READS_AT_ONCE:] == [[7, 8, 9]]


def test_an_error_is_that_of_all_who_asked_together_and_of_nobody_else(gate: Gate) -> None:
    group = GroupRead(gate)
    gate.open.set()

    async def main() -> None:
        failed = await asked(group, 1, -1)
        for each in await asyncio.gather(*failed, return_exceptions=True):
            assert isinstance(each, ValueError)
        assert await group.get(2) == 20

    run(main())


def test_who_goes_away_does_not_disturb_the_others(gate: Gate) -> None:
    group = GroupRead(gate)

    async def main() -> None:
        gone, stays = await asked(group, 1, 2)
        await until(lambda: gate.batches)
        gone.cancel()
        gate.open.set()
        assert await stays == 20
        assert gone.cancelled()

    run(main())


def test_it_serves_one_loop_after_the_other(gate: Gate) -> None:
    """The first ends while something is read, and somebody waits for the next reading."""
    group = GroupRead(gate)

    async def leave() -> None:
        for number in range(READS_AT_ONCE + 1):
            await asked(group, number)
            await until(lambda number=number: len(gate.batches) >= min(number + 1, READS_AT_ONCE))
        asyncio.get_running_loop().call_later(0, gate.open.set)

    asyncio.run(leave())
    assert run(group.get(3)) == 30
