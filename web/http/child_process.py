"""Run a function in a child process with bounded memory and CPU time.

A large document costs up to a hundred times its size while it is parsed, in single calls of C and
Rust code that hold the GIL: counting its values first bounds neither the GIL nor what 16 MiB of
valid-looking text costs. A process that ends bounds both, whatever the document contains. It takes
half a second to start, so that small documents are parsed where they are (`parsing.can_parse_inline`).
"""

import ctypes
import fcntl
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TextIO, TypeVar

import anyio
import anyio.to_thread

from core.errors import Malformed, RoadmapError, Unavailable

Result = TypeVar("Result")

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1  # prctl(2)
MOST_MEMORY = 384 * 1024 * 1024  # bytes of addresses, of which 95 MB are there before it reads
MOST_CPU_SECONDS = 90  # a valid document of 16 MiB takes 10
MOST_SECONDS = 180  # on a machine that has other things to do
TOO_COSTLY = (
    "The body takes too much memory or time to read: it has too many values, or too much Markdown."
)

LONGEST_WAIT = 60.0  # seconds behind other large documents
_parser_threads = anyio.CapacityLimiter(
    1
)  # two children would take more memory than a small container has: 290 MB each
_in_child = ContextVar("_in_child", default=False)


async def run_in_parser_thread(function: Callable[..., Result], *given: Any) -> Result:
    """Run it in a thread of its own kind: a large document keeps no thread of a handler busy. Raises Unavailable."""
    with anyio.move_on_after(LONGEST_WAIT):  # what has begun ends
        return await anyio.to_thread.run_sync(function, *given, limiter=_parser_threads)
    raise _busy()


def run_in_child(function: Callable[..., Result], *given: Any) -> Result:
    """Run it in a child process; what is given and returned is pickled. In the child: run it.

    Raises Malformed when it takes too much memory or time, Unavailable when others are parsed for too long, and every
    RoadmapError that it raises.
    """
    if _in_child.get():
        return function(*given)
    with Path(
        __file__
    ).open() as lock:  # one at a time of all processes of this machine, or of this container
        until = monotonic() + LONGEST_WAIT
        while not _locked(lock):
            if monotonic() > until:
                raise _busy()
            sleep(0.1)
        return _answered(function, given)


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _busy() -> Unavailable:
    return Unavailable("Other large documents are being read. Try again.", retry_after=10)


def _answered(function: Callable[..., Result], given: tuple[Any, ...]) -> Result:
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    asked = pickle.dumps((function, given), pickle.HIGHEST_PROTOCOL)
    try:
        child = subprocess.run(
            command, input=asked, capture_output=True, cwd=ROOT, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Malformed(TOO_COSTLY) from None
    if (
        child.returncode < 0
    ):  # it was ended: memory that Rust does not get, or the limit of CPU time
        raise Malformed(TOO_COSTLY)
    if child.returncode:
        raise RuntimeError(
            f"the process that reads a document has failed: {child.stderr.decode(errors='replace')[-2000:]}"
        )
    result: Any = pickle.loads(child.stdout)
    if isinstance(result, RoadmapError):
        raise result
    return result  # type: ignore[no-any-return]


def main() -> None:
    """Do what is asked for on stdin, and answer on stdout."""
    _in_child.set(True)
    function, given = pickle.load(sys.stdin.buffer)
    _bound()
    try:
        answer = pickle.dumps(_result(function, given), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        answer = pickle.dumps(Malformed(TOO_COSTLY))
    sys.stdout.buffer.write(answer)


def _result(function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    try:
        return function(*given)
    except RoadmapError as error:
        return error
    except BaseException as error:
        if (
            type(error).__name__ == "PanicException"
        ):  # of pydantic, which did not get memory from Python
            raise MemoryError from None
        raise


def _bound() -> None:
    """Let others go first, at the CPU as well as when memory runs out. What a system forbids is left out."""
    most = {
        resource.RLIMIT_AS: MOST_MEMORY,
        resource.RLIMIT_CPU: MOST_CPU_SECONDS,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in most.items():
        with suppress(OSError, ValueError):  # macOS has no limit of addresses
            resource.setrlimit(limit, (value, value))
    with suppress(OSError, AttributeError):  # Linux: it ends with the process that has started it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
