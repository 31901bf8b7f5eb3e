"""Services that are started with some variables and, often, refuse to."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import LOOPBACK, Postgres, free_port, listens
from tests.stack import SHORT, Service, clean_environment
from tests.waiting import wait_until

SECRET = "hunter2-s3cret"  # what a test puts into an address, and nobody may read
KEY = "a key of the tests with at least 32 characters"
CONSUMERS = ("huey_logs", "huey_content")
Launch = Callable[..., Service]


@contextmanager
def launching(folder: Path, postgres: Postgres) -> Iterator[Launch]:
    """Starts a service of that name with a database that has its tables, until the end of the block."""
    services: list[Service] = []
    url = postgres.create_database(folder.name)

    def start(name: str, **variables: str) -> Service:
        base = {**clean_environment(), **SHORT, "PORT": str(free_port()), "DATABASE_URL": url, "SECRET_KEY": KEY}
        services.append(Service(name, {**base, **variables}, folder).start())
        return services[-1]

    try:
        api = start("api", REDIS_URL=f"redis://{LOOPBACK}:1/0")  # for the schema; it needs no broker
        wait_until(lambda: listens(LOOPBACK, int(api.environment["PORT"])), reason="the API listens")
        yield start
    finally:
        for service in services:
            if service.alive():
                service.signal(signal.SIGKILL)
            assert service.process is not None
            service.process.wait(10)


def refusal(service: Service) -> str:
    """The one sentence of a service that ends with 1, after it has waited or at once."""
    assert service.process is not None
    assert service.process.wait(30) == 1, service.output
    assert SECRET not in service.output
    assert "Traceback" not in service.output
    lines = [line for line in service.output.splitlines() if not line.startswith("waiting: ")]
    assert len(lines) == 1, service.output
    assert lines[0].startswith("error: ")
    return lines[0]


def waited(service: Service) -> bool:
    return "waiting: " in service.output
