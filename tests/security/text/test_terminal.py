"""Output of commands without characters that move a terminal."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from huey.registry import Message

from core.backends import signing_keys
from reliable_queue.messages import SignedJsonSerializer
from testing.stack import ROOT, clean_environment
from testing.stack_queues import queue_of, settings_of
from testing.waiting import HANG, wait_until
from tests.chaos.checks import dead
from tests.integration.conftest import KEY
from tests.security.text.checks import (
    FORGED,
    SCRIPT,
    SHORT,
    Made,
    assert_markdown_is_harmless,
    assert_no_connection,
    harmful,
    printed,
)


def test_dead_letters_are_listed_without_what_moves_a_terminal(made: Made) -> None:
    evil = f"\x1b]0;owned\x07\x1b[31m\x9b2J\u202e{FORGED}[bold]x[/]"
    keys = signing_keys(settings_of(made.stack))

    def signed(queue: str, name: str, *arguments: object) -> bytes:
        message = Message(id=str(uuid4()), name=name, args=arguments, kwargs={}, retries=0)
        return bytes(SignedJsonSerializer(keys, salt=queue).seal(message, None, {}))

    letters = {
        "content": [evil.encode(), signed("content", "tasks.content.build_content", evil)],
        "logs": [
            b"\x1b[2J\x9b" + evil.encode(),
            signed("logs", "tasks.logs.store_log_batch", [{"at": evil, "message": evil}]),
        ],
    }
    for name, messages in letters.items():
        with queue_of(made.stack, name) as queue:
            for data in messages:
                queue.storage.enqueue(data)
            wait_until(
                lambda queue=queue: queue.storage.stats().dead == 2,
                reason=f"the letters of {name} are put aside",
            )
        result = dead(made.stack, "dead", "--queue", name)
        assert (result.code, result.errors) == (0, "")
        assert FORGED in result.output
        assert harmful(result.output) is False
    assert [line for line in printed(made.stack) if harmful(line)] == []


def test_the_demo_prints_and_writes_a_hostile_roadmap_as_text(made: Made, tmp_path: Path) -> None:
    result = demo(made, tmp_path, SHORT)
    assert result.returncode == 1  # as one part of it has failed
    assert f"Baking {SCRIPT}" in result.stdout
    assert harmful(result.stdout + result.stderr) is False
    written = (tmp_path / "roadmap.md").read_text()
    assert harmful(written) is False
    assert made.hostile.inside in written
    assert_markdown_is_harmless(written)
    assert_no_connection(made.inside)


def test_the_demo_refuses_a_goal_that_would_move_the_terminal(made: Made, tmp_path: Path) -> None:
    result = demo(made, tmp_path, "Learn to bake\x1b]0;owned\x07\x9b2J")
    assert result.returncode == 1
    assert result.stderr == "Error: Invalid goal: must not contain control characters.\n"
    assert not (tmp_path / "roadmap.md").exists()


def demo(made: Made, folder: Path, goal: str) -> "subprocess.CompletedProcess[str]":
    """`roadmap_cli.py demo -- goal`, in embedded mode, with the hostile model."""
    model = {
        name: value
        for name, value in made.stack.environment.items()
        if name.startswith(("OPENAI_", "MODEL_", "MAX_", "RETRY_"))
    }
    environment = {
        **clean_environment(),
        **model,
        "OPENAI_BASE_URL": made.model_url,
        "OPENAI_API_KEY": KEY,
        "COLUMNS": "300",
    }
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    command = [sys.executable, str(ROOT / "roadmap_cli.py"), "demo", "--", goal]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
