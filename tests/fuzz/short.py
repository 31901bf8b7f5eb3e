"""The run of the tests of both modes. They are in a file each, so that two testers share them."""

from contextlib import ExitStack
from pathlib import Path

from tests.fuzz.__main__ import stack_of
from tests.fuzz.run import Fuzz

SEED, EXAMPLES = 20, 1


def fuzzed(mode: str, folder: Path, *, seconds: float | None = None) -> Fuzz:
    """Run on a stack of its own.

    A fuzz makes an administrator, stops what waits, and reads the whole database afterwards.
    """
    with ExitStack() as ends:
        run = Fuzz(*stack_of(mode, folder, ends), SEED, seconds=seconds, examples=EXAMPLES)
        run.run()
        return run


def well(run: Fuzz) -> bool:
    """Whether no answer was wrong and, in a long run, each operation was answered well once.

    A short one asks for each operation a few times; whether its roadmap is ready then is chance.
    """
    output = "\n".join(run.verdict())
    assert not run.watch.failures, output
    assert run.seconds is None or run.never_well() == [], output
    return True
