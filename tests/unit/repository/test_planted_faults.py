"""The table of planted faults fits the code and the tests that it names."""

import ast
import re
from collections import Counter
from functools import cache

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT
from tests.cases import try_each
from tests.faults.planted import FAULTS, Fault

TEST = (ast.FunctionDef, ast.AsyncFunctionDef)

each = try_each("fault", FAULTS, ids=lambda fault: fault.name)


@cache
def names_in(file: str) -> frozenset[str]:
    """Tests of a file, and classes of them, as pytest names them, without the parameters."""
    body = parse_python((ROOT / file).read_text("utf-8")).body
    classes = [each for each in body if isinstance(each, ast.ClassDef)]
    places = [("", body), *((f"{each.name}::", each.body) for each in classes)]
    tests = {f"{way}{each.name}" for way, its in places for each in its if isinstance(each, TEST)}
    return frozenset(tests | {each.name for each in classes})


def test_each_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


@each
def test_what_it_replaces_stands_there_once(fault: Fault) -> None:
    text, count = fault.pattern.subn(lambda _: fault.new, (ROOT / fault.file).read_text("utf-8"))
    assert count == 1
    if fault.file.endswith(".py"):
        parse_python(text)  # a fault that no Python can read would be found by any test
    assert fault.new != fault.old
    assert fault.lost.endswith(".")


@each
def test_the_tests_that_find_it_are_there(fault: Fault) -> None:
    assert 1 <= len(fault.found_by) <= 3
    for test in fault.found_by:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file()
        assert not name or name.partition("[")[0] in names_in(file)
