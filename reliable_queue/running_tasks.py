"""What the workers of a process run now, and how each run ended."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huey.signals import SIGNAL_COMPLETE, SIGNAL_EXECUTING, SIGNAL_INTERRUPTED, SIGNAL_RETRYING

logger = logging.getLogger("delivery")

DONE, RETRIED, FAILED, SNOOZED, INTERRUPTED = (
    "done",
    "retried",
    "failed",
    "postponed",
    "interrupted",
)
ENDS = {SIGNAL_COMPLETE: DONE, SIGNAL_RETRYING: RETRIED, SIGNAL_INTERRUPTED: INTERRUPTED}

Told = Callable[[str, float, str], None]


@dataclass(slots=True, eq=False)
class Run:
    """One run of a task, begun at that second of the monotonic clock; it has failed unless something else is said."""

    task: str
    id: str
    began: float
    outcome: str = FAILED


class RunningTasks:
    """Hears Huey's signals, from any thread. A task that is not begun, since it is revoked, is no run."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._runs: set[Run] = set()

    def hear(self, signal: str, task: Any) -> None:
        if signal == SIGNAL_EXECUTING:
            task.run = Run(task.name, task.id, time.monotonic())
            self._runs.add(task.run)
        elif signal in ENDS and (run := getattr(task, "run", None)) is not None:
            run.outcome = ENDS[signal]
            if signal == SIGNAL_INTERRUPTED:
                self.end(task)

    def end(self, task: Any, outcome: str = "") -> None:
        """Tell once how it ended: with what is named here, or what was heard last."""
        run = getattr(task, "run", None)
        if run is None:
            return
        try:
            self._runs.remove(run)  # in one step: it may be interrupted and end at the same time
        except KeyError:
            return
        seconds = time.monotonic() - run.began
        for told in self.told:
            try:
                told(run.task, seconds, outcome or run.outcome)
            except Exception:  # an edge: who only looks on must not hurt the task
                logger.exception("the end of %s cannot be told to everybody", run.task)

    def running(self) -> list[Run]:
        """The longest first."""
        return sorted(self._runs.copy(), key=lambda run: run.began)
