"""`roadmap`, as a person calls it."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack import ROOT, clean_environment

ROADMAP = str(ROOT / "bin" / "roadmap")


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


def roadmap(
    environment: dict[str, str], *arguments: str | Path, folder: Path = ROOT, before: Callable[[], None] | None = None
) -> Said:
    """`before` is called in the process before it becomes the command."""
    done = subprocess.run(
        [ROADMAP, *(str(each) for each in arguments)],
        cwd=folder,
        env=command(environment),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=before,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def succeeded(environment: dict[str, str], *arguments: str | Path, folder: Path = ROOT) -> Said:
    said = roadmap(environment, *arguments, folder=folder)
    assert said.code == 0, said
    return said
