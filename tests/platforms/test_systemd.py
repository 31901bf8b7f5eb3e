"""The units of deploy/systemd: without fault for systemd, and a service starts and ends by them.

Without a systemd that runs, so wherever the tests do: what a unit says is read from it and done.
`test_systemd_runs.py` has one, where it is root.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from core.settings import Settings
from core.startup.supervisor import AFTER_GRACE
from testing.servers import Postgres, Redis, free_port
from testing.stack import MONITOR, OPEN_TO_TESTS, ROOT, SHORT, Service, Stack, running, server_stack
from testing.waiting import wait_until
from tests.chaos.checks import assert_built_once, ready, written

FOLDER = ROOT / "deploy" / "systemd"
HOME = "/opt/roadmap"  # where the units say that the code is
SERVICES = {
    "roadmap-api.service": "api",
    "roadmap-logs.service": "huey_logs",
    "roadmap-content@.service": "huey_content",
}
MOST_EXPOSED = 1.5  # of 10, as `systemd-analyze security` counts it
OF_SYSTEMD = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "USER": "roadmap-api",
    "HOME": "/",
}
PATIENT = {  # on a busy machine, too
    "HEARTBEAT_TTL_SECONDS": "60",
    "LEASE_SECONDS": "130",
    "MODEL_TIMEOUT_SECONDS": "120",
    "SHUTDOWN_GRACE_SECONDS": "60",
}
Unit = dict[str, list[str]]

analysed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="NOT RUN: there is no systemd-analyze; `apt-get install systemd` brings it",
)
each_service = pytest.mark.parametrize("name", SERVICES)


def unit(name: str) -> Unit:
    """Return the values by name, without sections: no name is in two sections."""
    found: Unit = defaultdict(list)
    for line in (FOLDER / name).read_text().splitlines():
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def one(name: str, key: str) -> str:
    [value] = unit(name)[key]
    return value


def file_environment() -> dict[str, str]:
    """Of the file that is documented, as systemd reads it."""
    lines = (FOLDER / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Copies for which the code is where it is; a template needs an instance."""
    folder = tmp_path / "units"
    folder.mkdir()
    for path in FOLDER.glob("roadmap*"):
        (folder / path.name.replace("@", "@1")).write_text(
            path.read_text().replace(HOME, str(ROOT))
        )
    return sorted(map(str, folder.iterdir()))


# As systemd sees them


