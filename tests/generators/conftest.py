"""Packages from npm for these tests, as tests/generators/package-lock.json names them."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from testing.stack import ROOT


@pytest.fixture(scope="session")
def modules() -> Path:
    """The folder `node_modules`."""
    command = [ROOT / "scripts" / "lint_openapi.sh", "--bring"]
    with (Path(__file__).parent / "package-lock.json").open() as named:
        fcntl.flock(named, fcntl.LOCK_EX)  # the first tester brings them
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if done.stdout.startswith("NOT RUN"):
        pytest.skip(done.stdout)
    return ROOT / ".venv" / "generators" / "node_modules"


@pytest.fixture
def project(modules: Path, tmp_path: Path) -> Path:
    """A folder in which Node finds them."""
    (tmp_path / "node_modules").symlink_to(modules)
    return tmp_path
