"""The recipes of docs/API.md work as they stand, in both modes, and do what the page shows."""

import re
import sys
from dataclasses import astuple
from pathlib import Path

import pytest

from core.settings import Settings
from testing.stack import ROOT, Stack, clean_environment
from tests.cases import try_each
from tests.pages import Names, Section, Step, difference, outputs_of, sections
from web.endpoints.endpoint import ROADMAP
from web.http.problems import TYPES
from web.routes import ENDPOINTS

PAGE = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
SECTIONS = [section for section in sections(PAGE) if section.steps]
RECIPES = [section for section in SECTIONS if re.match(r"\d+\. ", section.title)]
EVERYTHING = [step for section in SECTIONS for step in section.steps]
DEFINITIONS = ("JSON=", "pick()")  # which commands use that come later


@pytest.fixture(
    scope="module",
    params=[
        "server",
        "documentation of embedded mode",
        pytest.param("embedded", marks=pytest.mark.long),
    ],
)
def outputs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Step, str]:
    """Of every command of the page, run one after the other in one shell, as a person would."""
    stack: Stack = request.getfixturevalue(
        "shared_server" if request.param == "server" else "shared_embedded"
    )
    stack.request("PUT", "/api/v1/review-limits", json={"reviews": 500, "new": 500})
    run = [step for step in EVERYTHING if step.mode in (None, stack.mode)]
    if request.param not in ("server", "embedded"):
        run = [step for step in run if step.mode or step.command.startswith(DEFINITIONS)]
        assert any(step.mode for step in run)
    authorization = "".join(f"{name}: {value}" for name, value in stack.headers.items())
    environment = clean_environment()
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",  # a quick python3
        "ROADMAP": stack.url,
        "AUTH": authorization,
        "EXAMPLES": str(ROOT / "examples"),
    }
    return outputs_of(run, environment, tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="module")
def names(outputs: dict[Step, str]) -> Names:
    return Names()


def test_there_are_recipes_for_what_people_want_to_do() -> None:
    assert len(RECIPES) >= 10
    assert [section.title.split(".")[0] for section in RECIPES] == [
        str(number) for number in range(1, len(RECIPES) + 1)
    ]
    assert [
        section.title
        for section in RECIPES
        if len([step for step in section.steps if step.shown]) < 2
    ] == []
    assert len(EVERYTHING) == PAGE.count("\n$ ")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_what_the_page_shows_is_what_comes_out(
    section: Section, outputs: dict[Step, str], names: Names
) -> None:
    run = [step for step in section.steps if step in outputs]
    assert run or len(outputs) < len(EVERYTHING) / 2
    wrong = [(step.command, difference(step.shown, outputs[step], names)) for step in run]
    assert [f"$ {command}\n{text}" for command, text in wrong if text] == []


def test_every_line_that_is_shown_matters(outputs: dict[Step, str]) -> None:
    for step, text in outputs.items():
        lines = step.shown.splitlines()
        for number, line in enumerate(lines):
            if line.strip() not in ("", "..."):
                other = "\n".join([*lines[:number], f"~{line}", *lines[number + 1 :]])
                assert difference(other, text, Names()), f"{step.command}\n{line}"


def test_every_type_of_problem_is_on_the_page() -> None:
    found = set(re.findall(r"^\| (\d{3}) \| `(/problems/[a-z-]+)` \|", PAGE, re.MULTILINE))
    assert found == {(str(kind.status), kind.uri) for kind in TYPES.values()}


def test_every_operation_on_a_roadmap_is_on_the_page_and_nothing_else() -> None:
    named = {
        (method, path.replace("...", ROADMAP))
        for method, path in re.findall(r"`(GET|PUT|POST|DELETE) ([./][^ `]*)`", PAGE)
    }
    served = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert named - served == set()
    assert {(method, path) for method, path in served if path.startswith(ROADMAP)} <= named


def test_the_limit_on_the_page_is_the_default() -> None:
    (found,) = set(re.findall(r'"requests";q=(\d+);', PAGE))
    assert int(found) == Settings.model_fields["requests_per_minute"].default


ID, OTHER = "01a214da-8371-7071-b6f8-b0843398508c", "01a214da-8371-7071-b6f8-b0843398508d"


@try_each(
    ("shown", "expected", "fits"),
    [
        ("ready", "ready\n", True),
        ("ready", "partial\n", False),
        ("ready", "", False),
        ("", "ready\n", False),
        (
            "HTTP/1.1 201 Created\n...\nlocation: /x",
            "HTTP/1.1 201 Created\r\ndate: today\r\nlocation: /x\r\n\r\n",
            True,
        ),
        (
            "HTTP/1.1 201 Created\n...\nlocation: /x",
            "HTTP/1.1 202 Accepted\r\ndate: today\r\nlocation: /x\r\n\r\n",
            False,
        ),
        (
            "HTTP/1.1 201 Created\nlocation: /x",
            "HTTP/1.1 201 Created\r\ndate: today\r\nlocation: /x\r\n\r\n",
            False,
        ),
        ('{"a": 1, ... "c": 3}', '{"a": 1, "b": 2, "c": 3}', True),
        ('{"a": 1, ... "c": 3}', '{"a": 1, "b": 2, "c": 4}', False),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ("...\nlast", "a line\nand another\nlast", True),
        (f"{ID} {OTHER}", f"{OTHER} {ID}", True),
        (f"{ID} {ID}", f"{ID} {OTHER}", False),
        (f"{ID} {OTHER}", f"{ID} {ID}", False),
        ('"at":"2026-11-25T22:36:34.550400Z"', '"at":"2026-11-26T01:00:00Z"', True),
        ('"at":"2026-11-25T22:36:34.550400Z"', '"at":"yesterday"', False),
        ('ratelimit: "requests";r=597;t=60', 'ratelimit: "requests";r=12;t=3', True),
        ('ratelimit: "requests";r=597;t=60', 'ratelimit: "strangers";r=12;t=3', False),
    ],
)
def test_a_page_that_shows_something_else_is_found_out(
    shown: str, expected: str, fits: bool
) -> None:
    assert (difference(shown, expected, Names()) is None) is fits


def test_a_long_command_and_its_output_are_told_apart() -> None:
    page = (
        "## 1. One\n\n```console\n$ a \\\n    b\n## c\n$ d\n```\n\n## Other\n"
        "```console server\n$ e\nf\n```\n```sh\ng\n```\n"
    )
    _, one, other = sections(page)
    assert [astuple(step) for step in one.steps] == [(None, "a \\\n    b", "## c"), (None, "d", "")]
    assert [astuple(step) for step in other.steps] == [("server", "e", "f")]
