"""Processes forked from one that has loaded the libraries and this project's plain modules.

A service needs a second of CPU to import what it runs, a command half of that, most of it for what
is the same in every process. In a fork of such a process a module runs as `python -m` does: with
its own environment, folder, session and output, and with everything that depends on settings still
to be loaded. What entrypoint.sh itself does, other tests show (`Service.through_entrypoint`).

As a program: reads requests, one JSON document a line, from its input, and answers each by a line.
It ends with its input.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from setproctitle import getproctitle

from testing.waiting import HANG

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cli", "core", "reliable_queue", "models", "roadmap", "tasks", "web")
MODULES = (
    *(
        "uvicorn.main",
        "uvicorn.loops.auto",
        "uvicorn.protocols.http.httptools_impl",
        "huey.bin.huey_consumer",
        "redis",
    ),
    *("getpass", "roadmap_cli", "cli.run_services"),
)
READS_SETTINGS = "core.db"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
OF_ENTRYPOINT = {
    "PYTHONUNBUFFERED": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
}  # what entrypoint.sh sets, and a fork inherits


class Process(Protocol):
    """The part of `subprocess.Popen` that tests use."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class ForkedProcess:
    returncode: int | None

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server, self.pid, self.returncode = server, pid, None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                self.returncode = self._server.ask({"poll": self.pid})
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raise subprocess.TimeoutExpired, after HANG seconds when no time is given."""
        seconds = HANG if timeout is None else timeout
        if self.returncode is None and not has_ended(self.pid, seconds):
            raise subprocess.TimeoutExpired(f"pid {self.pid}", seconds)
        code = self.poll()
        assert code is not None
        return code


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether it has nothing that is read when Python itself starts."""
    return not any(name.startswith("PYTHON") or name == "TZ" for name in environment)


def has_ended(pid: int, seconds: float) -> bool:
    """Whether that process, of whomever it is a child, ends within that time.

    It has closed its files and ports then.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        readable, _, _ = select.select([process], [], [], seconds)
    finally:
        os.close(process)
    return bool(readable)


class ForkServer:
    """The other side, started when something is asked for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(
        self, module: str, environment: Mapping[str, str], output: Path, *,
        errors: Path | None = None,
        arguments: Sequence[str] = (), folder: Path = ROOT,
    ) -> ForkedProcess:  # fmt: skip
        """Run the module as the main one, and add what it prints to these files.

        Errors go to that of the output by default.
        """
        request = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
            "output": str(output),
            "errors": str(errors or output),
        }
        return ForkedProcess(self, self.ask(request))

    def ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "testing.forking"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={
                        **{name: os.environ[name] for name in KEPT if name in os.environ},
                        **OF_ENTRYPOINT,
                    },
                    start_new_session=True,  # Ctrl-C is for the tests, which end what they started
                )
                atexit.register(self._end, self._process)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
            assert answer, "the process from which others are forked has ended"
            return json.loads(answer)

    def _end(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(HANG)


@cache
def fork_server() -> ForkServer:
    """That of all tests of this process."""
    return ForkServer()


def load() -> None:
    """The modules that can be imported without those that read the settings."""
    # Importing it, or what imports it, raises.
    sys.modules[READS_SETTINGS] = None  # type: ignore[assignment]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    for name in (*MODULES, *names):
        with suppress(ImportError):
            importlib.import_module(name)
    del sys.modules[READS_SETTINGS]
    getproctitle()  # finds where the title stands, which it cannot in another environment
    gc.freeze()  # a command does not look at what was loaded before


def serve() -> dict[str, Any]:
    """Answer until the input ends; in a forked process, return what it was asked to run."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return request
        print(json.dumps(answer), flush=True)
    sys.exit()


def become(request: dict[str, Any]) -> None:
    os.setsid()
    os.chdir(request["folder"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for target, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["output"], append),
        (2, request["errors"], append),
    ):
        source = os.open(path, mode, 0o644)
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    sys.modules.pop(request["module"], None)  # it is run, not imported
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    load()
    become(serve())
