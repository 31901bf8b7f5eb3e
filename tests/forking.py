"""Processes forked from one that has loaded the libraries and what of this project reads no setting.

A service needs a second of CPU to import what it runs, most of it for what is the same in every process. In a fork of such a
process `core.launch` runs as `python -m core.launch` does: with its own environment, session and output, and with everything that
depends on settings still to be loaded. What entrypoint.sh itself does, other tests show (`Service.through_entrypoint`).

As a program: reads requests, one JSON document a line, from its input, and answers each by a line. It ends with its input.
"""

import atexit
import importlib
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from setproctitle import getproctitle

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "delivery", "models", "roadmap", "tasks", "web")
LIBRARIES = ("uvicorn.main", "uvicorn.loops.auto", "uvicorn.protocols.http.httptools_impl", "huey.bin.huey_consumer", "redis")
READS_SETTINGS = "core.runtime"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
OF_ENTRYPOINT = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "1"}  # what entrypoint.sh sets


class Process(Protocol):
    """What tests use of `subprocess.Popen`."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class ForkedProcess:
    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server, self.pid, self.returncode = server, pid, None

    returncode: int | None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired, after an hour when no time is given."""
        seconds = 3600 if timeout is None else timeout
        try:
            wait_until(lambda: self.poll() is not None, timeout=seconds)
        except AssertionError:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", seconds) from None
        assert self.returncode is not None
        return self.returncode


class ForkServer:
    """The other side, started when something is asked for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self, module: str, environment: Mapping[str, str], log: Path) -> ForkedProcess:
        """Run the module as the main one, with its output at the end of that file."""
        return ForkedProcess(self, self.ask({"module": module, "environment": dict(environment), "log": str(log)}))

    def ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.forking"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**{name: os.environ[name] for name in KEPT if name in os.environ}, **OF_ENTRYPOINT},
                    start_new_session=True,  # Ctrl-C is for the tests, which end what they have started
                )
                atexit.register(self._end, self._process)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
            assert answer, "the process from which the services are forked has ended"
            return json.loads(answer)

    def _end(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def load() -> None:
    """The modules that can be imported without those that read the settings."""
    sys.modules[READS_SETTINGS] = None  # type: ignore[assignment]  # importing it, or what imports it, raises
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    for name in (*LIBRARIES, *names):
        with suppress(ImportError):
            importlib.import_module(name)
    del sys.modules[READS_SETTINGS]
    getproctitle()  # finds where the title stands, which it cannot when the environment is another one


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
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update({**request["environment"], **OF_ENTRYPOINT})
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    sys.argv = [request["module"]]
    sys.modules.pop(request["module"], None)  # it is run, not imported
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    load()
    become(serve())
