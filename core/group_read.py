"""Group read: what is asked for at the same time is read together, by one call in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import anyio.to_thread

Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE = 2  # so that one is read while the loop handles the requests of the other


class GroupRead(Generic[Item, Result]):
    """`await get(item)` returns the item's result of `read(items)`, which is in their order.

    A reading begins after its items were asked for, so that it sees what was committed before.
    While as many run as may, those that ask wait for the next one.
    """

    def __init__(
        self, read: Callable[[Sequence[Item]], Sequence[Result]], *, largest: int = 100
    ) -> None:
        self.read, self._largest = read, largest
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, item: Item) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if len(self._running) < AT_ONCE:
            task = loop.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _run(self) -> None:
        while batch := self._waiting[: self._largest]:
            del self._waiting[: len(batch)]
            await self._answer(batch)

    async def _answer(self, batch: "list[tuple[Item, asyncio.Future[Result]]]") -> None:
        results: Sequence[Result] = ()
        failure: Exception | None = None
        try:
            results = await anyio.to_thread.run_sync(self.read, [item for item, _ in batch])
        except Exception as error:  # an edge: every waiting request gets an answer
            failure = error
        for number, (_, future) in enumerate(batch):
            if future.done():  # the client went away
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(results[number])
