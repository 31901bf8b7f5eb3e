"""The commands of docs/SCALING.md do what it says."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.servers import Postgres, Redis
from testing.stack import GOAL, ROOT, Service, Stack, running, server_stack
from testing.waiting import wait_until

PAGE = (ROOT / "docs" / "SCALING.md").read_text("utf-8")
COMMANDS: list[str] = [
    command.partition("#")[0].strip() for command in re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
]
READ_ONLY = "?options=-c%20default_transaction_read_only%3Don"  # as a replica is


@pytest.fixture(scope="module")
def service(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Without a content consumer."""
    broker = Redis(tmp_path_factory.mktemp("redis"))
    broker.start()
    try:
        with running(
            server_stack(tmp_path_factory.mktemp("scaling"), postgres, broker), "api", "huey_logs"
        ) as stack:
            yield stack
    finally:
        broker.stop()


def the_one(words: str) -> str:
    (command,) = [command for command in COMMANDS if words in command]
    return command


def test_every_command_is_run_by_a_test() -> None:
    assert set(COMMANDS) == {the_one("entrypoint.sh"), the_one("roadmap backup")}


def test_another_consumer_takes_its_part(service: Stack) -> None:
    """The command as it stands, on the servers of the service."""
    environment = {
        **service.environment,
        **dict(word.split("=") for word in the_one("entrypoint.sh").split()[:-1]),
    }
    consumers = [Service("huey_content", environment, service.folder).start() for _ in range(2)]
    try:
        for each in consumers:
            wait_until(lambda each=each: "huey@content ready" in each.output, reason="it is ready")
        assert service.finished(service.create(GOAL))["status"] == "ready"
    finally:
        for each in consumers:
            each.stop()


def test_a_backup_is_taken_of_a_server_that_takes_no_changes(
    service: Stack, tmp_path: Path
) -> None:
    environment = {
        **service.environment,
        "PATH": f"{ROOT / 'bin'}:{service.environment['PATH']}",
        "REPLICA_URL": service.environment["DATABASE_URL"] + READ_ONLY,
        "SERVICE_TYPE": "api",
    }
    ended = subprocess.run(
        ["bash", "-c", the_one("roadmap backup")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "everything.gz").stat().st_size > 0
