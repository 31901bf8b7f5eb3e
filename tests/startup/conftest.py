"""Services started by entrypoint.sh."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from testing.servers import Postgres, Redis, free_port
from testing.stack import SHORT, Service, clean_environment, with_pid_gone
from testing.waiting import HANG
from tests.startup.processes import KEY, Check, Launch, checked, left_of, running

# Limits of a start and an end that no test here lets expire, unless it sets its own
PATIENT = dict.fromkeys(("STARTUP_WAIT_SECONDS", "SHUTDOWN_GRACE_SECONDS"), str(HANG))


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A broker of this file: its consumers must not take what the shared stack has enqueued."""
    with running(Redis(tmp_path_factory.mktemp("queues"))) as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres: Postgres, queues: Redis) -> dict[str, str]:
    """The variables of server mode, with a database that has the schema."""
    return {
        "DATABASE_URL": postgres.create_migrated_database(),
        "REDIS_URL": queues.url(),
        "SECRET_KEY": KEY,
        "REGISTRATION": "open",
    }


@pytest.fixture(scope="module")
def check(postgres: Postgres) -> Check:
    """Check what a service needs, in this process, with a database that has the schema."""
    return partial(checked, DATABASE_URL=postgres.create_migrated_database(), SECRET_KEY=KEY)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a service of that name, with these variables, on a port of its own.

    All that is left is killed in the end.
    """
    started: list[Service] = []
    usual = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, it would be ignored by every child too

    def start(name: str, **variables: str) -> Service:
        base = {**clean_environment(), **SHORT, "PORT": str(free_port()), "LOG_FORMAT": "text"}
        base |= {"DATA_DIR": str(tmp_path / "data"), **PATIENT}
        started.append(Service(name, {**base, **variables}, tmp_path).through_entrypoint().start())
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, usual)
    for service in started:
        for pid in left_of(service):
            with_pid_gone(pid, signal.SIGKILL)  # when one is killed the others end by themselves
        assert service.process is not None
        service.process.wait(HANG)
