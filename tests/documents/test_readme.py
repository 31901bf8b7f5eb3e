"""The README's commands do what it says."""

import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from cli import demo
from core.settings import Settings
from roadmap.plan.statuses import EventType
from testing.servers import Postgres, Redis, free_port
from testing.stack import GOAL, OPEN_TO_TESTS, ROOT, Stack, clean_environment, running, server_stack
from testing.waiting import HANG, wait_until
from tests.commands.in_process import roadmap

README = (ROOT / "README.md").read_text(encoding="utf-8")
CURLS = re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)


@pytest.fixture
def service(shared_embedded: Stack) -> Stack:
    return shared_embedded


def test_the_curl_of_the_readme_is_answered_with_202(service: Stack) -> None:
    assert CURLS
    for command in CURLS:
        arguments = shlex.split(command.replace("http://127.0.0.1:8000", service.url))
        output = subprocess.run(
            arguments, capture_output=True, text=True, check=True, timeout=HANG
        ).stdout
        assert output.startswith("HTTP/1.1 202")
        location = re.search(r"^location: (\S+)", output, re.MULTILINE)
        assert location
        assert service.finished(location[1])["status"] == "ready"


def test_every_make_target_and_page_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"[`$] ?make ([a-z-]+)", README))
    assert {"run", "demo", "test"} <= named <= targets
    for page in re.findall(r"\]\((docs/[^)#]+)\)", README):
        assert (ROOT / page).is_file(), page


def test_the_demo_makes_a_roadmap_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Behind a proxy, too, which would look for its services on a machine of its own."""
    proxy = f"http://127.0.0.1:{free_port()}"
    output = tmp_path / "roadmap.md"
    command = [sys.executable, "roadmap_cli.py", "demo", GOAL]
    result = subprocess.run(
        [*command, "--output", str(output)],
        cwd=ROOT,
        env={**within(tmp_path), "HTTP_PROXY": proxy, "http_proxy": proxy, "ALL_PROXY": proxy},
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )
    (shown,) = re.findall(
        r"^\$ make demo GOAL=\"Become.*?\n\n(.*?)\n +\.\.\.$", README, re.M | re.S
    )
    assert shown in result.stdout
    written = output.read_text(encoding="utf-8")
    assert written.startswith("# Backend engineer with Python")
    assert written.count("\n#### ") >= 15
    assert running_demos(tmp_path) == []


def test_the_demo_says_which_tracks_there_are_when_none_fits(
    service: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo, "running_service", lambda: nullcontext(service.url))
        patch.setattr(demo.signal, "signal", lambda number, handler: None)
        file = tmp_path / "x.md"
        result = roadmap({}, "demo", "Bake sourdough bread", "--output", file)
    assert result.code == 1
    assert "Backend engineer with Python" in result.errors
    assert "OPENAI_API_KEY" in result.errors
    assert not file.exists()


def test_ctrl_c_in_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "roadmap_cli.py", "demo", GOAL, "--output", str(tmp_path / "x.md")]
    demo = subprocess.Popen(
        command,
        cwd=ROOT,
        env=within(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    wait_until(lambda: len(running_demos(tmp_path)) >= 4, reason="the services have started")
    os.killpg(demo.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    assert demo.wait(HANG) != 0
    assert running_demos(tmp_path) == []


def running_demos(folder: Path) -> list[str]:
    """Processes whose output goes to the scratch folder of a demo in this one, deleted or not."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            result = os.readlink(process / "fd" / "2")
        except OSError:  # ended meanwhile, or not ours
            continue
        if result.startswith(str(folder)):
            found.append(process.name)
    return found


def within(folder: Path) -> dict[str, str]:
    """An environment whose scratch files are made in this folder."""
    return {**clean_environment(), "TMPDIR": str(folder)}


def test_the_commands_of_the_page_about_roadmaps_work_as_they_stand(
    service: Stack, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "ROADMAPS.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    export = re.findall(r"`(export H=[^`]*)`", page)
    assert len(commands) >= 9
    assert len(export) == 1
    script = "\n".join(["set -euo pipefail", *export, *commands]).replace(
        "http://127.0.0.1:8000", service.url
    )
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Removed the concept" in result.stdout
    assert '"estimate":null' in result.stdout
    (location,) = set(re.findall(r'"self":"([^"]+)"', result.stdout))
    assert service.get(location).json()["status"] == "ready"


def test_the_page_about_roadmaps_names_every_event() -> None:
    page = (ROOT / "docs" / "ROADMAPS.md").read_text(encoding="utf-8")
    table = page[page.index("### Events") : page.index("### Operations")]
    assert set(re.findall(r"`((?:roadmap|revision|content)\.\w+)`", table)) == set(EventType)


def test_the_demo_shows_words_of_a_model_as_they_are(tmp_path: Path) -> None:
    """Titles may look like markup of the terminal or of Markdown."""
    concept = {
        "week": 1,
        "hours": 1,
        "title": "Access with a[i] [/]",
        "contents": {},
        "description": "<img onerror=x>",
    }
    module = {"title": "[/path]", "description": "", "concepts": [concept]}
    stage = {"title": "Regex [/] classes", "description": "", "hours": 1, "modules": [module]}
    with demo.console.capture() as shown:
        demo.print_tree(
            {"title": "[bold]", "hours": 1, "weeks": 1, "remarks": ["[x]"], "stages": [stage]}
        )
    assert [
        text
        for text in ("[bold]", "[x]", "Regex [/] classes", "[/path]", "a[i] [/]")
        if text not in shown.get()
    ] == []


def test_the_commands_of_the_page_about_accounts_work_as_they_stand(
    postgres: Postgres, own_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = (ROOT / "docs" / "ACCOUNTS.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    (export,) = re.findall(r"`(export H=[^`]*)`", page)
    assert len(commands) >= 8
    first = {"ADMIN_EMAIL": "boss@example.org", "ADMIN_PASSWORD": "correct horse battery"}
    by_default = dict.fromkeys(OPEN_TO_TESTS, "")
    with running(
        server_stack(
            tmp_path_factory.mktemp("accounts"), postgres, own_broker, **first, **by_default
        ),
        "api",
    ) as stack:
        script = "\n".join(["set -euo pipefail", export, *commands]).replace(
            "http://127.0.0.1:8000", stack.url
        )
        result = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=HANG
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert '"status":"queued"' in result.stdout
    assert '"prefix":"rmk_' in result.stdout


def test_the_limits_on_the_page_about_accounts_are_those_of_the_settings() -> None:
    page = (ROOT / "docs" / "ACCOUNTS.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"`([A-Z_]+)` \(([0-9,]+)\)", page))
    assert set(found) >= {
        "REQUESTS_PER_MINUTE",
        "LOGIN_ATTEMPTS",
        "MOST_UNFINISHED_ROADMAPS",
        "MOST_QUEUED_ROADMAPS",
    }
    defaults = {name: str(Settings.model_fields[name.lower()].default) for name in found}
    assert {name: number.replace(",", "") for name, number in found.items()} == defaults
