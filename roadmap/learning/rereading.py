"""Sections of a tutorial to read again after a failed quiz, by the words they share. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roadmap.plan.outline import Question

if TYPE_CHECKING:
    from roadmap.generation.tutorial_lint import Lesson


MOST_ASKED, LONGEST_ASKED = 50, 2000  # questions that are compared, and characters of each


def sections_to_reread(lesson: "Lesson", missed: Sequence[Question]) -> list[str]:
    """Return the titles of the sections that these questions are about, in the order of reading.

    A stem counts the more, the fewer sections have it. Exercise and solution are left out.
    """
    from roadmap.generation.floors import stems  # with it, a parser that takes memory

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
