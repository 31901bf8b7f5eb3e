"""Several exercises of a concept: each names an outcome, and its tests hold for its solution."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from roadmap.generation.catalogue.loader import load_concept, tracks
from roadmap.generation.tutorial_lint import PARSER, read
from roadmap.plan.schemas import MOST_EXERCISES
from tests.cases import try_each
from tests.unit.roadmap.generation.catalogue_files import in_order
from web.pages.runnable import mark

LABELS = {"en": "**Outcome:** ", "zh-Hans": "**目标**："}
SEVERAL = [
    (track.id, concept_id, language)
    for track in tracks().values()
    for concept_id in in_order(track)
    for language in track.languages
    if read(load_concept(track.id, concept_id, language).tutorial).sections[-2].headings
]
each_of_several = try_each(("track_id", "concept_id", "language"), SEVERAL)


def exercises_of(tutorial: str) -> list[tuple[str, str, str]]:
    """Return the title, the task and the solution of each exercise, as Markdown."""
    *_, tasks, solutions = re.split(r"^## .*\n", tutorial, flags=re.MULTILINE)
    split = [re.split(r"^### (.*)\n", each, flags=re.MULTILINE)[1:] for each in (tasks, solutions)]
    assert split[0][::2] == split[1][::2], "a solution has the title of its exercise"
    return list(zip(split[0][::2], split[0][1::2], split[1][1::2], strict=True))


def runs(markdown: str, above: str = "") -> list[tuple[str, str]]:
    """Return use and code of the Python blocks that a browser runs, of a text below others."""
    tokens = PARSER.parse(above + markdown)
    mark(tokens)
    return [
        (use, token.content)
        for token in tokens
        for use, runner in token.meta.items()
        if runner == "python" and (token.map or [0])[0] >= above.count("\n")
    ]


def failure(blocks: list[tuple[str, str]]) -> str:
    """Run blocks as one module; return the error of the first test that fails."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(io.StringIO()):
        for use, code in blocks:
            try:
                exec(code, names)
            except Exception as error:  # blocks of a lesson may show an error
                if use == "check":
                    return repr(error)
    return ""


def test_ten_concepts_have_several_exercises_in_both_languages() -> None:
    found = {concept_id for _, concept_id, _ in SEVERAL}
    assert len(found) >= 10
    assert len(SEVERAL) == 2 * len(found)


@each_of_several
def test_each_names_an_outcome_and_has_a_solution_and_tests(
    track_id: str, concept_id: str, language: str
) -> None:
    concept = load_concept(track_id, concept_id, language)
    exercises = exercises_of(concept.tutorial)
    assert 2 <= len(exercises) <= MOST_EXERCISES
    assert len(exercises) == read(concept.tutorial).exercises
    for title, task, solution in exercises:
        first = task.strip().split("\n")[0]
        assert first.removeprefix(LABELS[language]) in concept.outcomes, title
        assert first.startswith(LABELS[language]), title
        assert "```" in solution, title
        codes = [token.info.split() for token in PARSER.parse(solution) if token.type == "fence"]
        if codes[0][:1] in (["python"], ["sql"]) and len(codes[0]) == 1:
            assert [code for code in codes if code[1:] == ["test"]], f"{title} has no tests"


@each_of_several
def test_tests_hold_for_the_solution_and_not_without_it(
    track_id: str, concept_id: str, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a browser: what the text makes, the solution for an attempt, then the tests."""
    monkeypatch.chdir(tmp_path)
    tutorial = load_concept(track_id, concept_id, language).tutorial
    begin = re.search(r"^## (?:Solutions|解答)\n", tutorial, re.MULTILINE)
    assert begin is not None
    above = tutorial[: begin.start()]
    made = [each for each in runs(above) if each[0] == "run"]
    for title, _, solution in exercises_of(tutorial):
        attempt, tests = [], []
        for use, code in runs(solution, above):
            (tests if use == "check" else attempt).append((use, code))
        if tests:
            assert failure([*made, *attempt, *tests]) == "", title
            assert failure([*made, *tests]), f"{title}: its tests hold without an attempt"
