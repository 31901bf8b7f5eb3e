"""Requests to other servers: only the clients that are listed send them."""

import ast
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import GOAL, ROOT, Stack
from tests.attacks.text.checks import answers_about, assert_no_connection, listening


def test_a_goal_with_addresses_makes_no_connection(stack: Stack) -> None:
    with listening() as inside:
        address = f"http://127.0.0.1:{inside.getsockname()[1]}/"
        evil = {"background": f"![x]({address})", "preferences": f'<img src="{address}">'}
        path = stack.create(f"{GOAL} from {address}", level="advanced", **evil)
        stack.finished(path)
        for answer in answers_about(stack, path, concepts=5):
            assert answer.status_code == 200
        assert_no_connection(inside)
        with closing(socket.create_connection(inside.getsockname())):  # it would have been noticed
            accepted, _ = inside.accept()
            accepted.close()


HTTP_CLIENTS = {
    "httpx",
    "httpx2",
    "openai",
    "requests",
    "urllib.request",
    "urllib3",
    "http.client",
    "aiohttp",
    "websockets",
    "pycurl",
    "socket",
}
CLIENTS = {
    ("roadmap/generation/llm/client.py", "httpx2"),
    ("roadmap/generation/llm/client.py", "openai"),
    ("roadmap/generation/llm/server_profile.py", "httpx2"),
}
OWN_ADDRESS = {("core/startup/banner.py", "http.client")}  # asks whether this very service answers
WEBHOOKS = {
    ("core/net/safe_http.py", "socket")
}  # to addresses that are checked: tests/security/test_webhooks.py
OWN_INTERFACES = {
    ("core/net/own_addresses.py", "socket")
}  # binds, to see whether an address is this machine's
LISTENS = {("core/startup/preflight.py", "socket")}  # tries whether the address of the API is free


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it and in whatever way, also by its name."""
    for node in ast.walk(parse_python(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            yield from (
                each.value
                for each in node.args
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def test_nothing_but_the_model_client_webhooks_and_links_can_ask_another_server() -> None:
    rooms = ("core", "reliable_queue", "models", "roadmap", "tasks", "web")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")] + [
        ROOT / "roadmap_app.py",
        ROOT / "cli/run_services.py",
    ]
    assert len(files) > 60
    found = {
        (str(file.relative_to(ROOT)), client)
        for file in files
        for name in imported(file)
        for client in HTTP_CLIENTS
        if f"{name}.".startswith(f"{client}.")
    }
    assert found == CLIENTS | OWN_ADDRESS | WEBHOOKS | OWN_INTERFACES | LISTENS


def test_the_banner_calls_this_machine_only() -> None:
    calls = [
        ast.unparse(node)
        for node in ast.walk(parse_python((ROOT / "core" / "startup" / "banner.py").read_text()))
        if isinstance(node, ast.Call) and "http.client" in ast.unparse(node.func)
    ]
    assert calls == ["http.client.HTTPConnection('127.0.0.1', settings.port, timeout=2)"]
