"""The kill points of tests/chaos exist, and nothing of them in the application.

No process but a test's own can reach them.
"""

import inspect
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.stack import ROOT, clean_environment
from testing.waiting import HANG
from tests.chaos.kill_points import POINTS, resolve

INJECT = ROOT / "tests" / "chaos" / "inject"
FOLDERS = (
    "cli",
    "core",
    "reliable_queue",
    "migrations",
    "models",
    "roadmap",
    "scripts",
    "tasks",
    "web",
)
LEFT_OUT = {"__pycache__", "run"}  # web/run: packages from npm
ACCEPT = """
import sys
del sys.argv[:2]
from web.roadmaps import create_writer
create_writer.create_many([])
"""  # as a process that `cli.run_services` has made what the rest of its arguments says


def application_files() -> Iterator[Path]:
    """Files that are served, or start what is served."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        yield from (
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not LEFT_OUT & set(path.parts)
        )


def dies(folder: Path, *command: str) -> bool:
    """Whether a process that has become this command dies at the kill point before accepting."""
    environment = {
        **clean_environment(),
        "SERVICE_TYPE": "all",
        "DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(INJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ROADMAP_KILL_AT": "accept.before",
        "ROADMAP_KILL_MARK": str(folder / "mark"),
    }
    program = [sys.executable, "-c", ACCEPT, "cli.run_services", *command]
    done = subprocess.run(
        program,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
        cwd=ROOT,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr  # it has come that far
    return done.returncode == -signal.SIGKILL


def test_every_kill_point_names_functions_that_are_there() -> None:
    found = {target: resolve(target) for point in POINTS.values() for target in point.targets}
    assert [
        target
        for target, (holder, attribute) in found.items()
        if not inspect.isfunction(vars(holder)[attribute])
    ] == []


@pytest.mark.parametrize(
    "gone",
    [
        "roadmap.lifecycle.making.plan_job:_no_such_function",
        "reliable_queue.queue:ReliableQueue.no_such_method",
    ],
)
def test_a_name_that_is_gone_is_noticed(gone: str) -> None:
    with pytest.raises(AttributeError):
        resolve(gone)


def test_the_application_knows_of_no_kill_point() -> None:
    files = list(application_files())
    assert {
        ROOT / "entrypoint.sh",
        ROOT / "roadmap" / "lifecycle" / "commands.py",
        ROOT / "Dockerfile.railway",
    } <= set(files)
    words = (b"ROADMAP_KILL", b"kill_point", b"sitecustomize")
    assert [
        str(path)
        for path in files
        if path.suffix != ".md" and any(word in path.read_bytes() for word in words)
    ] == []


@pytest.mark.parametrize(
    ("command", "dead"),
    [
        (("uvicorn", "roadmap_app:app"), True),
        (("huey_consumer", "tasks.queues.content_queue"), False),
        (("preflight.py", "roadmap_app:app"), False),
    ],
)
def test_only_the_service_that_is_to_die_does(
    tmp_path: Path, command: tuple[str, ...], dead: bool
) -> None:
    assert dies(tmp_path, *command) is dead


def test_a_service_that_has_died_does_not_die_again(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    assert not dies(tmp_path, "uvicorn", "roadmap_app:app")
