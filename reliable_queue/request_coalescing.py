"""Threads that ask at the same moment are answered together: one of them asks the broker for all who wait by then."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class PendingRequest(Generic[Asked, Answer]):
    """Of one thread, which waits for `turn`: until it is answered, or is the one that asks for the next ones."""

    __slots__ = ("answer", "asked", "error", "is_answered", "turn")
    answer: Answer

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.error: BaseException | None = None
        self.is_answered = False
        self.turn = threading.Lock()
        self.turn.acquire()


class RequestCoalescer(Generic[Asked, Answer]):
    """`answer(asked)` returns one answer for each, in order; what it raises is raised to each. No two calls run at once."""

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Answer]]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._waiting: list[PendingRequest[Asked, Answer]] = []
        self._is_asking = False  # somebody is

    def ask(self, asked: Asked) -> Answer:
        mine = PendingRequest[Asked, Answer](asked)
        with self._lock:
            self._waiting.append(mine)
            asks, self._is_asking = not self._is_asking, True
        if not asks:
            mine.turn.acquire()
        if not mine.is_answered:
            self._ask_for_all(mine)
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _ask_for_all(self, mine: PendingRequest[Asked, Answer]) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            for entry, answer in zip(
                batch, self._answer([entry.asked for entry in batch]), strict=True
            ):
                entry.answer = answer
        except BaseException as error:  # an edge: each of them has to hear of it
            for entry in batch:
                entry.error = error
        finally:
            for entry in batch:
                entry.is_answered = True
            with self._lock:
                following = self._waiting[:1]
                self._is_asking = bool(following)
            for entry in (*batch, *following):
                if entry is not mine:
                    entry.turn.release()
