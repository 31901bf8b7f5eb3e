"""Nothing is left out of the daily suite and of `make test-all` alike, and what a subject covers is there."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from testing.stack import ROOT
from tests import subjects
from tests.subjects import SUBJECTS, Subject, hash_of

BESIDE = {"tests/browser"}  # `make test-browser`


def test_every_folder_of_tests_is_run_daily_or_by_a_subject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    daily = {*settings["tool"]["pytest"]["ini_options"]["testpaths"], *BESIDE}
    commands = [
        word for subject in SUBJECTS for command in subject.long for word in command.split()
    ]
    folders = {
        path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
    }
    run = daily | {*commands}
    above = {folder: {folder, *map(str, Path(folder).parents)} for folder in folders}
    assert sorted(folder for folder, parents in above.items() if not parents & run) == []


def test_every_pattern_finds_files() -> None:
    patterns = [
        (subject.name, each) for subject in SUBJECTS for each in (*subjects.ALWAYS, *subject.files)
    ]
    assert [(name, each) for name, each in patterns if not any(ROOT.glob(each))] == []


def test_a_hash_is_of_the_files_of_the_subject_and_of_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "ROOT", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for name in ("a/one.py", "a/deep/two.py", "b/three.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    subject = Subject("a", ("a/**",), (), ())
    first = hash_of(subject)
    (tmp_path / "b/three.py").write_text("changed")
    assert hash_of(subject) == first
    (tmp_path / "a/deep/two.py").write_text("changed")
    second = hash_of(subject)
    (tmp_path / "a/deep/two.py").rename(tmp_path / "a/two.py")
    assert len({first, second, hash_of(subject)}) == 3
