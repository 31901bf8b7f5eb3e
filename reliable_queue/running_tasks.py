"""Running tasks of a process, and the outcome of each run."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huey.signals import SIGNAL_COMPLETE, SIGNAL_EXECUTING, SIGNAL_INTERRUPTED, SIGNAL_RETRYING

logger = logging.getLogger(__name__)

FAILED, SNOOZED, INTERRUPTED = "failed", "postponed", "interrupted"
OUTCOMES = {SIGNAL_COMPLETE: "done", SIGNAL_RETRYING: "retried", SIGNAL_INTERRUPTED: INTERRUPTED}

# Called with the task's name, the seconds of the run, and its outcome
ExecutionListener = Callable[[str, float, str], None]


@dataclass(slots=True, eq=False)
class Run:
    """Run of a task, failed until a signal reports more.

    `began` is of the monotonic clock.
    """

    task: str
    id: str
    began: float
    outcome: str = FAILED


class RunningTasks:
    """Follows Huey's signals. Thread-safe. A revoked task never begins and is no run."""

    def __init__(self) -> None:
        self.listeners: list[ExecutionListener] = []
        self._runs: set[Run] = set()

    def hear(self, signal: str, task: Any) -> None:
        if signal == SIGNAL_EXECUTING:
            task.run = Run(task.name, task.id, time.monotonic())
            self._runs.add(task.run)
        elif signal in OUTCOMES and (run := getattr(task, "run", None)) is not None:
            run.outcome = OUTCOMES[signal]
            if signal == SIGNAL_INTERRUPTED:
                self.end(task)

    def end(self, task: Any, outcome: str = "") -> None:
        """Report once how a run ended: with `outcome`, or by the last signal."""
        run: Any = getattr(task, "run", None)
        try:
            self._runs.remove(run)  # in one step: it may be interrupted and end at the same time
        except KeyError:
            return
        seconds = time.monotonic() - run.began
        for listener in self.listeners:
            try:
                listener(run.task, seconds, outcome or run.outcome)
            except Exception:  # an edge: an observer must not hurt the task
                logger.exception("the end of %s cannot be reported", run.task)

    def running(self) -> list[Run]:
        """Return the present runs, the longest first."""
        return sorted(self._runs.copy(), key=lambda run: run.began)
