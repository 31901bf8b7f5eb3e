"""llama.cpp's server with a small model, and what it reported of each answer."""

import subprocess
from collections.abc import Iterator

import httpx2
import pytest

from testing.servers import free_port
from testing.stack import ROOT, answer_to
from testing.waiting import HANG, wait_until
from tests.model.tap import Tap

CONTEXT = 4096  # tokens


@pytest.fixture(scope="module")
def tap() -> Iterator[Tap]:
    """The server behind a tap, once it has loaded the model."""
    command = [ROOT / "scripts" / "bring_model.sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "NOT RUN" in done.stdout:
        pytest.skip(done.stdout)
    port = free_port()
    python = ROOT / ".venv" / "model" / "bin" / "python"
    server = subprocess.Popen(
        [python, ROOT / "tests" / "model" / "server.py", str(port), str(CONTEXT)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_loaded(port, server), reason="the model is loaded")
        with Tap(port) as tap:
            yield tap
    finally:
        server.kill()
        server.wait(HANG)


def is_loaded(port: int, server: "subprocess.Popen[bytes]") -> bool:
    assert server.poll() is None, "the model's server ended"
    try:
        return answer_to("GET", f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx2.TransportError:
        return False
