"""`roadmap`, as a person calls it, and services that refuse to start."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from testing.forking import can_be_forked, fork_server
from testing.stack import ROOT, clean_environment
from testing.waiting import HANG

ROADMAP = str(ROOT / "bin" / "roadmap")


@dataclass(frozen=True)
class FinishedCommand:
    code: int
    output: str
    errors: str

    @property
    def data(self) -> Any:
        """The answer to --json: one document on stdout, without any other output."""
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


def roadmap(
    environment: dict[str, str],
    *arguments: str | Path,
    folder: Path = ROOT,
    before: Callable[[], None] | None = None,
) -> FinishedCommand:
    """`before` is called in the process before it becomes the command."""
    words, variables = [str(each) for each in arguments], command(environment)
    if before is None and can_be_forked(environment):
        return _forked("roadmap_cli", variables, words, folder)
    done = subprocess.run(
        [ROADMAP, *words],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
        preexec_fn=before,
        stdin=subprocess.DEVNULL,
    )
    return FinishedCommand(done.returncode, done.stdout, done.stderr)


def refused(environment: dict[str, str]) -> FinishedCommand:
    """The end of a service that does not start, run as `entrypoint.sh` would run it."""
    return _forked("cli.run_services", environment)


def succeeded(
    environment: dict[str, str], *arguments: str | Path, folder: Path = ROOT
) -> FinishedCommand:
    result = roadmap(environment, *arguments, folder=folder)
    assert result.code == 0, result
    return result


def _forked(
    module: str, environment: dict[str, str], arguments: Sequence[str] = (), folder: Path = ROOT
) -> FinishedCommand:
    """Output and code of a command, which ends in time or is killed."""
    with TemporaryDirectory() as scratch:
        output, errors = Path(scratch, "output"), Path(scratch, "errors")
        process = fork_server().start(
            module, environment, output, errors=errors, arguments=arguments, folder=folder
        )
        try:
            code = process.wait(HANG)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # it is not reaped yet: the pid is still its own
            raise
        return FinishedCommand(code, output.read_text(), errors.read_text())
