"""scripts/layout.py: each figure of a small made-up project gets worse, and is named."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import layout

FILES = {
    "core/a.py": '"""Docstring."""\n\nX = 1\n',
    "core/b.py": "from core import a\n\n\nclass Thing:\n    x = a.X\n",
    "core/c.py": "from core.b import Thing\n\n\ndef one() -> int:\n    return Thing.x\n",
    "migrations/m.py": "class Thing:\n    pass\n",
    "tests/t.py": "x = 1\n" * 100,
    "docs/A.md": "Words.\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A repository whose figures are committed."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "scripts").mkdir()
    for file, text in FILES.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, "utf-8")
    add(tmp_path)
    assert layout.main(["--write"], tmp_path) == 0
    return tmp_path


def add(project: Path) -> None:
    subprocess.run(["git", "-C", str(project), "add", "--all"], check=True)


def committed(project: Path) -> dict[str, float]:
    figures: dict[str, float] = json.loads((project / layout.COMMITTED).read_text("utf-8"))
    return figures


def test_the_figures_are_those_of_what_ships(project: Path) -> None:
    assert committed(project) == {
        "statements": 10,
        "import depth": 3,
        "private helpers used once, percent": 0,
        "class names used twice": 0,
        "modules in the fullest folder": 3,
        "lines over 100 columns": 0,
        "docstrings like What, Who, How ...": 0,
        "riddle words": 0,
    }
    assert layout.main([], project) == 0


@pytest.mark.parametrize(
    "case",
    [
        ("statements", "core/a.py", "y = 1\n", "there is more code"),
        ("import depth", "core/a.py", "import migrations.m\n", "core.a -> migrations.m"),
        (
            "private helpers used once, percent",
            "core/c.py",
            "def _two() -> int:\n    return 2\n\n\nx = _two()\n",
            "core/c.py: _two",
        ),
        ("class names used twice", "core/a.py", "class Thing:\n    pass\n", "Thing"),
        ("modules in the fullest folder", "core/d.py", "", "core"),
        ("lines over 100 columns", "core/a.py", f"# {'x' * 99}\n", "core/a.py:4: # xxx"),
        ("lines over 100 columns", "tests/t.py", f"# {'x' * 99}\n", "tests/t.py:101: # xxx"),
        (
            "docstrings like What, Who, How ...",
            "tests/t.py",
            'def two() -> None:\n    """How it is."""\n',
            "tests/t.py: How it is.",
        ),
        (
            "docstrings like What, Who, How ...",
            "core/c.py",
            'def two() -> None:\n    """Who calls."""\n',
            "core/c.py: Who calls.",
        ),
        ("riddle words", "docs/A.md", "It is Told, and said.\n", "docs/A.md:2: Told"),
    ],
)
def test_a_figure_that_is_worse_fails_with_cause_and_fix(
    project: Path, capsys: pytest.CaptureFixture[str], case: tuple[str, str, str, str]
) -> None:
    figure, file, added, cause = case
    with (project / file).open("a", encoding="utf-8") as changed:
        changed.write(added)
    add(project)
    before = committed(project)
    assert layout.main([], project) == 1
    errors = capsys.readouterr().err.split("error: ")
    [named] = [each for each in errors if each.startswith(figure)]
    assert cause in named
    assert "Fix: " in named
    assert layout.main(["--write"], project) == 1
    assert committed(project) == before


def test_a_figure_that_is_better_passes_and_waits_for_write(project: Path) -> None:
    (project / "migrations/m.py").unlink()
    before = committed(project)
    assert layout.main([], project) == 0
    assert committed(project) == before
    assert layout.main(["--write"], project) == 0
    assert committed(project)["statements"] < before["statements"]


def test_the_list_names_the_places(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout.main(["--list"], project)
    assert "\n    core.c -> core.b -> core.a\n" in capsys.readouterr().out


def test_only_files_of_the_repository_count(project: Path) -> None:
    (project / "core/x.py").write_text("x = 1\n" * 50, "utf-8")
    assert layout.main([], project) == 0
