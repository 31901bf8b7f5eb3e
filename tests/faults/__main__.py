"""Plants the faults of `planted.py`, one after the other, and says for each which test finds it.

    python -m tests.faults [NAME ...] [--all-tests-of unit] [--unchanged]

Each is put into a copy of its own of what the repository holds by now, in a scratch folder; the
working tree stays as it is. The tests run there with the Python that runs this, up to the first
that fails. Exit 1 when a fault is not found, or when with --unchanged a test fails.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testing.scratch import write_in_memory
from testing.waiting import HANG
from tests.checkouts import checkout
from tests.faults.planted import FAULTS, Fault

GROUPS = (
    "unit",
    "integration",
    "security",
    "access",
    "attacks",
    "commands",
    "startup",
    "chaos",
    "fuzz",
)
PYTEST = ("-m", "pytest", "-x", "-vv", "--tb=no", "-rfE")  # -vv: against the -q of pyproject.toml
FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)
BEGUN = re.compile(r"^(tests/\S+)", re.MULTILINE)
ENDED_BY_TESTS = (1, 2)  # of pytest: some failed, or could not even be read


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the repository. Nothing is left of it, nor of what was started there."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    try:
        (folder / "tmp").mkdir()
        copy = checkout(folder / "copy")
        (copy / ".venv").symlink_to(sys.prefix)  # where entrypoint.sh and bin/roadmap look for it
        yield copy
    finally:
        _end_all(folder)
        shutil.rmtree(folder, ignore_errors=True)


def first_failure(copy: Path, tests: Collection[str], seconds: float) -> str | None:
    """The first test that fails; None when all pass.

    Raises TimeoutError, and RuntimeError when none was run.
    """
    log = copy.parent / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [copy / ".venv/bin/python", *PYTEST, *tests],
            cwd=copy,
            env={**os.environ, "TMPDIR": str(copy.parent / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the tests have not ended within {seconds:.0f} s") from None
        finally:
            if process.poll() is None:  # they end what they have started
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(HANG)
    output = log.read_text(errors="replace")
    if code == 0:
        return None
    failed = FAILED.findall(output) or BEGUN.findall(output)[-1:]  # a test that hangs ends pytest
    if code not in ENDED_BY_TESTS or not failed:
        raise RuntimeError(f"pytest has ended with {code}:\n{output[-2000:]}")
    return str(failed[0])


def _end_all(folder: Path) -> None:
    """Whatever works in there and is left, such as servers of a test that hung."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                os.kill(int(process.name), signal.SIGKILL)


def is_well(fault: Fault | None, tests: Collection[str], seconds: float) -> bool:
    """Whether the fault is found; without one, whether all pass. Says which test fails."""
    with copied() as copy:
        if fault is not None:
            fault.put_into(copy)
        try:
            failed = first_failure(copy, tests, seconds)
        except TimeoutError as error:
            print(f"{'NOT FOUND' if fault else 'FAILED'}: {error}", end="", flush=True)
            return False
    if fault is None:
        text = "all pass" if failed is None else f"FAILED with nothing planted: {failed}"
    else:
        text = "NOT FOUND" if failed is None else f"found by {failed}"
    print(text, end="", flush=True)
    return (failed is None) == (fault is None)


def main() -> int:
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of faults; all, if none is named")
    parser.add_argument("--all-tests-of", choices=GROUPS, help="look with all of these")
    parser.add_argument("--unchanged", action="store_true", help="plant nothing: all must pass")
    parser.add_argument("--seconds", type=float, default=900, help="for each (%(default)s)")
    options = parser.parse_args()
    if unknown := sorted({*options.names} - {*names}):
        parser.error(f"there is no fault {', '.join(unknown)}; there are {', '.join(names)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # everything that was started is ended
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell has ignored behind &
    write_in_memory()
    chosen = [fault for fault in FAULTS if fault.name in options.names or not options.names]
    group = (f"tests/{options.all_tests_of}",) if options.all_tests_of else ()
    runs: list[tuple[str, Fault | None, tuple[str, ...], float]] = [
        (fault.name, fault, group or fault.found_by, options.seconds) for fault in chosen
    ]
    if options.unchanged:
        tests = tuple(dict.fromkeys(test for _, _, its, _ in runs for test in its))
        runs = [("unchanged", None, tests, options.seconds * len(runs))]
    failed = []
    for number, (name, planted, tests, seconds) in enumerate(runs, 1):
        print(f"[{number}/{len(runs)}] {name}: ", end="", flush=True)
        began = time.monotonic()
        if not is_well(planted, tests, seconds):
            failed.append(name)
        print(f" ({time.monotonic() - began:.0f} s)", flush=True)
    if failed:
        print(f"Not well: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
