"""Code in a process of its own, for what only a fresh interpreter can show."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from testing.stack import ROOT, clean_environment
from testing.waiting import HANG


def run_alone(
    code: str, environment: Mapping[str, str] | None = None, *, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run code with a clean environment, beside these variables."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
