"""Private networks of IPv6 alone, as platforms have them, and an API of both families."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.servers import LOOPBACK, LOOPBACK_6, Postgres, Redis, listens, scratch_folder, started
from testing.stack import ENTRYPOINT, Stack, answer_to, running, server_stack

NAME = "servers.railway.internal"
# A file of names for one process and its children; $0 is the file, the rest what is run with it.
WITH_NAMES = ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']


def _has_ipv6() -> bool:
    try:
        with socket.create_server((LOOPBACK_6, 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="NOT RUN: this machine has no ::1")


@pytest.fixture(scope="module")
def postgres_6() -> Iterator[Postgres]:
    with scratch_folder() as folder, started(Postgres(folder, LOOPBACK_6)) as server:
        yield server


@pytest.fixture(scope="module")
def broker_6() -> Iterator[Redis]:
    with scratch_folder() as folder, started(Redis(folder, LOOPBACK_6)) as server:
        yield server


def test_servers_of_ipv6_alone_do_the_main_job_and_the_api_answers_over_both_families(
    postgres_6: Postgres, broker_6: Redis, tmp_path: Path
) -> None:
    for server in (postgres_6, broker_6):
        assert (listens(LOOPBACK_6, server.port), listens(LOOPBACK, server.port)) == (True, False)
    stack = server_stack(tmp_path, postgres_6, broker_6, API_WORKERS="2")
    assert "HOST" not in stack.environment
    assert "@[::1]:" in stack.environment["DATABASE_URL"]
    with running(stack):
        assert_both_families(stack)
        stack.do_the_main_job()


def assert_both_families(stack: Stack) -> None:
    for host in ("[::1]", "127.0.0.1"):
        answer = answer_to("GET", f"http://{host}:{stack.port}/health/ready")
        assert (answer.status_code, answer.json()["mode"]) == (200, "server"), host


def with_names(hosts: Path) -> list[str]:
    """The beginning of a command that is to find the names of this file and no others."""
    own = ["--map-root-user"] if os.getuid() else []
    return ["unshare", "--mount", *own, *WITH_NAMES, str(hosts)]


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n::1 {NAME}\n")
    asked = [*with_names(hosts), "getent", "ahosts", NAME]
    result = (
        subprocess.run(asked, capture_output=True, text=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if result is None or result.returncode:
        reason = result.stderr.strip() if result else "not installed"
        pytest.skip(f"NOT RUN: no names of a test's own without unshare ({reason})")
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"::1"}
    return with_names(hosts)


@pytest.mark.long
def test_a_name_that_leads_to_ipv6_alone_is_as_good_as_an_address(
    postgres_6: Postgres, broker_6: Redis, tmp_path: Path, names: list[str]
) -> None:
    stack = server_stack(tmp_path, postgres_6, broker_6)
    for service in stack.services.values():
        service.command = [*names, ENTRYPOINT]
        for url in ("DATABASE_URL", "REDIS_URL"):
            service.environment[url] = service.environment[url].replace("[::1]", NAME)
            assert NAME in service.environment[url]
    with running(stack):
        assert_both_families(stack)
        stack.do_the_main_job()
