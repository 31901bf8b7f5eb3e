"""Batching: what requests submit, or ask for, at the same time is handled together by one call."""

import asyncio
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import anyio.to_thread

from core.errors import Unavailable

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
READS_AT_ONCE = 2  # so that one is read while the loop handles the requests of the other


class GroupCommit(Generic[Item, Result]):
    """`await submit(item)` returns the item's own result, or raises its own error.

    `handle(items)` runs in the batcher's thread between `start()` and `stop()` and returns one
    result or one exception for each item, in order. Every item submitted in between is answered.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        name: str,
        largest: int = 256,
        waiting: int = 4096,
    ) -> None:
        self._handle, self._name, self._largest, self._waiting = handle, name, largest, waiting
        self._line: list[tuple[Item, asyncio.Future[Result]]] = []
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()  # False: the end
        self._waking: asyncio.AbstractEventLoop | None = None  # the loop that is about to signal
        self._thread: threading.Thread | None = None
        self._is_over = False

    def start(self) -> None:
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse further items, handle those that wait, then end the thread."""
        self._is_over = True
        if self._thread is not None:
            self._signals.put(False)
            self._thread.join()
            self._thread = None

    async def submit(self, item: Item) -> Result:
        if self._is_over:
            raise Unavailable("The service is shutting down. Try again later.", retry_after=1)
        if len(self._line) >= self._waiting:
            raise Unavailable(
                "Too many requests are waiting to be stored. Try again later.", retry_after=1
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._line.append((item, future))
        # One signal for all that this turn of the loop submits: the thread would compete with
        # them for the interpreter.
        if self._waking is not loop:
            self._waking = loop
            loop.call_soon(self._wake)
        return await future

    def _wake(self) -> None:
        self._waking = None
        self._signals.put(True)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            goes_on = self._signals.get()
            while batch := self._line[: self._largest]:
                del self._line[: len(batch)]
                items, futures = zip(*batch, strict=True)
                try:
                    results = self._handle(items)
                    if len(results) != len(items):
                        raise RuntimeError(f"{len(results)} results for {len(items)} items")
                except Exception as error:  # an edge: every waiting request gets an answer
                    logger.exception("%s failed for a batch of %d", self._name, len(items))
                    results = [error] * len(items)
                by_loop = defaultdict(list)
                for future, result in zip(futures, results, strict=True):
                    by_loop[future.get_loop()].append((future, result))
                for loop, answers in by_loop.items():
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: "list[tuple[asyncio.Future[Result], Result | Exception]]") -> None:
    for future, result in answers:
        if future.done():  # the client went away
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


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
        if len(self._running) < READS_AT_ONCE:
            task = loop.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _run(self) -> None:
        while batch := self._waiting[: self._largest]:
            del self._waiting[: len(batch)]
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
