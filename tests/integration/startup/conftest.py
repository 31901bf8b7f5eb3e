"""Services started by entrypoint.sh."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.migrate import migrate
from core.settings import from_environment
from testing.servers import Postgres, Redis, free_port
from testing.stack import SHORT, Service, clean_environment, with_pid_gone
from testing.waiting import HANG
from tests.integration.startup.processes import KEY, Launch, left_of, running


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A broker of this file's own: its consumers must not take what the shared stack has enqueued."""
    with running(Redis(tmp_path_factory.mktemp("queues"))) as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres: Postgres, queues: Redis) -> dict[str, str]:
    """The variables of server mode, with a database that has the schema."""
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    variables = {
        "DATABASE_URL": url,
        "REDIS_URL": queues.url(),
        "SECRET_KEY": KEY,
        "REGISTRATION": "open",
    }
    migrate(from_environment(variables))
    return variables


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts a service of the given name with the given variables, on a port of its own. Whatever is left is killed."""
    started: list[Service] = []
    usual = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, it would be ignored by every child too

    def start(name: str, **variables: str) -> Service:
        base = {**clean_environment(), **SHORT, "PORT": str(free_port()), "LOG_FORMAT": "text"}
        base |= {"DATA_DIR": str(tmp_path / "data")}
        started.append(Service(name, {**base, **variables}, tmp_path).through_entrypoint().start())
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, usual)
    for service in started:
        for pid in left_of(service):
            with_pid_gone(pid, signal.SIGKILL)  # when one is killed the others end by themselves
        assert service.process is not None
        service.process.wait(HANG)
