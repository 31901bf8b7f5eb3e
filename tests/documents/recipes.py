"""Recipes of docs/ARCHITECTURE.md, followed in a copy of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from testing.stack import ROOT, clean_environment
from testing.waiting import HANG

MOST_PLACES = 5
FOLDERS = (
    *(".railway", "benchmarks", "bin", "cli", "core", "deploy", "docs", "migrations", "models"),
    *("quality", "reliable_queue", "roadmap", "roadmap_client", "scripts", "tasks", "testing"),
    *("tests", "web"),
)
FILES = (
    *("README.md", "README.zh-CN.md", "compose.yaml", "entrypoint.sh", "roadmap_app.py"),
    "roadmap_cli.py",
)


def places(recipe: str) -> list[str]:
    """Return the files and folders of a recipe's list, all of which are there."""
    text = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
    section = text.partition(f"\n### {recipe}\n")[2].partition("\n### ")[0]
    found = re.findall(r"^- `([^`]+)`: ", section, re.MULTILINE)
    assert 1 <= len(found) <= MOST_PLACES, f"{recipe}: {found}"
    assert [place for place in found if not (ROOT / place).exists()] == [], "not there"
    return found


class Copy:
    """A copy of the repository, in which only the places of a recipe are changed."""

    def __init__(self, folder: Path, allowed: list[str]) -> None:
        self.folder, self.allowed = folder, allowed
        without = shutil.ignore_patterns("__pycache__", "node_modules")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=without)
        for name in FILES:
            shutil.copy2(ROOT / name, folder / name)

    def _path(self, file: str) -> Path:
        assert file.startswith(tuple(self.allowed)), f"{file} is no place of the recipe"
        return self.folder / file

    def add(self, file: str, content: str) -> None:
        path = self._path(file)
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        path = self._path(file)
        text = path.read_text("utf-8")
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new), "utf-8")

    def insert(self, file: str, before: str, new: str) -> None:
        self.replace(file, before, f"{new}{before}")

    def run(self, *arguments: str) -> str:
        """Run Python with these arguments in the copy; return what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**clean_environment(), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
