"""The commands on docs/COMMANDS.md do what it says, as they stand."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import roadmap_cli
from testing.commands import ROADMAP, command
from testing.stack import ROOT, embedded_stack, running
from testing.waiting import HANG

pytestmark = pytest.mark.timeout(600)  # each has a score of processes that load everything
PAGE = (ROOT / "docs" / "COMMANDS.md").read_text("utf-8")


def test_every_command_can_be_the_first_that_a_process_loads(tmp_path: Path) -> None:
    environment = command({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})

    def called(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROADMAP, name, "--help"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )

    names = [*roadmap_cli.LEARNERS, *roadmap_cli.OPERATORS]
    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(names, threads.map(called, names), strict=True))
    wrong = {
        name: each.stderr
        for name, each in found.items()
        if each.returncode or f"roadmap {name}" not in each.stdout
    }
    assert wrong == {}


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    commands = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 18
    with running(embedded_stack(tmp_path)) as stack:
        environment = command(
            {**stack.environment, "PATH": f"{ROOT / 'bin'}:{stack.environment['PATH']}"}
        )
        script = "\n".join(["set -euo pipefail", *commands])
        result = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "is ready: http://127.0.0.1:" in result.stdout
    assert ", 0 failed" in result.stdout
    assert re.search(r"Restored [\d,]+ rows of \d+ tables", result.stdout)
    assert (tmp_path / "roadmap.md").read_text().startswith("# Backend engineer with Python")
    assert (tmp_path / "elsewhere" / "roadmap.db").exists()
    assert (tmp_path / "backup.gz").stat().st_mode & 0o777 == 0o600
