"""Spectral and Redocly have nothing to say of the description of the API."""

import subprocess
from pathlib import Path

import pytest

from testing.stack import ROOT

pytestmark = pytest.mark.timeout(600)  # of which npm may take a part


def test_they_report_nothing(modules: Path) -> None:
    script = ROOT / "scripts" / "lint_openapi.sh"
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert (done.returncode, "NOT RUN" in done.stdout) == (0, False), done.stdout + done.stderr
