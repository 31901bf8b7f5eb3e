"""Attempts: backoff of retries, saving of paid answers, and stop of running work."""

import logging
import random
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import ParamSpec, TypeVar

from core.db import settings
from core.errors import Unavailable
from roadmap.generation.context import GeneratorFault

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LONGEST_PAUSE = 300.0  # seconds between two attempts
MOST_INTERRUPTIONS = 6  # workers that may die or hang over one row before it is given up
SAVE_PATIENCE = 300.0  # seconds for which a finished answer waits for the database
SAVE_PAUSE = 0.5  # seconds


def backoff(attempts: int, fault: GeneratorFault) -> float:
    """Return seconds until the next attempt: doubled with jitter, or those of the provider."""
    doubling = settings.retry_base_seconds * 2 ** (attempts - 1) * random.uniform(1, 1.25)
    return float(min(max(fault.retry_after or 0, doubling), LONGEST_PAUSE))


def retry_save(
    save: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call `save` and return its result; retried while the database is away, to keep an answer.

    Raises Unavailable after SAVE_PATIENCE seconds.
    """
    deadline = monotonic() + SAVE_PATIENCE
    while True:
        try:
            return save(*args, **kwargs)
        except Unavailable as error:
            if monotonic() > deadline:
                raise
            logger.warning("an answer waits to be saved: %s", error)
        sleep(SAVE_PAUSE)


def call_generator(ask: Callable[[], Result]) -> Result:
    """Return the answer of a generator.

    Raises GeneratorFault, also for unexpected errors, which count as attempts, and Unavailable when
    the database is away and usage cannot be stored.
    """
    try:
        return ask()
    except (GeneratorFault, Unavailable):
        raise
    except Exception as error:  # an edge
        logger.exception("the generator failed in a way of its own")
        raise GeneratorFault(
            f"The generator failed unexpectedly ({type(error).__name__}); "
            "the log of the content worker says more."
        ) from error


def ms_since(started: float) -> int:
    return round((monotonic() - started) * 1000)


class LeaseLost(Exception):
    """The row was taken over, changed by a person or deleted: do not save anything."""


class StopSignal:
    """Thread-safe stop signal. Callbacks that are registered after it are called at once.

    `begun` is when the newest step of the work began, by the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stopped, self.begun = False, monotonic()
        self._callbacks: list[Callable[[], object]] = []

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # an edge: the others are to be stopped as well
                logger.exception("a call cannot be stopped")

    def on_stop(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if not self.stopped:
                self._callbacks.append(callback)
                return
        callback()
