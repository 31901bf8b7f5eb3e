"""docs/GLOSSARY.md: one word per thing in the names of what ships, and terms that exist."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT
from tests.unit.repository.test_layers import source_files

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
GLOSSARY = ROOT / "docs" / "GLOSSARY.md"
MOST_WORDS = 15
# Names with another meaning, or names that are stored or sent, each with its reason.
EXCEPTIONS = {
    "OperatorDecision": "schema name in web/openapi.json",
    "MonthlySpending": "named like its table",
    "models/records.py": "named like its table",
    "quality/measuring.py": "measures how well is taught; no metric of the service",
    "check_room": "free capacity, not a module",
    "take_room": "free capacity, not a module",
}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables under a heading, without their heads."""
    _, _, rest = GLOSSARY.read_text("utf-8").partition(f"\n## {heading}")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("term", "not")]


TERMS = rows("Terms")
UNUSED = {word for not_, _ in rows("Words not used") for word in not_.split(", ")}


def words_of(name: str) -> set[str]:
    """Split a name at underscores, slashes and capitals."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


@cache
def names() -> tuple[tuple[str, str, bool], ...]:
    """Return modules, classes and public functions: name, file, and whether it is a class.

    Names of migrations are stored in the database.
    """
    found = []
    for file in source_files("scripts", "quality"):
        if file.startswith("migrations/"):
            continue
        found.append((file, file, False))
        found += [
            (node.name, file, isinstance(node, ast.ClassDef))
            for node in definitions(parse_python((ROOT / file).read_text("utf-8")).body)
            if isinstance(node, ast.ClassDef) or not node.name.startswith("_")
        ]
    return tuple(found)


def definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | FunctionNode]:
    """Yield classes, functions and methods, without those inside a function."""
    for node in body:
        if isinstance(node, (ast.ClassDef, FunctionNode)):
            yield node
            yield from definitions(node.body) if isinstance(node, ast.ClassDef) else ()


def test_a_class_name_is_used_once() -> None:
    files = defaultdict(list)
    for name, file, is_class in names():
        if is_class and not name.startswith("_") and name != "Meta":  # Peewee's
            files[name].append(file)
    assert {name: of for name, of in files.items() if of[1:]} == {}


def test_names_use_the_terms_of_the_glossary() -> None:
    wrong = [
        f"{file}: {name}"
        for name, file, _ in names()
        if words_of(name) & UNUSED and name not in EXCEPTIONS
    ]
    assert wrong == [], f"see {GLOSSARY.name}: Words not used"


def test_every_exception_is_a_name() -> None:
    assert EXCEPTIONS.keys() - {name for name, _, _ in names()} == set()


@pytest.mark.parametrize("row", TERMS, ids=lambda row: row[0])
def test_a_term_has_a_meaning_and_a_place(row: list[str]) -> None:
    term, chinese, meaning, where = row
    assert term
    assert re.search(r"[\u4e00-\u9fff]", chinese) or chinese in ("token", "Webhook")
    assert 0 < len(meaning.split()) <= MOST_WORDS
    assert re.fullmatch(r"`[\w/]+\.py(: \w+)?`", where)


def test_a_term_is_explained_once() -> None:
    terms = [term for term, *_ in TERMS]
    assert len(terms) == len(set(terms)) > 50


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("room_page", {"room", "page"}),
        ("HTTPCaller", {"http", "caller"}),
        ("web/pages/x_1.py", {"web", "pages", "x", "py"}),
    ],
)
def test_a_name_is_split_into_words(name: str, words: set[str]) -> None:
    assert words_of(name) == words
