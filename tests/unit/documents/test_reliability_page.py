"""docs/RELIABILITY.md names tests that exist, and no fault test is missing there."""

import ast
import re
from collections import defaultdict

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT

PAGE = (ROOT / "docs/RELIABILITY.md").read_text("utf-8")
NAMED = re.compile(r"`(test_\w+\.py)`(?:: `(test_\w+)`)?")


def fault_tests() -> dict[str, set[str]]:
    """The names of the tests of each file that runs real processes."""
    found: dict[str, set[str]] = defaultdict(set)  # two files may have one name
    for folder in ("attacks", "chaos", "integration", "security", "startup"):
        for path in (ROOT / "tests" / folder).rglob("test_*.py"):
            for node in ast.walk(parse_python(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    found[path.name].add(node.name)
    return found


def test_every_test_that_the_page_names_exists() -> None:
    there = fault_tests()
    named = NAMED.findall(PAGE)
    assert named
    assert [(file, name) for file, name in named if name and name not in there.get(file, ())] == []
    assert [file for file, _ in named if file not in there] == []


def test_every_file_of_fault_tests_is_named_on_the_page() -> None:
    chaos = {path.name for path in (ROOT / "tests/chaos").glob("test_*.py")}
    assert chaos - {file for file, _ in NAMED.findall(PAGE)} == set()


def test_every_row_of_the_table_is_shown_by_a_test() -> None:
    rows = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| ") and not line.startswith(("| fault", "|---"))
    ]
    assert len(rows) >= 30
    assert [row for row in rows if not NAMED.search(row)] == []
