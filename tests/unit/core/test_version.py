"""Version and commit of the service have one form and one source."""

import os
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core import version
from testing.stack import ROOT

RAILWAY, BUILT = "1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b", "b" * 40
ALONE = {
    **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    "PATH": os.environ["PATH"],
}


def read(root: Path, module: str = "version") -> dict[str, Any]:
    return runpy.run_path(os.fspath(root / f"core/{module}.py"))


def git(folder: Path, *words: str) -> str:
    me = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    command = ["git", "-C", str(folder), *me, *words]
    return subprocess.check_output(command, stderr=subprocess.PIPE, text=True, env=ALONE).strip()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code in a folder that is no clone."""
    for name in version.COMMIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "house"
    (folder / "core").mkdir(parents=True)
    for module in ("version", "paths"):
        shutil.copy(ROOT / f"core/{module}.py", folder / "core")
    return folder


def test_the_number_has_one_place() -> None:
    assert version.NUMBER == "0.2.0"
    assert version.NUMBER not in (ROOT / "pyproject.toml").read_text()


def test_the_commit_is_the_deployed_one(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(house)
    assert (found["COMMIT"], found["VERSION"]) == ("unknown", f"{version.NUMBER}+unknown")
    for name, given in reversed(list(zip(version.COMMIT_VARIABLES, (RAILWAY, BUILT), strict=True))):
        monkeypatch.setenv(name, f" {given}\n")
        found = read(house)
        assert (found["COMMIT"], found["VERSION"]) == (given, f"{version.NUMBER}+{given[:7]}")
    for name in version.COMMIT_VARIABLES:
        monkeypatch.setenv(name, "main; <b>")
    assert read(house)["COMMIT"] == "unknown"


def test_a_clone_tells_its_commit(house: Path, tmp_path: Path) -> None:
    git(house, "init", "--quiet", "--initial-branch=main")
    assert read(house)["COMMIT"] == "unknown"
    git(house, "add", ".")
    git(house, "commit", "--quiet", "--message=a")
    first = git(house, "rev-parse", "HEAD")
    assert read(house)["COMMIT"] == first
    git(house, "pack-refs", "--all")
    assert read(house)["COMMIT"] == first
    git(house, "worktree", "add", "--quiet", "-b", "second", "../tree")
    git(tmp_path / "tree", "commit", "--quiet", "--allow-empty", "--message=b")
    assert read(tmp_path / "tree")["COMMIT"] == git(tmp_path / "tree", "rev-parse", "HEAD") != first
    git(house, "checkout", "--quiet", "--detach")
    assert read(house)["COMMIT"] == first


def test_a_wheel_tells_the_commit_that_it_was_built_from(house: Path) -> None:
    (house / "commit.txt").write_text(f"{BUILT}\n")
    assert read(house)["COMMIT"] == BUILT


def test_an_installed_wheel_keeps_its_data_elsewhere(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    found = read(house, "paths")
    assert (found["BASE"], found["DATA"]) == (house, Path("data"))
    (house / "__init__.py").touch()
    found = read(house, "paths")
    assert (found["BASE"], found["DATA"]) == (Path(), Path("/home/me/.local/share/roadmap"))
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert read(house, "paths")["DATA"] == Path("/data/roadmap")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # its specification: ignore
    assert read(house, "paths")["DATA"] == found["DATA"]


def test_a_probe_gets_version_and_commit(client: TestClient) -> None:
    values = {"status": "ok", "version": version.NUMBER, "commit": version.COMMIT}
    for path in ("/health", "/health/live"):
        assert client.get(path).json() == values
