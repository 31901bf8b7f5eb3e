"""Floors of contents: what a model is asked for again, and `quality/` counts as a fault. Pure."""

import re

from roadmap.generation import tutorial_lint
from roadmap.generation.context import ConceptBrief
from roadmap.plan.outline import Contents, Quiz, Resources, Tutorial

FEWEST_WORDS, FEWEST_SECTIONS = 400, 3  # of a tutorial
FEWEST_RESOURCES = 3
FEWEST_QUESTIONS, FEWEST_TYPES = 4, 2  # of a quiz
MOST_REMARKS = 10
SHORT = re.compile(r"\b(?:short|brief|concise)|简短|短文|精炼|言简意赅", re.IGNORECASE)
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
