"""Spectral and Redocly have nothing to say of the description of the API."""

import subprocess
from pathlib import Path

from testing.stack import ROOT


def test_they_report_nothing(modules: Path) -> None:
    script = ROOT / "scripts" / "lint_openapi.sh"
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert (done.returncode, "NOT RUN" in done.stdout) == (0, False), done.stdout + done.stderr
