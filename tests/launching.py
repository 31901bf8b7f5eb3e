"""Services that are started with some variables and refuse to start."""

from testing import commands
from testing.commands import FinishedCommand
from testing.servers import free_port
from testing.stack import BEFORE, SHORT, clean_environment

SECRET = "hunter2-s3cret"  # what a test puts into an address, and no message may show
CONSUMERS = ("huey_logs", "huey_content")


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
