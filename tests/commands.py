"""`roadmap`, as a person calls it, and services that refuse to start."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.stack import ROOT, clean_environment

ROADMAP = str(ROOT / "bin" / "roadmap")
SECONDS = 100  # for one command
ENVIRONMENTS = 6  # for which processes are kept


@dataclass(frozen=True)
class Said:
    code: int
    output: str
    errors: str

    @property
    def data(self) -> Any:
        """What a command says with --json: one document on stdout, and nothing else anywhere."""
        assert self.errors == "", self.errors
        return json.loads(self.output)

    @property
    def sentence(self) -> str:
        """The one sentence of a command that failed."""
        assert self.output == "", self.output
        assert self.errors.startswith("Error: ")
        assert self.errors.count("\n") == 1, self.errors
        assert "Traceback" not in self.errors
        return self.errors.removeprefix("Error: ").strip()


def command(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a command beside a service, on a wide terminal."""
    return {**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1", **environment, "COLUMNS": "300"}


class Preloaded:
    """Commands of processes that have loaded `roadmap` before (`tests/preloaded.py`)."""

    def __init__(self) -> None:
        self._first, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._of: dict[frozenset[tuple[str, str]], socket.socket] = {}  # by environment; the one that was used last comes last
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
                cwd=ROOT,
                env=command({}),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def run(self, environment: dict[str, str], arguments: list[str] | None, folder: Path) -> Said:
        """A command, or without arguments the service that the environment names."""
        with TemporaryFile() as output, TemporaryFile() as errors:
            answers, theirs = socket.socketpair()
            with answers:
                with theirs, self._lock:
                    asked = {"arguments": arguments, "folder": str(folder)}
                    _send(self._place_of(environment), asked, output.fileno(), errors.fileno(), theirs.fileno())
                code = _end(answers)
            said = []
            for file in (output, errors):
                file.seek(0)
                said.append(file.read().decode())
        return Said(code, *said)

    def close(self) -> None:
        """All of them end when nobody can ask them any more."""
        for each in (*self._of.values(), self._first):
            each.close()
        self._process.wait(30)

    def _place_of(self, environment: dict[str, str]) -> socket.socket:
        key = frozenset(environment.items())
        place = self._of.pop(key, None)
        if place is None:
            if len(self._of) >= ENVIRONMENTS:
                self._of.pop(next(iter(self._of))).close()
            place, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                _send(self._first, {"environment": environment}, theirs.fileno())
        self._of[key] = place
        return place


def _send(place: socket.socket, asked: dict[str, Any], *files: int) -> None:
    socket.send_fds(place, [json.dumps(asked).encode()], files)


def _end(answers: socket.socket) -> int:
    """With what the command ends; it is killed when nobody waits for it any more."""
    answers.settimeout(SECONDS)
    with answers.makefile() as lines:
        pid = int(lines.readline())
        try:
            return int(lines.readline())
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise


@cache
def preloaded() -> Preloaded:
    made = Preloaded()
    atexit.register(made.close)
    return made


def roadmap(
    environment: dict[str, str], *arguments: str | Path, folder: Path = ROOT, before: Callable[[], None] | None = None
) -> Said:
    """`before` is called in the process before it becomes the command."""
    words, variables = [str(each) for each in arguments], command(environment)
    if before is None:
        return preloaded().run(variables, words, folder)
    done = subprocess.run(
        [ROADMAP, *words],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=before,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def refused(environment: dict[str, str]) -> Said:
    """What a service says that does not start, as `entrypoint.sh` would start it."""
    return preloaded().run(environment, None, ROOT)


def succeeded(environment: dict[str, str], *arguments: str | Path, folder: Path = ROOT) -> Said:
    said = roadmap(environment, *arguments, folder=folder)
    assert said.code == 0, said
    return said
