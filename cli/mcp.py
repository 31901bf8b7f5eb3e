"""`mcp`: tools for agents over standard input and output (docs/MCP.md)."""

import fcntl
import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from cli.api_client import key_option, url_option
from cli.local_service import answers, start_services, stop, wait_until_ready
from cli.output import CommandFailed
from core.settings import LOOPBACK


@click.command()
@url_option
@key_option
@click.option(
    "--start", is_flag=True, help="Start the service on this machine if none answers; end it after."
)
def mcp(url: str, key: str | None, start: bool) -> None:
    """Serve tools to an agent (Model Context Protocol). A client starts this command and talks to
    it over standard input and output.
    """
    try:
        from mcp_server.stdio import run  # an extra, which takes a second to load
    except ModuleNotFoundError:
        raise CommandFailed(
            "The MCP server is not installed. Run `make mcp` in a checkout, or install the wheel "
            "with its extra `mcp` (docs/MCP.md)."
        ) from None
    with ExitStack() as stack:

        def end(received: int, frame: FrameType | None) -> None:
            """End at once, although a thread waits for standard input."""
            stack.close()
            os._exit(128 + received)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        if start:
            _start_service(url, stack)
        run(url, key)


def _start_service(url: str, stack: ExitStack) -> None:
    """Unless a service answers, run one on the data of `make run` until the stack ends."""
    name = f"{tempfile.gettempdir()}/roadmap-mcp-{os.getuid()}.lock"
    with os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a client may start this command twice at once
        if answers(f"{url}/health"):
            return
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise CommandFailed(
                f"{url} does not answer, and --start works only for an address of this machine."
            )
        log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roadmap-mcp-"))) / "log"
        services = start_services({**os.environ, "PORT": str(parts.port or 80)}, log)
        stack.callback(stop, services)
        wait_until_ready(url, services, log)
