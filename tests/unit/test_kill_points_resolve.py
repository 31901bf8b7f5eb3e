"""The kill points of tests/chaos exist, and nothing of them exists in the application or in any process but a test's own."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kill_points import POINTS, resolve
from tests.stack import ROOT, clean_environment

INJECT = ROOT / "tests" / "chaos" / "inject"
FOLDERS = ("cli", "core", "delivery", "migrations", "models", "roadmap", "scripts", "tasks", "web")
LEFT_OUT = {"__pycache__"}
SAY_WHETHER_WRAPPED = """
import sys
accepting = sys.modules.get("web.accepting")
print("wrapped" if accepting and hasattr(accepting.create_many, "__wrapped__") else "as it is")
"""


def application_files() -> Iterator[Path]:
    """What is served or starts what is served."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and not LEFT_OUT & set(path.parts))


def say(folder: Path, program: str, *arguments: str) -> str:
    """What a program of this name, started like a service that is to die before it accepts anything, says of itself."""
    (folder / program).write_text(SAY_WHETHER_WRAPPED)
    environment = {
        **clean_environment(),
        "SERVICE_TYPE": "all",
        "DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(INJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ROADMAP_KILL_AT": "accept.before",
        "ROADMAP_KILL_MARK": str(folder / "mark"),
    }
    command = [sys.executable, str(folder / program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("name", POINTS)
def test_every_kill_point_names_functions_that_are_there(name: str) -> None:
    for target in POINTS[name].targets:
        holder, attribute = resolve(target)
        assert inspect.isfunction(vars(holder)[attribute]), target


@pytest.mark.parametrize("gone", ["roadmap.planning:_no_such_function", "delivery.queue:ReliableQueue.no_such_method"])
def test_a_name_that_is_gone_is_noticed(gone: str) -> None:
    with pytest.raises(AttributeError):
        resolve(gone)


def test_the_application_knows_of_no_kill_point() -> None:
    files = list(application_files())
    assert {ROOT / "entrypoint.sh", ROOT / "roadmap" / "planning.py", ROOT / "Dockerfile.railway"} <= set(files)
    words = (b"ROADMAP_KILL", b"kill_point", b"sitecustomize")
    assert [str(path) for path in files if path.suffix != ".md" and any(word in path.read_bytes() for word in words)] == []


def test_only_the_service_that_is_to_die_is_changed(tmp_path: Path) -> None:
    assert say(tmp_path, "uvicorn", "roadmap_app:app") == "wrapped"
    assert say(tmp_path, "huey_consumer", "tasks.queues.content_queue") == "as it is"
    assert say(tmp_path, "preflight.py", "roadmap_app:app") == "as it is"


def test_a_service_that_has_died_is_not_changed_again(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    assert say(tmp_path, "uvicorn", "roadmap_app:app") == "as it is"
