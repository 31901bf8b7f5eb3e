"""The units of deploy/systemd and the commands of docs/DEPLOYMENT.md, run by a real systemd.

It has a machine of its own.
"""

import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.backup_store import NAME
from testing.servers import Postgres, Redis, free_port
from testing.stack import FINAL, GOAL, ROOT, answer_to
from testing.waiting import wait_until
from tests.booted import Machine, machine, why_not
from tests.checkouts import checkout

pytestmark = pytest.mark.timeout(900)  # of which packages from the network take a part
BOSS = {"email": "boss@example.org", "password": "a long enough passphrase"}
SERVICES = ("roadmap-api", "roadmap-logs", "roadmap-content@1")
EDITOR = """#!/bin/sh
# Writes what is set into the file, as a person would.
while read -r line; do sed -i "/^${line%%=*}=/d" "$1"; echo "$line" >>"$1"; done </srv/given/set
"""


def commands() -> list[list[str]]:
    """Of each block of the section, as it stands."""
    section = (
        (ROOT / "docs" / "DEPLOYMENT.md")
        .read_text("utf-8")
        .partition("\n## systemd\n")[2]
        .partition("\n## ")[0]
    )
    blocks = re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [[line.removeprefix("# ") for line in block.splitlines()] for block in blocks]


INSTALL, LOOK, MORE, UPGRADE, MENDED, BACKUP = range(6)


@dataclass
class Home:
    """The home of the service: the machine, and how its API is reached."""

    machine: Machine
    url: str
    headers: dict[str, str]

    def do(self, block: int) -> list[str]:
        """The output of each command of that block."""
        written = [
            command.replace("ADDRESS", "/srv/given/repository") for command in commands()[block]
        ]
        return [self.machine.output_of(command, timeout=None) for command in written]

    def is_ready(self) -> bool:
        return (
            self.machine.run(
                f"curl --silent --fail --max-time 5 {self.url}/health/ready"
            ).returncode
            == 0
        )

    def create(self) -> str:
        answer = answer_to(
            "POST", f"{self.url}/api/v1/roadmaps", json={"goal": GOAL}, headers=self.headers
        )
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    def status(self, path: str) -> str:
        return str(answer_to("GET", f"{self.url}{path}", headers=self.headers).json()["status"])

    def make_one(self) -> str:
        path = self.create()
        return wait_until(
            lambda: self.status(path) if self.status(path) in FINAL else None,
            reason="it is made",
        )

    def journal(self, unit: str) -> str:
        return self.machine.output_of(
            f"journalctl --sync && journalctl --unit='{unit}' --output=cat"
        )

    def pid(self, unit: str) -> str:
        return self.machine.shown(unit, "MainPID")


