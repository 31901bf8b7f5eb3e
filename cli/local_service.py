"""Services that a command runs on this machine: API and workers in one instance."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx2

from cli.output import CommandFailed
from core.paths import ROOT

START_LIMIT = 60.0  # seconds for the services to answer
STOP_LIMIT = 30.0  # seconds for the services to end
POLL = 0.1


def start_services(environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start the services in a session of their own; they write to this file.

    On Linux they end with this process, however it ends.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    end_with_parent = prctl and partial(prctl, 1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    with log.open("wb") as sink:
        return subprocess.Popen(
            [str(ROOT / "entrypoint.sh")],
            env={**environment, "SERVICE_TYPE": "all", "ROADMAP_PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 -- a command has one thread here
        )


def answers(address: str) -> bool:
    """Return whether a GET succeeds."""
    with suppress(httpx2.TransportError):
        return httpx2.get(address, timeout=5, trust_env=False).is_success
    return False


def wait_until_ready(url: str, services: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while services.poll() is None and time.monotonic() < deadline:
        if answers(f"{url}/health/ready"):
            return
        time.sleep(POLL)
    problem = (
        f"did not answer within {START_LIMIT:g} s" if services.poll() is None else "did not start"
    )
    raise CommandFailed(f"The services {problem}:\n{log.read_text(errors='replace').strip()}")


def stop(services: "subprocess.Popen[bytes]") -> None:
    """Stop the services, or kill their session after a limit. Ignores Ctrl-C."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        services.terminate()
        services.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(services.pid, signal.SIGKILL)
        services.wait()
    finally:
        signal.signal(signal.SIGINT, interrupt)
