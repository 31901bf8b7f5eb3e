"""The commands on docs/COMMANDS.md do what it says, as they stand."""

import re
import subprocess
from pathlib import Path

from tests.commands import command
from tests.stack import ROOT, embedded_stack, running

PAGE = (ROOT / "docs" / "COMMANDS.md").read_text("utf-8")


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    commands = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 18
    with running(embedded_stack(tmp_path)) as stack:
        environment = command({**stack.environment, "PATH": f"{ROOT / 'bin'}:{stack.environment['PATH']}"})
        script = "\n".join(["set -euo pipefail", *commands])
        said = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
        )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "is ready: http://127.0.0.1:" in said.stdout
    assert ", 0 failed" in said.stdout
    assert re.search(r"rows of \d+ tables are back", said.stdout)
    assert (tmp_path / "roadmap.md").read_text().startswith("# Backend engineer with Python")
    assert (tmp_path / "elsewhere" / "roadmap.db").exists()
    assert (tmp_path / "backup.gz").stat().st_mode & 0o777 == 0o600
