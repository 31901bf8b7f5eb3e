"""The execution log: records written a second against COPY, and those taken by `record()`."""

import json
from collections.abc import Iterator

from benchmarks.contenders import output_of
from benchmarks.effort import Effort
from benchmarks.figures import Sample, turns
from benchmarks.ground import Ground, ask, python, say
from benchmarks.load import ROOT
from benchmarks.targets import (
    COPY,
    COPY_ONCE,
    DROPPED,
    LOGGING,
    LOGS,
    OURS,
    RECORDED,
    SQLALCHEMY,
    WRITTEN,
)
from testing.stack import Stack, running


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    stack = ground.stack()
    with running(stack, "api"):  # it migrates
        pass
    writers = (OURS, COPY) if effort.is_short else (OURS, COPY, COPY_ONCE, SQLALCHEMY)
    for number, writer in turns(writers, effort.rounds):
        say(f"logs: {writer}, round {number + 1} of {effort.rounds}")
        _empty(ground, stack)
        [rate] = _run(stack, "benchmarks.log_writer", writer, str(effort.records))
        yield Sample(LOGS, WRITTEN, writer, number, float(rate))
    if effort.recorded:
        yield from _recorded(ground, effort, stack)


def _recorded(ground: Ground, effort: Effort, stack: Stack) -> Iterator[Sample]:
    """The consumer of the log runs, and writes meanwhile."""
    with running(stack, "huey_logs"):
        for number, name in turns((OURS, LOGGING), effort.rounds):
            say(f"logs: {name}, round {number + 1} of {effort.rounds}")
            _empty(ground, stack)
            kind = ("logging",) if name == LOGGING else ()
            found = json.loads(
                "".join(_run(stack, "benchmarks.recorder", str(effort.recorded), *kind))
            )
            yield Sample(LOGS, RECORDED, name, number, found["rate"])
            if name == OURS:
                yield Sample(LOGS, DROPPED, name, number, found["dropped"])


def _run(stack: Stack, module: str, *arguments: str) -> list[str]:
    environment = {**stack.environment, "SERVICE_TYPE": "api", "PYTHONPATH": str(ROOT)}
    return output_of(python("-m", module, *arguments), environment)


def _empty(ground: Ground, stack: Stack) -> None:
    ask(stack.environment["DATABASE_URL"], "TRUNCATE execution_log")
    ground.settle()