@analysed
def test_systemd_finds_nothing_to_warn_of(units: list[str]) -> None:
    assert len(units) == 6
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@analysed
def test_systemd_warns_of_a_unit_that_is_wrong(units: list[str]) -> None:
    """The judge of the test before."""
    path = next(Path(each) for each in units if each.endswith("api.service"))
    path.write_text(path.read_text().replace("KillMode=mixed", "KillMode=gentle"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "kill mode" in result.stderr


@analysed
def test_no_service_is_more_exposed_than_it_must_be(units: list[str]) -> None:
    services = [each for each in units if each.endswith(".service")]
    for each in services:
        command = [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={MOST_EXPOSED * 10:g}",
            each,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
        assert exposure is not None
        print(f"{Path(each).name}: {exposure[1]}")
        assert float(exposure[1]) <= MOST_EXPOSED


# What they say


@each_service
def test_systemd_waits_longer_than_a_service_needs_to_end(name: str) -> None:
    grace = Settings.model_fields["shutdown_grace_seconds"].default
    assert int(one(name, "TimeoutStopSec")) > grace + AFTER_GRACE
    assert (
        one(name, "KillMode") == "mixed"
    )  # one SIGTERM, to the service: a second one ends the grace of a consumer


@each_service
def test_a_refusal_is_not_tried_for_ever_and_a_wait_is(name: str) -> None:
    wait = Settings.model_fields["startup_wait_seconds"].default
    pause, most, interval = (
        int(one(name, key)) for key in ("RestartSec", "StartLimitBurst", "StartLimitIntervalSec")
    )
    at_once = 2  # seconds to a refusal
    assert one(name, "Restart") == "on-failure"
    assert most * (pause + at_once) < interval < most * (pause + wait)


def test_the_target_wants_each_service_and_each_belongs_to_it() -> None:
    assert set(one("roadmap.target", "Wants").split()) == {
        each.replace("@", "@1") for each in SERVICES
    }
    assert (
        {one(each, "PartOf") for each in SERVICES}
        == {one(each, "WantedBy") for each in SERVICES}
        == {"roadmap.target"}
    )


def test_the_file_names_variables_that_there_are_and_no_service() -> None:
    named = {
        line.lstrip("# ").partition("=")[0]
        for line in (FOLDER / "environment").read_text().splitlines()
        if "=" in line
    }
    assert named <= {each.upper() for each in Settings.model_fields}
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"} <= file_environment().keys()
    assert "SERVICE_TYPE" not in named


def test_the_backup_is_hardened_as_the_services_and_made_daily() -> None:
    service, backup = unit("roadmap-logs.service"), unit("roadmap-backup.service")
    of_a_service = {"Restart", "RestartSec", "KillMode", "SuccessExitStatus", "TimeoutStopSec"}
    of_a_service |= {"PartOf", "WantedBy", "StartLimitIntervalSec", "StartLimitBurst"}
    assert service.keys() - backup.keys() == of_a_service
    differing = {key for key in backup if backup[key] != service.get(key)}
    own = {"StateDirectory", "StateDirectoryMode", "TimeoutStartSec"}
    assert differing == own | {"Description", "Type", "ExecStart", "Environment"}
    folder = f"/var/lib/{one('roadmap-backup.service', 'StateDirectory')}"
    assert folder in one("roadmap-backup.service", "ExecStart").split()
    timer = unit("roadmap-backup.timer")
    assert (timer["Persistent"], timer["WantedBy"]) == (["true"], ["timers.target"])
    assert timer["RandomizedDelaySec"]


# What is done by them


def by_unit(stack: Stack) -> Stack:
    """The stack's services started as the units say, with the variables of the file alone."""
    given = {
        key: stack.environment[key]
        for key in (*SHORT, *OPEN_TO_TESTS, *MONITOR, "DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    }
    for name, service_type in SERVICES.items():
        service = stack.services[service_type]
        own = dict(
            each.split("=", 1) for line in unit(name)["Environment"] for each in shlex.split(line)
        )
        assert own["SERVICE_TYPE"] == service_type
        service.command = [
            each.replace(HOME, str(ROOT)) for each in shlex.split(one(name, "ExecStart"))
        ]
        assert one(name, "WorkingDirectory") == HOME
        service.environment = {
            **OF_SYSTEMD,
            **own,
            **file_environment(),
            **given,
            "PORT": str(stack.port),
        }
    return stack


@pytest.fixture
def stack_of_units(postgres: Postgres, own_broker: Redis, tmp_path: Path) -> Stack:
    return by_unit(server_stack(tmp_path, postgres, own_broker, **PATIENT))


def test_the_units_do_the_main_job_and_end_in_order(stack_of_units: Stack, tmp_path: Path) -> None:
    """`systemctl start roadmap-content@2`, then `systemctl stop roadmap-content@1` in between.

    /opt/roadmap may be a link to a version: what is loaded later is of the started one.
    """
    link = tmp_path / "roadmap"
    link.symlink_to(ROOT)
    stack_of_units.api.command = [str(link / "entrypoint.sh")]
    with running(stack_of_units) as stack:
        assert os.readlink(f"/proc/{stack.api.pid}/cwd") == str(ROOT)
        link.unlink()
        # Markdown and colours of code are loaded now.
        page = stack.get("/docs", headers={"Accept": "text/html"})
        assert (page.status_code, "<h1" in page.text) == (200, True)

        path = stack.create()
        assert_built_once(stack, path)

        def steps() -> set[str]:
            return {
                record["step"] for record in stack.get(f"{path}/logs?limit=100").json()["items"]
            }

        wait_until(
            lambda: {"accept", "outline", "tutorial"} <= steps(), reason="the records are stored"
        )

        first = stack.content
        second = Service("huey_content", first.environment, tmp_path)
        second.command = first.command
        stack.services["roadmap-content@2"] = second.start()
        wait_until(lambda: ready(second), reason="the second is at work")
        paths = [stack.create() for _ in range(4)]
        wait_until(lambda: written(stack, paths) > 5, reason="contents are written")
        assert first.stop() == 0
        for path in paths:
            assert_built_once(stack, path)
        for name, service in stack.services.items():
            if service is not first:
                assert service.stop() in (0, -signal.SIGTERM), name  # both are success for systemd
    assert [name for name, service in stack.services.items() if "Traceback" in service.output] == []


def test_a_service_that_is_stopped_while_it_waits_has_not_failed(stack_of_units: Stack) -> None:
    for name, service_type in SERVICES.items():
        service = stack_of_units.services[service_type]
        service.environment["DATABASE_URL"] = (
            f"postgresql://unknown@127.0.0.1:{free_port()}/nothing"
        )
        service.start()
        wait_until(lambda service=service: "waiting: " in service.output, reason="it waits")
        assert service.stop() == int(one(name, "SuccessExitStatus"))
