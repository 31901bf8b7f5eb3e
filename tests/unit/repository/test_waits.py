"""Tests wait by conditions and one limit, never by the speed of the machine."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT
from testing.waiting import HANG

# Tools that pace a load or report how long they took. None of them judges by it.
TOOLS = {
    "testing/waiting.py",
    "tests/chaos/faults.py",
    "tests/chaos/load.py",
    "tests/chaos/soak.py",
    "tests/durations.py",
    "tests/faults/__main__.py",
    "tests/fuzz/run.py",
    "tests/subjects.py",
}
ATTACKER = "tests/attacks/attacker/"  # a program for anybody's server, whose clock it cannot move
CLOCKS = {"monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns"}
WALL_CLOCKS = CLOCKS | {"time", "time_ns", "now"}
LIMITS = {"timeout", "socket_timeout", "connect_timeout"}
WAITS = {
    *("wait", "join", "result", "communicate", "settimeout", "wait_for", "acquire", "has_ended"),
    *("select", "set_default_timeout", "wait_for_timeout"),
}


def called(node: ast.Call) -> str:
    """Return the last part of what is called."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def literal_numbers(tree: ast.Module) -> set[str]:
    """Return the names of this module's constants that are plain numbers."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and is_number(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def is_number(node: ast.expr) -> bool:
    """Whether it is a literal number other than zero, which does not wait."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        and node.value != 0
    )


def violations(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and rule of everything that depends on the speed of the machine."""
    tree = parse_python(source)
    numbers = literal_numbers(tree)

    def is_limit(value: ast.expr) -> bool:
        return is_number(value) or (isinstance(value, ast.Name) and value.id in numbers)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = called(node)
            limits = [word.value for word in node.keywords if word.arg in LIMITS]
            limits += node.args if name in WAITS else []
            if any(map(is_limit, limits)):
                yield node.lineno, "a literal timeout: HANG, or BRIEF for one that shall expire"
            if name == "sleep" and not (node.args and ast.unparse(node.args[0]) == "0"):
                yield node.lineno, "sleep: wait_until waits for a condition"
            if name in CLOCKS:
                yield node.lineno, "reads a clock: count the work, or move core.clock"
        elif isinstance(node, ast.Compare):
            clocks = {called(part) for part in ast.walk(node) if isinstance(part, ast.Call)}
            if clocks & WALL_CLOCKS:
                yield node.lineno, "compares wall-clock time"


def test_no_test_depends_on_the_speed_of_the_machine() -> None:
    found = [
        f"{path}:{line}: {rule}"
        for folder in ("tests", "testing")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if (path := file.relative_to(ROOT).as_posix()) not in TOOLS
        and not path.startswith(ATTACKER)
        for line, rule in violations(file.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "process.wait(10)",
        "LIMIT = 5.0\nprocess.wait(LIMIT)",
        "get(url, timeout=30)",
        "time.sleep(0.1)",
        "began = monotonic()",
        "assert time.time() - began < 5",
        "assert datetime.now(UTC) < due",
    ],
)
def test_a_rule_finds_its_violation(source: str) -> None:
    assert list(violations(source))


@pytest.mark.parametrize(
    "source",
    ["process.wait(HANG)", "','.join(names)", "await asyncio.sleep(0)", "queue.get(timeout=0)"],
)
def test_the_rules_let_it_pass(source: str) -> None:
    assert not list(violations(source))


def test_the_limit_of_pytest_leaves_room_for_three_waits(pytestconfig: pytest.Config) -> None:
    assert HANG >= 120
    assert float(pytestconfig.getini("timeout")) >= 3 * HANG


def test_every_tool_of_the_list_exists() -> None:
    assert all(Path(ROOT, tool).is_file() for tool in TOOLS)
