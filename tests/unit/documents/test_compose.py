"""compose.yaml passes settings to the services that read them, as .railway/railway.ts does."""

import re
import shlex
from typing import Any

import yaml

from cli.backup_store import VALID_VALUES
from roadmap_cli import OPERATORS
from testing.stack import ROOT
from tests.cases import try_each
from tests.unit.documents.test_railway import read_by

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
SERVICES = {"api": "api", "huey_logs": "logs", "huey_content": "content", "backup": "logs"}
# What compose says by itself
FIXED = {
    *("SERVICE_TYPE", "DATABASE_URL", "DIRECT_DATABASE_URL", "REDIS_URL", "SECRET_KEY"),
    "SHUTDOWN_GRACE_SECONDS",
}


def environment(service: str) -> dict[str, str | None]:
    return dict(COMPOSE[service]["environment"])


@try_each("service", SERVICES)
def test_a_service_is_passed_what_it_reads(service: str) -> None:
    """A setting in .env that is not passed on would be ignored without an error."""
    given = {name for name in environment(service) if not name.startswith("AWS_")}
    assert given == FIXED | read_by(SERVICES[service])


@try_each("service", SERVICES)
def test_only_what_compose_says_by_itself_has_a_value(service: str) -> None:
    """Without one, the shell or .env decides, and it is absent where neither has it."""
    values = {name: value for name, value in environment(service).items() if value is not None}
    if service == "huey_content":  # webhooks and link checks never call the api by this name
        assert values.pop("ALLOWED_HOSTS") == "api,${ALLOWED_HOSTS:-}"
    assert values.keys() == FIXED


def test_the_backup_has_the_servers_and_a_folder_that_it_may_write() -> None:
    backup = COMPOSE["backup"]
    assert (backup["profiles"], backup["restart"]) == (["backup"], "no")
    assert backup["entrypoint"] == ["roadmap", "backup", "${BACKUP_TO:-/app/data}", "--keep", "14"]
    image = (ROOT / "Dockerfile.railway").read_text("utf-8")
    assert "DATA_DIR=/app/data" in image  # which the user of the image owns
    assert backup["volumes"] == ["backups:/app/data"]
    aws = {name for name in environment("backup") if name.startswith("AWS_")}
    assert aws <= VALID_VALUES.keys()


def test_the_commands_of_the_page_are_for_services_and_commands_that_there_are() -> None:
    page = (ROOT / "docs" / "DEPLOYMENT.md").read_text("utf-8")
    commands = re.findall(r"^\$ (docker compose (?:exec|run|stop) .*)$", page, re.MULTILINE)
    assert [command for command in commands if not set(shlex.split(command)) & COMPOSE.keys()] == []
    ours = [
        command.replace("--entrypoint roadmap api", "roadmap")
        for command in commands
        if " postgres " not in command
    ]
    called = {found for command in ours for found in re.findall(r"\broadmap ([a-z]+)", command)}
    assert called == {"doctor", "backup", "restore", "migrate"}
    assert called <= OPERATORS.keys()
    written = {found for command in commands for found in re.findall(r"(/\w+)/backup", command)}
    assert written == set(COMPOSE["api"]["tmpfs"])  # the root is read-only
