"""The commands on docs/COMMANDS.md do what it says, as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import roadmap_cli
from testing.commands import command
from testing.stack import ROOT, Stack
from testing.waiting import HANG

PAGE = (ROOT / "docs" / "COMMANDS.md").read_text("utf-8")
SHOWN = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
FIRST = """
import importlib, os, runpy, sys
from pathlib import Path

ours = {path.stem for path in Path().iterdir()}
for file in Path("cli").glob("*.py"):
    importlib.import_module(f"cli.{file.stem}")
for name in [*sys.modules]:  # others' modules stay loaded
    if name.partition(".")[0] in ours:
        del sys.modules[name]
for name in sys.argv[1:]:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        sys.argv = ["roadmap", name, "--help"]
        runpy.run_path("roadmap_cli.py", run_name="__main__")
    assert os.waitpid(child, 0)[1] == 0, name
"""


def test_every_command_can_be_the_first_that_a_process_loads(tmp_path: Path) -> None:
    """Those of the page are, in the test below."""
    run = set(re.findall(r"\broadmap (\w+)", "\n".join(SHOWN)))
    names = [each for each in (*roadmap_cli.LEARNERS, *roadmap_cli.OPERATORS) if each not in run]
    assert {"keys", "import"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", FIRST, *names],
        cwd=ROOT,
        env=command({"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^Usage: roadmap (\w+)", done.stdout, re.MULTILINE) == names


def test_the_commands_of_the_page_work_as_they_stand(
    shared_embedded: Stack, tmp_path: Path
) -> None:
    assert len(SHOWN) >= 18
    variables = shared_embedded.environment
    result = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *SHOWN])],
        cwd=tmp_path,
        env=command({**variables, "PATH": f"{ROOT / 'bin'}:{variables['PATH']}"}),
        capture_output=True,
        text=True,
        timeout=2 * HANG,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "is ready: http://127.0.0.1:" in result.stdout
    assert ", 0 failed" in result.stdout
    assert re.search(r"Restored [\d,]+ rows of \d+ tables", result.stdout)
    assert (tmp_path / "roadmap.md").read_text().startswith("# Backend engineer with Python")
    assert (tmp_path / "elsewhere" / "roadmap.db").exists()
    assert (tmp_path / "backup.gz").stat().st_mode & 0o777 == 0o600
