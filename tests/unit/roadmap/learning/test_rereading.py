"""Sections of a tutorial to read again: those that share words with the missed questions."""

from time import thread_time

import pytest

from roadmap.generation.catalogue import loader
from roadmap.generation.floors import sections_to_reread
from roadmap.generation.tutorial_lint import read
from roadmap.plan.outline import LONGEST_WORDS, MOST_ITEMS, Question

MARKDOWN = """Bread is old.

## Kneading

Gluten forms a net while the dough is kneaded.

## Fermentation

Yeast eats sugar, and the gas lifts the dough.

## Exercise

Explain to somebody how gluten and yeast work together in a dough.

## Solution

Gluten holds what yeast makes.
"""


def about(prompt: str) -> Question:
    return Question(
        type="true_false",
        prompt=prompt,
        options=("True", "False"),
        answers=(0,),
        explanation="See the text.",
    )


@pytest.mark.parametrize(
    ("prompts", "titles"),
    [
        (["What does yeast eat?"], ["Fermentation"]),
        (
            ["What is the gas of yeast?", "When does gluten form a net?"],
            ["Kneading", "Fermentation"],
        ),
        (["Why is kneading useful?"], ["Kneading"]),
        (["Who is it?"], []),  # not a word in common
        ([], []),
    ],
)
def test_it_is_the_section_with_the_words_of_the_question(
    prompts: list[str], titles: list[str]
) -> None:
    assert sections_to_reread(read(MARKDOWN), [about(each) for each in prompts]) == titles


def test_a_text_without_sections_has_none() -> None:
    assert sections_to_reread(read("Gluten forms a net."), [about("What does gluten form?")]) == []


@pytest.mark.parametrize(
    ("concept", "language", "prompt", "title"),
    [
        ("css-layout-and-responsive", "en", "auto-fill", "Two dimensions: grid"),
        ("csrf-and-ssrf", "en", "foreign page", "CSRF: use of the browser's rights"),
        ("configuration-and-logging", "en", "wants to log", "Logs are events, not sentences"),
        ("sql-fundamentals", "zh-Hans", "NULL", "第三个真值"),
        ("supply-chain-security", "zh-Hans", "有效签名", "为交付的东西列清单并签名"),
    ],
)
def test_questions_of_the_catalogue_lead_to_what_explains_them(
    concept: str, language: str, prompt: str, title: str
) -> None:
    track = next(name for name in loader.tracks() if loader.has(name, concept))
    found = loader.load_concept(track, concept, language)
    [question] = [each for each in found.questions if prompt in each.prompt]
    assert sections_to_reread(read(found.tutorial), [question]) == [title]


def test_every_question_of_the_catalogue_has_a_section() -> None:
    for name, track in loader.tracks().items():
        for each in track.concept_ids:
            found = loader.load_concept(name, each)
            for question in found.questions:
                assert len(sections_to_reread(read(found.tutorial), [question])) == 1, each


def test_the_largest_lesson_and_quiz_cost_little() -> None:
    """Of CPU time; import accepts as many questions, and as much of each."""
    lesson = read("## 二分查找\n\n" * 20_000)
    missed = [about("算法" * (LONGEST_WORDS // 2))] * MOST_ITEMS
    before = thread_time()
    sections_to_reread(lesson, missed)
    assert thread_time() - before < 1
