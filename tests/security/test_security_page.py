"""docs/SECURITY.md is short, and the files, names, tests and items that it names exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT

PAGE = (ROOT / "docs/SECURITY.md").read_text("utf-8")

# OWASP ASVS 5.0, levels 1 and 2: the last item of each section. Those of level 3 come after it or
# have sections of their own.
ASVS = {
    **{
        "1.1": 2,
        "1.2": 9,
        "1.3": 11,
        "1.4": 3,
        "1.5": 2,
        "2.1": 3,
        "2.2": 3,
        "2.3": 4,
        "2.4": 1,
        "3.2": 2,
        "3.3": 4,
        "3.4": 6,
    },
    **{
        "3.5": 5,
        "3.7": 2,
        "4.1": 3,
        "4.2": 1,
        "4.3": 2,
        "4.4": 4,
        "5.1": 1,
        "5.2": 3,
        "5.3": 2,
        "5.4": 3,
        "6.1": 3,
        "6.2": 12,
    },
    **{
        "6.3": 4,
        "6.4": 4,
        "6.5": 5,
        "6.6": 3,
        "6.8": 4,
        "7.1": 3,
        "7.2": 4,
        "7.3": 2,
        "7.4": 5,
        "7.5": 2,
        "7.6": 2,
        "8.1": 2,
    },
    **{
        "8.2": 3,
        "8.3": 1,
        "8.4": 1,
        "9.1": 3,
        "9.2": 4,
        "10.1": 2,
        "10.2": 2,
        "10.3": 4,
        "10.4": 11,
        "10.5": 5,
        "10.6": 2,
    },
    **{
        "10.7": 3,
        "11.1": 2,
        "11.2": 3,
        "11.3": 3,
        "11.4": 4,
        "11.5": 1,
        "11.6": 1,
        "12.1": 3,
        "12.2": 2,
        "12.3": 4,
        "13.1": 1,
    },
    **{
        "13.2": 5,
        "13.3": 2,
        "13.4": 5,
        "14.1": 2,
        "14.2": 4,
        "14.3": 3,
        "15.1": 3,
        "15.2": 3,
        "15.3": 7,
        "16.1": 1,
        "16.2": 5,
    },
    **{"16.3": 4, "16.4": 3, "16.5": 3, "17.1": 1, "17.2": 4, "17.3": 2},
}
ITEMS = {f"V{section}.{number}" for section, last in ASVS.items() for number in range(1, last + 1)}
MOST_WORDS = 2000

ITEM = re.compile(r"\bV\d+\.\d+\.\d+\b")
SUFFIX = r"\.(?:py|md|sh|txt|lock|yaml|toml|railway|dockerignore)"
REFERENCE = re.compile(rf"`((?:[\w.-]+/)*[\w.-]*{SUFFIX})`(?::((?: `[A-Za-z_][\w.]*`,?)+))?")
FOLDERS = (
    "access",
    "attacks",
    "catalogue",
    "chaos",
    "commands",
    "integration",
    "security",
    "startup",
    "unit",
)
THREATS, GAPS = ["threat", "defence", "test"], ["items", "state", "reason"]


def rows_of(head: list[str]) -> Iterator[list[str]]:
    """The cells of every row of the tables with this head."""
    inside = False
    for line in PAGE.splitlines():
        cells = (
            [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        )
        if cells == head:
            inside = True
        elif not cells:
            inside = False
        elif inside and not line.startswith("|---"):
            yield cells


def references(text: str) -> Iterator[tuple[Path, str]]:
    """Each file that is named, with each name in it; with none where the file is named alone."""
    for file, names in REFERENCE.findall(text):
        path = ROOT / "tests" / file if file.split("/")[0] in FOLDERS else ROOT / file
        found = re.findall(r"`([\w.]+)`", names)
        yield from ((path, name) for name in found or [""])


@cache
def names_in(path: Path) -> set[str]:
    """Yield all that a file defines: functions, classes with their contents, and named values."""
    return set(_defined(parse_python(path.read_text("utf-8")), ""))


def _defined(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name
            yield from _defined(child, f"{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name
            yield child.name  # a test is named without its class
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


def missing(text: str) -> list[str]:
    """Yield what a text names and the repository does not have."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in references(text)
        if not path.is_file() or (name and (path.suffix != ".py" or name not in names_in(path)))
    ]


def test_it_is_short() -> None:
    assert len(PAGE.split()) <= MOST_WORDS


def test_items_exist_and_stand_there_once_with_a_reason() -> None:
    rows = list(rows_of(GAPS))
    named = ITEM.findall(PAGE)
    assert [item for item in named if item not in ITEMS or named.count(item) > 1] == []
    assert [
        row
        for row in rows
        if len(row) != 3 or row[1] not in ("partly", "missing") or len(row[2]) < 20
    ] == []
    assert named == [item for row in rows for item in ITEM.findall(row[0])]


def test_every_threat_has_a_defence_and_a_test() -> None:
    rows = list(rows_of(THREATS))
    assert len(rows) > 15
    for row in rows:
        tests = list(references(row[2]))
        assert len(row) == 3, row
        assert tests, row
        assert all(
            path.name.startswith("test_") and (not name or name.lower().startswith("test"))
            for path, name in tests
        ), row


def test_every_file_test_and_name_that_the_page_names_exists() -> None:
    assert missing(PAGE) == []


def test_every_name_of_a_file_or_a_test_is_one_that_is_looked_for() -> None:
    """One that is written in another way would not be checked."""
    named = {path.name for path, _ in references(PAGE)} | {name for _, name in references(PAGE)}
    written = re.findall(r"`([^`\s]+)`", PAGE)
    looks = [text for text in written if re.fullmatch(rf"test_\w+|Test[A-Z]\w*|\S+{SUFFIX}", text)]
    assert len(looks) > 20
    assert [text for text in looks if text.split("/")[-1] not in named] == []


@pytest.mark.parametrize(
    "text",
    [
        "`web/nothing.py`",
        "`web/endpoints/endpoint.py`: `nothing`",
        "`web/endpoints/endpoint.py`: `Endpoint.admit`, `Endpoint.nothing`",
        "`security/test_nothing.py`: `test_x`",
        "`security/accounts/test_passwords.py`: `TestPasswords`, `test_nothing`",
        "`entrypoint.sh`: `api`",
    ],
)
def test_what_is_not_there_is_found(text: str) -> None:
    assert len(missing(text)) == 1


def test_links_lead_to_pages_of_this_repository_or_to_the_lists() -> None:
    links = [
        link
        for link in re.findall(r"\]\(([^)]+)\)", PAGE)
        if not link.startswith("https://github.com/OWASP/")
    ]
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []
