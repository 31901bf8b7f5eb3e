"""The test that docs/TESTING.md writes from nothing passes as it stands."""

import re
import subprocess
import sys
from pathlib import Path

from testing.stack import ROOT, clean_environment
from testing.waiting import HANG
from tests.checkouts import checkout

PAGE = (ROOT / "docs" / "TESTING.md").read_text("utf-8")
(PROGRAM,) = (
    block
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if "tempfile.mkdtemp()" in block
)


def test_a_test_from_nothing_passes(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    (folder / "test_first.py").write_text(PROGRAM, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_first.py"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stdout + done.stderr  # 5: there was no test
