"""Terms that a tutorial introduces, each where it is bold."""

import ast
import gc

import pytest

from roadmap.generation.tutorial_lint import (
    ends_with_solution,
    introduced_twice,
    parse_python,
    read,
    without_solution,
)


@pytest.mark.parametrize(
    ("markdown", "terms"),
    [
        ("A **list** holds items; a **List** is the same.", ("list",)),
        ("A **`dict`:** and a ***set*** and a **frozen\nset**.", ("dict", "set", "frozen set")),
        ("- **元组**：不可变。\n- __集合__。", ("元组", "集合")),
        ("## A **title** is no term\n\n`**code**`\n\n```\n**code**\n```", ()),
        (f"**{'long ' * 20}** and ** no ** and ****", ()),
        ("| **key** | b |\n|---|---|\n| **a** | b |", ("key", "a")),
    ],
)
def test_terms_are_what_is_bold_and_short(markdown: str, terms: tuple[str, ...]) -> None:
    assert read(markdown).terms == terms


def test_there_are_at_most_twenty() -> None:
    assert len(read(" ".join(f"**term {number}**" for number in range(100))).terms) == 20


def test_terms_that_a_course_introduces_twice_are_found() -> None:
    course = {
        "lists": "A **list** holds **items**.",
        "loops": "A loop takes **Items** one by one, in an **iteration**.",
        "sets": "A **set** has no order; an **iteration** has one, a **list** too.",
    }
    assert introduced_twice(course) == {
        "list": ["lists", "sets"],
        "items": ["lists", "loops"],
        "iteration": ["loops", "sets"],
    }


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (["Why", "Exercise", "Solution"], True),
        (["练习", "解答"], True),
        (["Übung: Summen", "Lösung mit Begründung"], True),
        (["Exercise", "A worked answer"], True),
        (["Why", "Exercise"], False),
        (["Why", "Summary"], False),
        (["理解索引", "理解执行计划"], False),
        (["Solution"], False),
        ([], False),
    ],
)
def test_a_solution_is_the_last_section_by_its_heading(titles: list[str], expected: bool) -> None:
    assert ends_with_solution(titles) is expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_tutorial_is_cut_before_the_heading_of_its_solution(end: str) -> None:
    code = end.join(("```", "## Solution", "```"))
    taught = end.join(("# Sums", code, "## Exercise", "Add.", ""))
    solution = end.join(("Solution", "---", "3", "", "### Why", "By adding.", ""))
    cut = without_solution(f"{taught}{end}{solution}")
    assert cut == (taught.replace(end, "\n"), solution.replace(end, "\n"))
    assert without_solution(taught) == (taught.replace(end, "\n"), "")


def test_code_is_parsed_while_another_thread_parses() -> None:
    code = "\n".join(f"def f{number}(a):\n    return [a, {number}]" for number in range(400))

    def parse_another(phase: str, _: object) -> None:
        if phase == "start":
            gc.callbacks.remove(parse_another)
            ast.parse("1")

    usual = gc.get_threshold()  # a service that was started here may have raised it
    gc.collect()
    gc.set_threshold(1000)
    gc.callbacks.append(parse_another)
    try:
        assert len(parse_python(code).body) == 400
        assert parse_another not in gc.callbacks
    finally:
        gc.set_threshold(*usual)
