"""`roadmap serve`, as a person starts it without settings."""

import subprocess
from pathlib import Path

import httpx2

from testing.commands import ROADMAP, command
from testing.servers import free_port
from testing.stack import answer_to
from testing.waiting import wait_until


def test_it_serves_in_embedded_mode(tmp_path: Path) -> None:
    port = free_port()
    environment = {"PORT": str(port), "DATA_DIR": str(tmp_path / "data")}
    log = (tmp_path / "log").open("wb")
    with log, subprocess.Popen([ROADMAP, "serve"], env=command(environment), stderr=log) as service:

        def mode() -> str | None:
            assert service.poll() is None, (tmp_path / "log").read_text()
            try:
                answer = answer_to("GET", f"http://127.0.0.1:{port}/health/ready")
            except httpx2.TransportError:
                return None
            return str(answer.json()["mode"]) if answer.is_success else None

        assert wait_until(mode, reason="it is ready") == "embedded"
        service.terminate()
    assert (tmp_path / "data").is_dir()
