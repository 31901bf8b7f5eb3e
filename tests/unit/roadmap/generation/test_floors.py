"""Floors of contents: what a model is asked for once more."""

from dataclasses import replace

import pytest

from quality import floor
from roadmap.generation import floors
from roadmap.generation.context import ConceptBrief
from roadmap.generation.llm.schemas import QuizDraft
from roadmap.plan.outline import Quiz, Resource, Resources, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from tests.chaos.model import TUTORIAL, WRITTEN

BRIEF = ConceptBrief(
    RoadmapRequest(goal="Bake bread"),
    "Bread",
    "Dough",
    "Gluten",
    "kneading",
    "Kneading",
    "Why it works.",
    ("fold a dough until it holds its shape", "explain what gluten does"),
)
GOOD = TUTORIAL.replace("knead the dough by four folds", "fold it until it holds its shape")
QUIZ = QuizDraft.model_validate(WRITTEN["quiz"]).to_content()


def resources(count: int) -> Resources:
    one = Resource(title="A", url="https://example.org", type="book", language="en", why="So.")
    return Resources(items=(one,) * count)


def test_what_is_good_lacks_nothing() -> None:
    for content in (Tutorial(markdown=GOOD), QUIZ, resources(3)):
        assert floors.lacking(content, BRIEF) == []


@pytest.mark.parametrize(
    ("content", "lacks"),
    [
        (Tutorial(markdown=GOOD.replace("## Why it works", "Why")), ["Sections (##): 2;"]),
        (Tutorial(markdown=GOOD[: GOOD.index("Gluten is a net")]), ["must end with two", "Words"]),
        (
            Tutorial(markdown=GOOD.replace("fold it until it holds its shape", "eat it up")),
            ["names none of the outcomes"],
        ),
        (resources(2), ["Resources: 2; at least 3 are needed."]),
        (Quiz(questions=QUIZ.questions[:2]), ["Questions: 2; at least 4 are needed."]),
        (Quiz(questions=QUIZ.questions[:1] * 4), ["Types of questions: 1;"]),
    ],
)
def test_what_falls_short_is_said(content: Tutorial | Quiz | Resources, lacks: list[str]) -> None:
    found = floors.lacking(content, BRIEF)
    assert len(found) >= len(lacks)
    assert all(any(text in sentence for sentence in found) for text in lacks)


def test_a_wish_comes_before_the_floors() -> None:
    short = Tutorial(markdown=GOOD.replace("holds the gas", "holds"))
    few = Tutorial(markdown=short.markdown[:200] + GOOD[GOOD.index("## Exercise") - 2 :])
    assert [text[:5] for text in floors.lacking(few, BRIEF)] == ["Words"]
    wishes = RoadmapRequest(goal="Bake bread", preferences="Keep it short, please")
    assert floors.lacking(few, replace(BRIEF, request=wishes)) == []
    assert floors.lacking(resources(1), replace(BRIEF, instruction="One book only.")) == []


@pytest.mark.parametrize(
    ("outcome", "names"),
    [
        ("能够折叠面团", True),
        ("把握酵母的用量", False),
        ("", True),
        ("do it all", True),
    ],
)
def test_an_outcome_is_found_in_any_script(outcome: str, names: bool) -> None:
    exercise = (
        "## 练习\n\n请把面团折叠四次，然后静置半个小时，看看面团能不能立住，并说明原因是什么。\n\n"
    )
    solution = "## 解答\n\n折叠四次之后能够立住，因为面筋有了足够的时间形成一张网，把气体留在里面。"
    text = "## 原理\n\n" + "面筋是一张网。" * 140 + f"\n\n{exercise}{solution}"
    brief = replace(BRIEF, outcomes=(outcome,))
    assert (floors.lacking(Tutorial(markdown=text), brief) == []) is names


def test_remarks_are_few() -> None:
    broken = "```python\nprint(\n```\n\n" * 50
    assert len(floors.lacking(Tutorial(markdown=broken + GOOD), BRIEF)) == floors.MOST_REMARKS


def test_quality_has_the_same_floors() -> None:
    least = {each.name: each.least for each in floor.FLOORS}
    assert {
        "length of the tutorial": floors.FEWEST_WORDS,
        "sections": floors.FEWEST_SECTIONS,
        "resources": floors.FEWEST_RESOURCES,
        "questions": floors.FEWEST_QUESTIONS,
        "types of questions": floors.FEWEST_TYPES,
    }.items() <= least.items()
