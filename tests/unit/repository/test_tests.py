"""Tests touch names that others may use as well, and no private names of a module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT
from tests.unit.repository.test_layers import LAYERS

NOTHING_PUBLIC = {  # what libraries have no other name for
    "_exit": "os: ends a process as a crash does",
    "_replace": "namedtuple: public, and named so that it hides no field",
    "_meta": "peewee: the table and the fields of a model",
    "_actions": "argparse: the options of a parser",
    "_graceful": "huey: whether a consumer that ends waits for its workers",
    "_restart": "huey: whether a consumer is started again when it has ended",
    "_handle_signal": "huey: what a consumer does with a signal",
    "_in_use": "peewee: the connections of a pool that threads have",
}
OWN = ("self", "cls", "super")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PATCHING = ("setattr", "delattr")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def name_of(node: ast.AST) -> str:
    """Of what stands before a dot, also when it is called; empty when it has none."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.id if isinstance(called, ast.Name) else ""


def own_names(tree: ast.AST) -> set[str]:
    """Names of the classes of this file: methods, and attributes that their objects set."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    nodes = [node for each in classes for node in ast.walk(each)]
    methods = {node.name for node in nodes if isinstance(node, FUNCTIONS)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    stored = [each for each in attributes if isinstance(each.ctx, ast.Store)]
    return methods | {each.attr for each in stored if name_of(each.value) in OWN}


def private_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and name_of(node.value) not in OWN:
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in LAYERS:
                names = [each.name for each in node.names]
                yield from ((node.lineno, name) for name in names if is_private(name))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in PATCHING:
            named = [each.value for each in node.args if isinstance(each, ast.Constant)]
            names = [str(name).rpartition(".")[2] for name in named[:1]]  # not what it is set to
            yield from ((node.lineno, name) for name in names if is_private(name))


def private_uses(tree: ast.AST) -> list[tuple[int, str]]:
    found = [each for each in private_names(tree) if each[1] not in NOTHING_PUBLIC]
    own = own_names(tree) if found else set()
    return [each for each in found if each[1] not in own]


def uses_of(path: Path) -> list[str]:
    found = private_uses(parse_python(path.read_text("utf-8")))
    return [f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in found]


def test_no_test_reaches_into_what_a_module_keeps_to_itself() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 100
    assert [use for path in files for use in uses_of(path)] == []


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("queue._registry.clear()", True),
        ("module()._parser", True),
        ("from core.backends import _file", True),
        ('monkeypatch.setattr("web.pages._standing", None)', True),
        ('patch.setattr(keeper, "_renew", None)', True),
        ("from testing.stack import _file", False),
        ("os._exit(1)", False),
        ("class A:\n    def _a(self): self._b = other._b or super()._c or other._a()", False),
        ('monkeypatch.setattr(module, "shown", {"_meta": "_x"})', False),
    ],
)
def test_the_rule_finds_what_it_should(line: str, is_wrong: bool) -> None:
    assert bool(private_uses(parse_python(line))) is is_wrong
