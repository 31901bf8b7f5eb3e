"""Every folder of tests is run daily or by a subject, and a subject has the files it exercises."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from testing.stack import ROOT
from tests import subjects
from tests.subjects import SUBJECTS, Subject, files_of, hash_of, note, state

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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(subjects, "ROOT", tmp_path)
    monkeypatch.setattr(subjects, "NOTES", tmp_path / "notes.json")
    (tmp_path / "notes.json").write_text("{}")
    for name, text in {
        "a/one.py": "", "a/deep/two.py": "", "b/three.py": "",
        "tests/a/test_a.py": "from testing.help import x", "testing/help.py": "import testing.more",
        "testing/more.py": "", "testing/other.py": "", "tests/conftest.py": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "First"], check=True)
    return tmp_path


SUBJECT = Subject("a", ("a/**", "tests/a/**"), (), ())


def test_a_hash_depends_on_the_files_of_the_subject_alone(project: Path) -> None:
    first = hash_of(SUBJECT)
    (project / "b/three.py").write_text("changed")
    (project / "testing/other.py").write_text("changed")
    assert hash_of(SUBJECT) == first
    (project / "a/deep/two.py").write_text("changed")
    second = hash_of(SUBJECT)
    (project / "a/deep/two.py").rename(project / "a/two.py")
    third = hash_of(SUBJECT)
    (project / "testing/more.py").write_text("changed = 1")
    assert len({first, second, third, hash_of(SUBJECT)}) == 4


def test_imports_and_conftest_belong_to_a_subject(project: Path) -> None:
    support = ["testing/help.py", "testing/more.py", "tests/a/test_a.py", "tests/conftest.py"]
    assert files_of(SUBJECT) == ["a/deep/two.py", "a/one.py", *support]


def test_a_state_names_the_last_run_and_the_changes(project: Path) -> None:
    assert state(SUBJECT) == (False, "a: no run is noted")
    note(SUBJECT, hash_of(SUBJECT))
    as_it_was, sentence = state(SUBJECT)
    assert as_it_was
    assert sentence.endswith("unchanged since")
    (project / "testing/help.py").write_text("changed = 1")
    as_it_was, sentence = state(SUBJECT)
    assert not as_it_was
    assert sentence.endswith("changed since: testing/help.py")


def test_a_change_during_the_run_is_not_noted(project: Path) -> None:
    before = hash_of(SUBJECT)
    (project / "a/one.py").write_text("changed = 1")
    note(SUBJECT, before)
    assert subjects.notes() == {}
