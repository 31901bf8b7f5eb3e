"""What the workers of a process run now, and how each run ended."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from huey.signals import SIGNAL_COMPLETE, SIGNAL_EXECUTING, SIGNAL_INTERRUPTED, SIGNAL_RETRYING

logger = logging.getLogger("delivery")

DONE, RETRIED, FAILED, POSTPONED, INTERRUPTED = "done", "retried", "failed", "postponed", "interrupted"
ENDS = {SIGNAL_COMPLETE: DONE, SIGNAL_RETRYING: RETRIED, SIGNAL_INTERRUPTED: INTERRUPTED}

Told = Callable[[str, float, str], None]


@dataclass(slots=True)
class Run:
    """One run of a task. `since` is in seconds since 1970; it has failed unless something else is said."""

    task: str
    id: str
    since: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)
    outcome: str = FAILED


class Executions:
    """Hears Huey's signals, from any thread. A task that is not begun, since it is revoked, is no run."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._runs: dict[int, Run] = {}

    def hear(self, signal: str, task: Any) -> None:
        if signal == SIGNAL_EXECUTING:
            task.run = Run(type(task).__name__, task.id)
            self._runs[id(task.run)] = task.run
            return
        run = getattr(task, "run", None)
        if run is not None and signal in ENDS:
            run.outcome = ENDS[signal]
            if signal == SIGNAL_INTERRUPTED:
                self.end(task)

    def end(self, task: Any, outcome: str = "") -> None:
        """Tell once how it ended: with what is named here, or what was heard last."""
        run = getattr(task, "run", None)
        if run is None or self._runs.pop(id(run), None) is None:
            return
        seconds = time.monotonic() - run.began
        for told in self.told:
            try:
                told(run.task, seconds, outcome or run.outcome)
            except Exception:  # an edge: who only looks on must not hurt the task
                logger.exception("the end of %s cannot be told to everybody", run.task)

    def running(self) -> list[Run]:
        """The longest first."""
        return sorted(self._runs.copy().values(), key=lambda run: run.since)
