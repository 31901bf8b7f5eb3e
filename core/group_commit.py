"""Group commit: one thread handles items that were submitted together in one call."""

import asyncio
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from core.errors import Unavailable

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        self._queue: queue.SimpleQueue[tuple[Item, asyncio.Future[Result]] | None] = (
            queue.SimpleQueue()
        )
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
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    async def submit(self, item: Item) -> Result:
        if self._is_over:
            raise Unavailable("The service is shutting down. Try again later.", retry_after=1)
        if self._queue.qsize() >= self._waiting:
            raise Unavailable(
                "Too many requests are waiting to be stored. Try again later.", retry_after=1
            )
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put((item, future))
        return await future

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            batch = [entry]
            while len(batch) < self._largest and not self._queue.empty():
                if (following := self._queue.get()) is None:
                    self._queue.put(None)  # ends the thread after this batch
                    break
                batch.append(following)
            self._answer(batch)

    def _answer(self, batch: "list[tuple[Item, asyncio.Future[Result]]]") -> None:
        try:
            results = self._handle([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for {len(batch)} items")
        except Exception as error:  # an edge: every waiting request gets an answer
            logger.exception("%s failed for a batch of %d", self._name, len(batch))
            results = [error] * len(batch)
        by_loop = defaultdict(list)
        for (_, future), result in zip(batch, results, strict=True):
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
