"""The recipe of a queue in docs/ARCHITECTURE.md, followed in a copy of the repository."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import SERVICES
from testing.servers import Postgres, Redis
from testing.stack import ROOT, Service, Stack, clean_environment, embedded_stack, server_stack
from testing.waiting import HANG, wait_until
from tests.documents.recipes import Copy, places

RECIPE = "A queue or service"
ENTRY = """\
    Consumer(
        queue="dummy",
        instance="tasks.dummy.dummy_queue",
        threads=lambda settings: settings.dummy_workers,
        connections=2,
    ),
)
SERVICES ="""
SETTING = """\
    dummy_workers: Count = Field(
        3, ge=1, le=64, description="Threads of the dummy.", json_schema_extra=EVERY_SERVICE
    )
"""
TASKS = """
from pathlib import Path

from tasks.queues import QUEUES, task

dummy_queue = QUEUES["dummy"]


@task(dummy_queue)
def leave_note(path: str) -> None:
    Path(path).write_text("done")
"""
COMPOSE = """\
  huey_dummy:
    <<: *roadmap
    environment:
      <<: [*environment, *every-service]
      SERVICE_TYPE: huey_dummy
    depends_on: *after-api

  postgres:
    image"""
RAILWAY = """\
  const dummy = service("dummy", {
    ...source,
    build,
    deploy,
    env: { ...servers, SERVICE_TYPE: "huey_dummy", ...asIn(api, EVERY_SERVICE) },
  });

  return project("""
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a queue more, made at the places of the recipe alone."""
    folder = tmp_path_factory.mktemp("recipe") / "roadmap"
    copy = Copy(folder, places(RECIPE))
    copy.replace("core/settings.py", ")\nSERVICES =", ENTRY)
    copy.replace("core/settings.py", "    database_url:", f"{SETTING}    database_url:")
    copy.add("tasks/dummy.py", TASKS)
    copy.replace("compose.yaml", "  postgres:\n    image", COMPOSE)
    copy.replace(".railway/railway.ts", "  return project(", RAILWAY)
    unit = (ROOT / "deploy/systemd/roadmap-logs.service").read_text("utf-8")
    copy.add("deploy/systemd/roadmap-dummy.service", unit.replace("huey_logs", "huey_dummy"))
    return folder


def deployed(folder: Path) -> dict[str, set[str]]:
    """Return the services that each platform runs."""
    compose = yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))["services"]
    variables = [each.get("environment", {}) for each in compose.values()]
    units = [path.read_text("utf-8") for path in (folder / "deploy/systemd").glob("*.service")]
    railway = (folder / ".railway/railway.ts").read_text("utf-8")
    return {
        "compose": {each["SERVICE_TYPE"] for each in variables if "SERVICE_TYPE" in each},
        "systemd": set(re.findall(r"^Environment=SERVICE_TYPE=(\w+)", "\n".join(units), re.M)),
        "railway": {*re.findall(r'SERVICE_TYPE: (?:\w+ \? "all" : )?"(\w+)"', railway)},
    }


def test_every_platform_runs_every_service() -> None:
    assert list(deployed(ROOT).values()) == [{*SERVICES}] * 3


def test_every_place_of_the_recipe_has_a_part_in_it(folder: Path) -> None:
    for place in places(RECIPE):
        before, after = ROOT / place, folder / place
        if before.is_dir():
            assert {each.name for each in after.iterdir()} - {
                each.name for each in before.iterdir()
            }
        else:
            assert before.read_bytes() != after.read_bytes()
    assert all("huey_dummy" in services for services in deployed(folder).values())


def test_a_recipe_that_names_a_place_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs/ARCHITECTURE.md"
    page.parent.mkdir()
    text = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
    page.write_text(text.replace("- `tasks/`: ", "- `duties/`: "), "utf-8")
    for place in places(RECIPE):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr("tests.documents.recipes.ROOT", tmp_path)
    with pytest.raises(AssertionError, match="not there"):
        places(RECIPE)


def run(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def enqueue(folder: Path, environment: dict[str, str], path: Path) -> None:
    code = f"from tasks.dummy import leave_note; leave_note({str(path)!r})"
    run(folder, {**environment, "SERVICE_TYPE": "all"}, "-c", code)


def jobs(folder: Path, environment: dict[str, str], what: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        run(folder, environment, "roadmap_cli.py", "jobs", what, "--json")
    )
    return rows


@contextmanager
def started(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.stop()


@pytest.mark.long
def test_the_supervisor_starts_the_service_and_all_that_counts_shows_it(
    folder: Path, tmp_path: Path
) -> None:
    stack: Stack = embedded_stack(tmp_path, PATH=PATH)
    stack.api.command = [str(folder / "entrypoint.sh")]
    with started(stack.api) as service:
        stack.wait_ready()
        service.child("tasks.dummy.dummy_queue")
        enqueue(folder, stack.environment, tmp_path / "note")
        wait_until(lambda: (tmp_path / "note").exists(), reason="the task has run")
        labels = {"queue": "dummy", "task": "leave_note", "outcome": "done"}
        wait_until(lambda: stack.metric_sum("roadmap_tasks_total", **labels) == 1, reason="a count")
        assert stack.metric_sum("roadmap_queue_consumers", queue="dummy") == 1
        answer = stack.get("/api/v1/admin/queues/dummy").json()
        assert (answer["workers"], answer["ready"], answer["dead"]) == (1, 0, 0)
        assert [each["name"] for each in stack.get("/api/v1/admin/queues").json()["items"]] == [
            "logs",
            "content",
            "dummy",
        ]
        (runs,) = (
            each
            for each in stack.get("/api/v1/admin/tasks").json()["items"]
            if each["queue"] == "dummy"
        )
        assert (runs["task"], runs["done"]) == ("leave_note", 1)
        assert "/admin/queues/dummy" in stack.get("/admin").text
        assert "dummy" in stack.get("/admin/queues/dummy/pause").text
        (row,) = (
            each for each in jobs(folder, stack.environment, "list") if each["name"] == "dummy"
        )
        assert row["workers"] == 1
    assert not service.alive()


def test_the_service_runs_by_itself(
    folder: Path, tmp_path: Path, postgres: Postgres, broker: Redis
) -> None:
    environment = {**server_stack(tmp_path, postgres, broker).environment, "PATH": PATH}
    service = Service("huey_dummy", environment, tmp_path)
    service.command = [str(folder / "entrypoint.sh")]
    with started(service):
        enqueue(folder, environment, tmp_path / "note")
        wait_until(lambda: (tmp_path / "note").exists(), reason=f"it has run: {service.output}")
        workers = jobs(folder, environment, "workers")  # the broker may know of others
        (worker,) = (each for each in workers if each["queue"] == "dummy")
        assert worker["threads"] == 3
        assert (worker["service"], worker["pid"]) == ("huey_dummy", service.pid)


def test_the_description_of_the_api_lists_the_queue(folder: Path) -> None:
    run(folder, clean_environment(), "-m", "scripts.openapi")
    paths = json.loads((folder / "web/openapi.json").read_text("utf-8"))["paths"]
    queue, *_ = paths["/api/v1/admin/queues/{queue}"]["get"]["parameters"]
    assert queue["schema"]["enum"] == ["logs", "content", "dummy"]
