"""The commands of docs/SCALING.md do what it says, its check of the prediction in a short form."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.capacity.__main__ import parser
from testing.servers import Postgres, Redis
from testing.stack import GOAL, ROOT, Service, Stack, clean_environment, running, server_stack
from testing.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)  # whole simulations run
PAGE = (ROOT / "docs" / "SCALING.md").read_text("utf-8")
COMMANDS = [
    command.partition("#")[0].strip() for command in re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
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
    others = {the_one("entrypoint.sh"), the_one("roadmap backup")}
    assert len(MAKE) == 3
    assert set(COMMANDS) == {*MAKE, *others}
    assert set(re.findall(r"`(make [^`]*)`", PAGE)) == {"make capacity", "make help"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(each, marks=pytest.mark.long if "CHECK=1" in each else ())  # on real services
        for each in MAKE
    ],
)
def test_a_load_is_asked_about(command: str) -> None:
    """With the interpreter of the tests, whose environment need not be that of `make`."""
    dry = subprocess.run(
        ["bash", "-c", f"{command} --dry-run"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in dry.stdout.splitlines() if "benchmarks.capacity" in line]
    arguments = shlex.split(line)[1:]
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if "CHECK=1" in command:
        assert "(ratio) | short |" in ended.stdout
        assert "| seconds to ready, 50 % |" in ended.stdout
    else:
        (_, words) = re.findall(r"(ROADMAPS)=\"?([0-9 ]+)", command)[0]
        for a_day in words.split():
            assert f"\n| {int(a_day):,} |" in ended.stdout


def asked(*variables: str, **environment: str) -> list[str]:
    """The options that `make capacity` calls its program with."""
    command = ["make", "--dry-run", "capacity", *variables]
    surroundings = {**clean_environment(), **environment}
    dry = subprocess.run(
        command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True
    )
    (line,) = [line for line in dry.stdout.splitlines() if "benchmarks.capacity" in line]
    return shlex.split(line.partition("benchmarks.capacity")[2])


def test_every_option_is_a_variable_of_make() -> None:
    taken = [
        option
        for action in parser()._actions
        for option in action.option_strings
        if option.startswith("--")
    ]
    flags = {"--check", "--quick", "--write"}
    valued = [option for option in taken if option not in {*flags, "--help"}]
    given = asked(
        *(
            f"{option.removeprefix('--').replace('-', '_').upper()}=1"
            for option in [*valued, *flags]
        )
    )
    assert given == [*(word for option in valued for word in (option, "1")), *sorted(flags)]


def test_what_only_the_environment_names_is_not_asked_for() -> None:
    others = dict.fromkeys(
        ("REQUESTS", "TOKENS", "LATENCY", "SHARE", "CHECK", "QUICK", "WRITE"), "7"
    )
    assert asked(**others) == []
    assert asked("LATENCY=3", "PRICE=", **others) == ["--latency", "3"]


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
