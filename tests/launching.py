"""Services that are started with some variables and refuse to start."""

from collections.abc import Callable

from testing import commands
from testing.commands import FinishedCommand
from testing.servers import LOOPBACK, Postgres, free_port
from testing.stack import BEFORE, SHORT, clean_environment

SECRET = "hunter2-s3cret"  # what a test puts into an address, and no message may show
KEY = "a key of the tests with at least 32 characters"
CONSUMERS = ("huey_logs", "huey_content")
Launch = Callable[..., FinishedCommand]


def launching(name: str, postgres: Postgres) -> Launch:
    """Start a service of that name with a database, called `name`, that has its tables.

    It gives what the service says until it ends.
    """
    url = postgres.create_database(name)
    commands.succeeded(
        {"DATABASE_URL": url, "REDIS_URL": f"redis://{LOOPBACK}:1/0", "SECRET_KEY": KEY}, "migrate"
    )

    def start(service: str, **variables: str) -> FinishedCommand:
        return launched(service, **{"DATABASE_URL": url, "SECRET_KEY": KEY, **variables})

    return start


def launched(service: str, **variables: str) -> FinishedCommand:
    """The output until it ends; no server listens at its PORT."""
    base = {**clean_environment(), **SHORT, "PORT": str(free_port()), "SERVICE_TYPE": service}
    base |= {"LOG_FORMAT": "text"}
    return commands.refused({**base, **variables})


def refusal(found: FinishedCommand) -> str:
    """The one sentence of a service that ends with 1, after it has waited or at once."""
    assert found.code == 1, found
    assert SECRET not in found.errors
    assert "Traceback" not in found.errors
    text = (found.output + found.errors).splitlines()
    lines = [line for line in text if not line.startswith(BEFORE)]
    assert len(lines) == 1, found
    assert lines[0].startswith("error: ")
    return lines[0]


def waited(text: FinishedCommand) -> bool:
    return "waiting: " in text.errors