@pytest.fixture(scope="module")
def home(
    postgres: Postgres, module_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """A machine on which the first block has been typed, word for word."""
    if missing := why_not():
        pytest.skip(f"NOT RUN: units of systemd; {missing}")
    given, port = tmp_path_factory.mktemp("given"), free_port()
    commit(checkout(given / "repository"))
    settings = {
        "DATABASE_URL": postgres.create_database(f"t{uuid.uuid4().hex}"),
        "REDIS_URL": module_broker.url(),
        "SECRET_KEY": uuid.uuid4().hex,
        "PORT": str(port),
        "ADMIN_EMAIL": BOSS["email"],
        "ADMIN_PASSWORD": BOSS["password"],
    }
    (given / "set").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (given / "editor").write_text(EDITOR)
    with machine(given) as booted:
        booted.output_of("install -D /srv/given/editor /usr/local/bin/editor")
        here = Home(booted, f"http://127.0.0.1:{port}", {})
        here.do(INSTALL)
        wait_until(here.is_ready, reason="the API is ready")
        token = answer_to("POST", f"{here.url}/api/v1/auth/login", json=BOSS).json()["access_token"]
        here.headers = {"Authorization": f"Bearer {token}"}
        yield here


def commit(folder: Path) -> None:
    """Everything there, so that it can be cloned."""
    name = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["add", "--all"], [*name, "commit", "--quiet", "--message", "as it is"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def test_what_is_installed_word_for_word_makes_a_roadmap(home: Home) -> None:
    assert home.make_one() == "ready"
    assert [home.machine.state(unit) for unit in (*SERVICES, "roadmap.target")] == ["active"] * 4
    assert (
        home.machine.output_of(
            "systemctl is-enabled roadmap.target roadmap-api roadmap-content@1"
        ).split()
        == ["enabled"] * 3
    )
    assert home.machine.output_of("stat --format='%a %U' /etc/roadmap/environment") == "600 root"


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_runs_as_a_temporary_user_and_may_do_nothing_else(home: Home, unit: str) -> None:
    status = home.machine.output_of(f"cat /proc/{home.pid(unit)}/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in found["Uid"].split()
    assert (
        int(found["CapEff"], 16),
        int(found["CapBnd"], 16),
        found["NoNewPrivs"],
        found["Seccomp"],
    ) == (0, 0, "1", "2")
    inside = f"nsenter --target={home.pid(unit)} --mount --root"
    for place in ("/opt/roadmap", "/etc", "/var/lib", "/usr"):
        assert "Read-only file system" in home.machine.run(f"{inside} touch {place}/written").stdout
    assert home.machine.output_of(f"{inside} ls /root /home") in ("", "/home:\n\n/root:")
    assert BOSS["password"] not in home.machine.output_of(f"systemctl show '{unit}'")


def test_what_is_looked_at_is_shown(home: Home) -> None:
    units, journal, doctor = home.do(LOOK)
    assert [unit for unit in (*SERVICES, "roadmap.target") if unit not in units] == []
    assert "huey@content ready" in journal
    assert "Traceback" not in journal
    assert BOSS["password"] not in journal
    assert "error" not in doctor.lower()


def test_more_workers_are_started_and_one_of_them_ended(home: Home) -> None:
    home.do(MORE)
    wait_until(
        lambda: home.machine.state("roadmap-content@2") == "active", reason="the second runs"
    )
    assert home.machine.state("roadmap-content@3") == "inactive"
    assert home.make_one() == "ready"


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_that_is_killed_is_started_again(home: Home, unit: str) -> None:
    path, pid = home.create(), home.pid(unit)
    home.machine.output_of(f"kill -9 {pid}")
    wait_until(
        lambda: home.pid(unit) not in (pid, "0") and home.is_ready(),
        reason="it runs again",
    )
    wait_until(lambda: home.status(path) == "ready", reason="what was accepted is made")


def test_a_backup_is_made_by_the_timer_and_by_hand(home: Home) -> None:
    *_, timers, files = home.do(BACKUP)
    assert "roadmap-backup.timer" in timers
    [name] = files.split()
    assert NAME.fullmatch(name)
    state = "stat --format='%a' /var/lib/roadmap/backups/ /var/lib/roadmap/backups/*"
    assert home.machine.output_of(state).split() == ["700", "600"]
    assert home.machine.shown("roadmap-backup", "Result") == "success"
    assert "Wrote " in home.journal("roadmap-backup")
    outside = "test $(stat --format=%u /var/lib/roadmap/backups/) -ge 60000"  # a temporary user
    assert home.machine.run(outside).returncode == 0


@pytest.mark.long
def test_an_upgrade_loses_nothing_and_what_runs_is_the_new_version(home: Home) -> None:
    path = home.create()
    home.do(UPGRADE)
    wait_until(home.is_ready, reason="the API is ready")
    wait_until(lambda: home.status(path) == "ready", reason="what was accepted before is made")
    for unit in (*SERVICES, "roadmap-content@2"):
        assert home.machine.output_of(f"readlink /proc/{home.pid(unit)}/cwd") == "/opt/roadmap-NEW"


@pytest.mark.long
def test_what_is_refused_is_left_as_failed_with_its_sentence_until_it_is_mended(home: Home) -> None:
    quick = (
        "mkdir -p /run/systemd/system/roadmap-api.service.d && cd $_ "
        "&& printf '[Service]\\nRestartSec=100ms\\n' >quick.conf"
    )
    home.machine.output_of(f"{quick} && systemctl daemon-reload && systemctl stop roadmap.target")
    home.machine.output_of(
        "sed -i.as-it-was 's/^SECRET_KEY=.*/SECRET_KEY=short/' /etc/roadmap/environment"
    )
    found = []
    for _ in range(2):  # the first time the starts of the last minute count, too
        home.machine.output_of("systemctl reset-failed 'roadmap*'")
        home.machine.run("systemctl start roadmap-api")
        wait_until(
            lambda: home.machine.state("roadmap-api") == "failed",
            reason="it is given up",
        )
        found.append(home.journal("roadmap-api").count("error: SECRET_KEY"))
    assert found[1] - found[0] == int(home.machine.shown("roadmap-api", "StartLimitBurst"))
    home.machine.output_of("mv /etc/roadmap/environment.as-it-was /etc/roadmap/environment")
    home.do(MENDED)
    wait_until(home.is_ready, reason="the API is ready")
    assert home.make_one() == "ready"


def test_the_target_ends_everything_in_order(home: Home) -> None:
    home.machine.output_of("systemctl stop roadmap.target")
    units = (*SERVICES, "roadmap-content@2", "roadmap.target")
    wait_until(
        lambda: not any(home.machine.state(unit) in ("active", "deactivating") for unit in units),
        reason="they end",
    )
    assert [home.machine.state(unit) for unit in units] == ["inactive"] * len(units)
    assert {home.machine.shown(unit, "Result") for unit in units[:-1]} == {"success"}
    assert "Traceback" not in home.journal("roadmap-*")
