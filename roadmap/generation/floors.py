"""Floors of contents: what a model is asked for again, and `quality/` counts as a fault. Pure."""

import re
from collections import Counter
from collections.abc import Sequence

from roadmap.generation import tutorial_lint
from roadmap.generation.context import ConceptBrief
from roadmap.plan.outline import Contents, Question, Quiz, Resources, Tutorial

FEWEST_WORDS, FEWEST_SECTIONS = 400, 3  # of a tutorial
FEWEST_RESOURCES = 3
FEWEST_QUESTIONS, FEWEST_TYPES = 4, 2  # of a quiz
MOST_REMARKS = 10
SHORT = re.compile(r"\b(?:short|brief|concise)|简短|短文|精炼|言简意赅", re.IGNORECASE)
MOST_ASKED, LONGEST_ASKED = 50, 2000  # questions that are compared, and characters of each
SHORTEST_STEM = 5  # letters: shorter words are in any text


def lacking(content: Contents, brief: ConceptBrief) -> list[str]:
    """Return what a content lacks, in sentences; nothing if a person had a wish."""
    found: list[str] = []
    if brief.instruction:
        return found
    match content:
        case Tutorial(markdown=markdown):
            lesson, found = tutorial_lint.read(markdown), tutorial_lint.faults(markdown)
            if not SHORT.search(brief.request.preferences):
                found += _too_few("Words", tutorial_lint.words(markdown), FEWEST_WORDS)
            found += _too_few("Sections (##)", len(lesson.sections) - 1, FEWEST_SECTIONS)
            outcomes = stems(" ".join(brief.outcomes))
            if outcomes and lesson.exercise and not outcomes & stems(lesson.exercise.text):
                found.append("The exercise names none of the outcomes of the concept.")
        case Resources(items=items):
            found = _too_few("Resources", len(items), FEWEST_RESOURCES)
        case Quiz(questions=questions):
            types = {question.type for question in questions}
            found = _too_few("Questions", len(questions), FEWEST_QUESTIONS)
            found += _too_few("Types of questions", len(types), FEWEST_TYPES)
    return found[:MOST_REMARKS]


def _too_few(things: str, count: int, fewest: int) -> list[str]:
    return [f"{things}: {count}; at least {fewest} are needed."] if count < fewest else []


def stems(text: str) -> set[str]:
    """Return the beginnings of long words, and pairs of characters of scripts without spaces."""
    words = tutorial_lint.WORD.findall(tutorial_lint.ASIAN.sub(" ", text.casefold()))
    pairs = re.findall(rf"(?=({tutorial_lint.ASIAN.pattern}{{2}}))", text)
    return {word[:SHORTEST_STEM] for word in words if len(word) >= SHORTEST_STEM} | set(pairs)


def sections_to_reread(lesson: tutorial_lint.Lesson, missed: Sequence[Question]) -> list[str]:
    """Return the titles of the sections that these questions are about, in the order of reading.

    A stem counts the more, the fewer sections have it. Exercise and solution are left out.
    """
    sections = [section for section in lesson.taught if section.title]
    found = [stems(f"{section.title} {section.text}") for section in sections]
    spread = Counter(stem for each in found for stem in each)
    chosen = set()
    for question in missed[:MOST_ASKED]:
        right = (question.options[number] for number in question.answers)
        words = (question.prompt, *right, *question.accepted, question.explanation)
        asked = stems(" ".join(words)[:LONGEST_ASKED])
        scores = [sum(1 / spread[stem] for stem in asked & each) for each in found]
        if max(scores, default=0):
            chosen.add(scores.index(max(scores)))
    return [sections[number].title for number in sorted(chosen)]
