"""Request coalescing: threads that ask at once share one call to the broker."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class PendingRequest(Generic[Question, Answer]):
    """Request of a thread.

    The thread waits for `turn`: it is answered then, or asks for the next ones.
    """

    __slots__ = ("answer", "error", "is_answered", "question", "turn")
    answer: Answer

    def __init__(self, question: Question) -> None:
        self.question = question
        self.error: BaseException | None = None
        self.is_answered = False
        self.turn = threading.Lock()
        self.turn.acquire()


class RequestCoalescer(Generic[Question, Answer]):
    """`answer(questions)` returns one answer for each, in order.

    What it raises is raised to each of them. No two calls run at once.
    """

    def __init__(self, answer: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._waiting: list[PendingRequest[Question, Answer]] = []
        self._is_asking = False
        self._were_many = False  # the last questions

    def ask(self, question: Question) -> Answer:
        mine: PendingRequest[Question, Answer] = PendingRequest(question)
        with self._lock:
            self._waiting.append(mine)
            asks, self._is_asking = not self._is_asking, True
        if not asks:
            mine.turn.acquire()
        elif self._were_many:
            time.sleep(0)  # those that were answered with this thread may ask along
        if not mine.is_answered:
            self._ask_for_all(mine)
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _ask_for_all(self, mine: PendingRequest[Question, Answer]) -> None:
        """Answer all that wait, then wake them and the thread that asks next."""
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._were_many = len(batch) > 1
        try:
            answers = self._answer([entry.question for entry in batch])
            for entry, answer in zip(batch, answers, strict=True):
                entry.answer = answer
        except BaseException as error:  # an edge: each of them gets the error
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
