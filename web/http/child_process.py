"""Run a function in a child process with bounded memory and CPU time.

A large document costs up to a hundred times its size while it is parsed, in single calls of C and
Rust code that hold the GIL: counting its values first bounds neither the GIL nor what 16 MiB of
valid-looking text costs. A process that ends bounds both, whatever the document contains. It takes
half a second to start, so that small documents are parsed where they are
(`request_body.can_parse_inline`).
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
MOST_MEMORY = 384 * 1024 * 1024  # bytes of addresses, of which a child uses 95 MB before it reads
MOST_CPU_SECONDS = 90  # a valid document of 16 MiB takes 10
MOST_SECONDS = 180  # on a busy machine
TOO_COSTLY = (
    "The body takes too much memory or time to process. Send fewer values or less Markdown."
)
BUSY = "Other large documents are being processed. Try again later."

LONGEST_WAIT = 60.0  # seconds behind other large documents
# One at a time: two children would take more memory than a small container has, 290 MB each.
_parser_threads = anyio.CapacityLimiter(1)
_in_child = ContextVar("_in_child", default=False)


async def run_in_parser_thread(function: Callable[..., Result], *given: Any) -> Result:
    """Run a function in the thread for large documents, which no handler needs.

    Raises Unavailable.
    """
    with anyio.move_on_after(LONGEST_WAIT):  # a function that has begun ends
        return await anyio.to_thread.run_sync(function, *given, limiter=_parser_threads)
    raise Unavailable(BUSY, retry_after=10)


def run_in_child(function: Callable[..., Result], *given: Any) -> Result:
    """Run a function in a child process, to which arguments and result are pickled.

    In the child, run it. Raises Malformed when it takes too much memory or time, Unavailable when
    others are parsed for too long, and every RoadmapError that it raises.
    """
    if _in_child.get():
        return function(*given)
    with Path(__file__).open() as lock:  # one child at a time on this machine or in this container
        until = monotonic() + LONGEST_WAIT
        while not _lock(lock):
            if monotonic() > until:
                raise Unavailable(BUSY, retry_after=10)
            sleep(0.1)
        command = [sys.executable, "-c", f"from {__name__} import main; main()"]
        asked = pickle.dumps((function, given), pickle.HIGHEST_PROTOCOL)
        try:
            child = subprocess.run(
                command,
                input=asked,
                capture_output=True,
                cwd=ROOT,
                timeout=MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Malformed(TOO_COSTLY) from None
    if child.returncode < 0:  # killed: by the limit of CPU time, or by Rust without memory
        raise Malformed(TOO_COSTLY)
    if child.returncode:
        reason = child.stderr.decode(errors="replace")[-2000:]
        raise RuntimeError(f"the process that parses documents failed: {reason}")
    result: Any = pickle.loads(child.stdout)
    if isinstance(result, RoadmapError):
        raise result
    return result  # type: ignore[no-any-return]


def _lock(file: TextIO) -> bool:
    """Lock a file, and tell whether no other process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def main() -> None:
    """Run the function on stdin, and write its result to stdout."""
    _in_child.set(True)
    function, given = pickle.load(sys.stdin.buffer)
    _limit_resources()
    try:
        try:
            result = function(*given)
        except RoadmapError as error:
            result = error
        answer = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # pydantic panics when it gets no memory from Python
        if not isinstance(error, MemoryError) and type(error).__name__ != "PanicException":
            raise
        answer = pickle.dumps(Malformed(TOO_COSTLY))
    sys.stdout.buffer.write(answer)


def _limit_resources() -> None:
    """Bound memory and CPU time, and yield to other processes, as far as the system allows."""
    limits = {
        resource.RLIMIT_AS: MOST_MEMORY,
        resource.RLIMIT_CPU: MOST_CPU_SECONDS,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        with suppress(OSError, ValueError):  # macOS has no limit of addresses
            resource.setrlimit(limit, (value, value))
    with suppress(OSError, AttributeError):  # Linux: it ends with the process that has started it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
