"""Scores of quality.evaluation: high for the catalogue, lower for damage; and runs compared."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from pydantic import TypeAdapter

from core.net.link_probe import Visit
from quality.evaluation.__main__ import HERE, chosen
from quality.evaluation.scoring import CRITERIA, compared, row, scored, sign_test, table
from quality.measuring import FinishedRoadmap, Subject
from quality.subjects import of_catalogue
from roadmap.generation.llm.prompt import prompt
from roadmap.generation.tutorial_lint import read
from roadmap.plan.outline import Outline, Quiz, Resource
from roadmap.plan.schemas import RoadmapRequest
from testing.stack import ROOT
from tests.cases import try_each

PAGE = ROOT / "docs" / "QUALITY.md"
SPANISH = (
    "La masa reposa por una noche y con el frío gana sabor. Los panes que salen son para todos. "
)


@lru_cache(maxsize=1)
def course() -> FinishedRoadmap:
    """Some concepts of one."""
    (made,) = [each for each in of_catalogue("databases") if each.name == "databases (en)"]
    return FinishedRoadmap(made.name, made.concepts[:4])


def first() -> Subject:
    return course().concepts[0]


def scores(
    needs: Mapping[str, tuple[str, ...]] | None = None, **changes: Any
) -> dict[str, float | None]:
    """Of the course, whose first concept is changed."""
    concepts = (replace(first(), **changes), *course().concepts[1:])
    return scored(FinishedRoadmap("databases (en)", concepts), needs or {})


def tutorial() -> str:
    assert first().tutorial
    return first().tutorial or ""


def resources() -> tuple[Resource, ...]:
    assert first().resources
    return first().resources or ()


def odd_quiz() -> Quiz:
    assert first().quiz is not None
    one, *others = first().quiz.questions  # type: ignore[union-attr]
    same = one.model_copy(update={"explanation": one.prompt})
    return Quiz(questions=(same, *others))


class TestScores:
    def test_a_course_of_the_catalogue_has_high_ones(self) -> None:
        found = scores()
        assert found.pop("terms_once") == pytest.approx(1, abs=0.05)
        assert found.pop("prerequisites_used") is None
        assert found.pop("alive") is None
        assert found == dict.fromkeys(
            ("written", "floors", "above_floor", "official", "questions", "language"), 1.0
        )

    @try_each(
        ("name", "damage"),
        [
            ("written", lambda: {"quiz": None}),
            ("floors", lambda: {"quiz": None}),
            ("floors", lambda: {"tutorial": tutorial().split("\n## ")[0]}),
            ("above_floor", lambda: {"tutorial": tutorial().split("\n## ")[0]}),
            ("terms_once", lambda: {"tutorial": f"{course().concepts[1].tutorial}\n"}),
            (
                "official",
                lambda: {
                    "resources": tuple(
                        each.model_copy(update={"url": f"https://blog.example.org/{at}"})
                        for at, each in enumerate(resources())
                    )
                },
            ),
            ("questions", lambda: {"quiz": odd_quiz()}),
            ("language", lambda: {"tutorial": SPANISH * 9}),
            ("language", lambda: {"tutorial": "面团要静置一夜。" * 30}),
        ],
    )
    def test_damage_lowers_its_score(self, name: str, damage: Callable[[], dict[str, Any]]) -> None:
        before, after = scores()[name], scores(**damage())[name]
        assert before is not None
        assert after is not None
        assert after < before

    def test_prerequisites_are_used_by_their_terms(self) -> None:
        needs = {first().key: (course().concepts[1].key,)}
        (term, *_) = read(course().concepts[1].tutorial or "").terms
        assert scores(needs)["prerequisites_used"] == 0.0
        assert scores(needs, tutorial=f"{tutorial()} {term}")["prerequisites_used"] == 1.0

    def test_links_are_alive_by_their_visits(self) -> None:
        urls = [each.url for each in resources()]
        seen = {url: Visit(200) for url in urls}
        assert scored(course(), {}, seen)["alive"] == 1.0
        seen[urls[0]] = Visit(404, "it answered with status 404")
        assert scored(course(), {}, seen)["alive"] == pytest.approx(1 - 1 / len(urls))

    def test_spanish_is_told_from_english(self) -> None:
        changes = {"tutorial": SPANISH * 9, "tutorial_language": "es"}
        assert scores(**changes)["language"] == 1.0

    def test_an_empty_course_scores_zero_or_nothing(self) -> None:
        empty = replace(first(), tutorial=None, resources=None, quiz=None)
        found = scored(FinishedRoadmap("empty", (empty,)), {})
        assert {name for name, value in found.items() if value is not None} == {
            "written",
            "floors",
            "above_floor",
        }
        assert set(found.values()) == {None, 0.0}


class TestChoice:
    OUTLINE = Outline.model_validate(
        {
            "title": "Bread",
            "stages": [
                {
                    **{"key": "s", "title": "S", "description": ""},
                    "modules": [
                        {
                            **{"key": module, "title": module, "description": ""},
                            "concepts": [
                                {
                                    **{"key": f"{module}{number}", "title": "C", "description": ""},
                                    **{"hours": 1, "difficulty": 1},
                                }
                                for number in range(4)
                            ],
                        }
                        for module in "ab"
                    ],
                }
            ],
        }
    )

    @try_each(("most", "of_first"), [(1, 1), (2, 1), (5, 3), (6, 4), (20, 4)])
    def test_the_first_module_and_two_that_are_drawn(self, most: int, of_first: int) -> None:
        keys = chosen(self.OUTLINE, most, "1 bread")
        assert len(keys) == min(most, 6)
        assert keys == sorted(keys)
        assert [key for key in keys if key.startswith("a")] == [f"a{n}" for n in range(of_first)]

    def test_the_seed_decides(self) -> None:
        assert chosen(self.OUTLINE, 6, "1 bread") == chosen(self.OUTLINE, 6, "1 bread")
        assert len({tuple(chosen(self.OUTLINE, 6, f"{seed} bread")) for seed in range(9)}) > 1


def run(values: list[float | None], **options: str) -> dict[str, Any]:
    cost = [
        {"step": step, "calls": 2, "prompt_tokens": 30, "completion_tokens": 20, "price": "0.5"}
        for step in ("tutorial", "judge")
    ]
    goals = {
        f"goal-{number}": {"scores": {"floors": value, "clear": 4.0}, "cost": cost}
        for number, value in enumerate(values)
    }
    return {"options": {"judge": "gpt-judge", "rubric": "judge-1", **options}, "goals": goals}


class TestRuns:
    def test_a_row_has_means_and_costs(self) -> None:
        found = row(run([0.5, None, 1.0], model="gpt-test"))
        assert (found["model"], found["goals finished"]) == ("gpt-test", 3)
        assert (found["floors"], found["clear"]) == (0.75, 4.0)
        assert (found["calls"], found["tokens"], found["cost"], found["judging"]) == (
            12,
            300,
            3.0,
            1.5,
        )
        assert "| floors | 0.75 | 1.0 |" in table([found, row(run([1.0]))])

    def test_a_difference_in_one_direction_is_more_than_noise(self) -> None:
        lines = compared(run([0.2] * 8), run([0.4] * 8)).splitlines()
        assert "| floors | 8 | 0.200 | 0.400 | +0.200 | 8, 0 | 0.008 | more than noise |" in lines
        assert "| clear | 8 | 4.000 | 4.000 | +0.000 | 0, 0 | 1.000 | may be noise |" in lines

    def test_a_difference_in_both_directions_may_be_noise(self) -> None:
        assert "may be noise" in compared(run([0.1, 0.9, 0.5]), run([0.9, 0.1, 0.9]))

    def test_goals_that_one_of_them_lacks_are_left_out(self) -> None:
        text = compared(run([0.2, 0.4, None]), run([0.2]))
        assert "| floors | 1 | 0.200 | 0.200 |" in text

    @pytest.mark.parametrize("other", [{"judge": "gpt-mild"}, {"rubric": "judge-2"}])
    def test_marks_of_another_judge_are_not_compared(self, other: dict[str, str]) -> None:
        text = compared(run([0.2]), run([0.4], **other))
        assert "floors" in text
        assert "clear" not in text

    def test_the_sign_test_is_exact_and_two_sided(self) -> None:
        assert sign_test(0, 0) == 1.0
        assert sign_test(6, 0) == sign_test(0, 6) == pytest.approx(2 / 2**6)
        assert sign_test(5, 5) == 1.0


class TestGoals:
    def test_there_are_30_of_all_levels_in_four_languages(self) -> None:
        goals = TypeAdapter(dict[str, RoadmapRequest]).validate_json(
            (HERE / "goals.json").read_bytes()
        )
        assert len(goals) == len({goal.goal for goal in goals.values()}) == 30
        assert len({goal.level for goal in goals.values()}) == 3
        assert {goal.language for goal in goals.values()} == {"en", "zh-CN", "es", "ru"}

    def test_the_rubric_is_published(self) -> None:
        rubric = [line for line in prompt("judge").text.splitlines() if line.startswith("- `")]
        assert [line.split("`")[1] for line in rubric] == list(CRITERIA)
        page = PAGE.read_text("utf-8")
        assert [name for name in CRITERIA if f"| `{name}` |" not in page] == []
