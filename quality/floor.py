"""Quality floors of a concept.

They are explained in docs/QUALITY.md; a test compares both.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from quality.measuring import ConceptMetrics, FinishedRoadmap
from roadmap.generation.floors import (
    FEWEST_QUESTIONS,
    FEWEST_RESOURCES,
    FEWEST_SECTIONS,
    FEWEST_TYPES,
    FEWEST_WORDS,
)
from roadmap.generation.tutorial_lint import FEWEST_EXERCISE_WORDS


@dataclass(frozen=True, slots=True)
class Floor:
    """Bounds of one metric: values below `least` or above `most` are faults.

    `read` returns the value of a concept's metrics or of a track's questions, or None when it is
    unknown or belongs to another language.
    """

    name: str
    read: Callable[[Any], float | None]
    least: float | None = None
    most: float | None = None
    unit: str = ""

    def fault(self, value: float | None) -> str:
        """Return a sentence without its end; empty for a good or an unknown value."""
        if value is not None and self.least is not None and value < self.least:
            return f"{self.name}: {self._text(value)}, at least {self._text(self.least)}"
        if value is not None and self.most is not None and value > self.most:
            return f"{self.name}: {self._text(value)}, at most {self._text(self.most)}"
        return ""

    def _text(self, value: float) -> str:
        number = f"{value:,.0f}" if value == int(value) else f"{value:.2f}".rstrip("0").rstrip(".")
        return number + self.unit


# Support is the weighted share of questions and right answers that the tutorial has. Pairs of
# Chinese characters match more seldom than stems of words.
FLOORS = (
    Floor("length of the tutorial", lambda of: of.words, FEWEST_WORDS, 2000, " words"),
    Floor(
        "reading level of English (ARI)", lambda of: None if of.is_chinese else of.level, most=12
    ),
    Floor(
        "reading level of Chinese (characters a sentence)",
        lambda of: of.level if of.is_chinese else None,
        most=30,
    ),
    Floor("sections", lambda of: None if of.words is None else of.sections, FEWEST_SECTIONS),
    Floor(
        "exercise",
        lambda of: None if of.words is None else of.exercise_words,
        FEWEST_EXERCISE_WORDS,
        unit=" words",
    ),
    Floor(
        "solution",
        lambda of: None if of.words is None else of.solution_words,
        FEWEST_EXERCISE_WORDS,
        unit=" words",
    ),
    Floor("resources", lambda of: of.resources or None, FEWEST_RESOURCES),
    Floor(
        "official links",
        lambda of: 1 - len(of.unofficial) / of.resources if of.resources else None,
        0.6,
    ),
    Floor("questions", lambda of: of.questions or None, FEWEST_QUESTIONS),
    Floor("types of questions", lambda of: len(of.types) if of.questions else None, FEWEST_TYPES),
    Floor(
        "quiz answerable from the tutorial (mean)",
        lambda of: None if of.is_chinese else of.mean_support,
        0.4,
    ),
    Floor(
        "quiz answerable from the tutorial (worst question)",
        lambda of: None if of.is_chinese else min(of.support, default=None),
        0.15,
    ),
    Floor(
        "Chinese quiz answerable from the tutorial (mean)",
        lambda of: of.mean_support if of.is_chinese else None,
        0.15,
    ),
    Floor(
        "Chinese quiz answerable from the tutorial (worst question)",
        lambda of: min(of.support, default=None) if of.is_chinese else None,
        0.03,
    ),
    Floor(
        "overlap with another concept",
        lambda of: None if of.words is None else of.overlap,
        most=0.04,
    ),
)


def _shares(of: Iterable[object], values: Iterable[object] = (True,)) -> list[float]:
    """Return the shares of these values, or none of nothing."""
    found = list(of)
    return [found.count(value) / len(found) for value in values] if found else []


# Of all questions of a track, so that none can be guessed by type, number, length or position.
TRACK_FLOORS = (
    Floor(
        "track: typed answers and lines to order",
        lambda quiz: max(_shares(each.type in ("typed", "order") for each in quiz), default=None),
        0.12,
    ),
    Floor(
        "track: choice of one",
        lambda quiz: max(_shares(each.type == "single" for each in quiz), default=None),
        0.45,
        0.65,
    ),
    Floor(
        "track: choice of several",
        lambda quiz: max(_shares(each.type == "multiple" for each in quiz), default=None),
        0.1,
        0.25,
    ),
    Floor(
        "track: true or false",
        lambda quiz: max(_shares(each.type == "true_false" for each in quiz), default=None),
        most=0.2,
    ),
    Floor(
        "track: statements that are true",
        lambda quiz: max(
            _shares(each.answers == (0,) for each in quiz if each.type == "true_false"),
            default=None,
        ),
        0.4,
        0.6,
    ),
    Floor(
        "track: several: most frequent count of right options",
        lambda quiz: max(
            _shares((len(each.answers) for each in quiz if each.type == "multiple"), range(21)),
            default=None,
        ),
        most=0.6,
    ),
    Floor(
        "track: several: different counts of options",
        lambda quiz: len({len(each.options) for each in quiz if each.type == "multiple"}) or None,
        2,
    ),
    Floor(
        "track: one: right option the only longest",
        lambda quiz: max(
            _shares(
                sum(len(option) >= len(each.options[each.answers[0]]) for option in each.options)
                == 1
                for each in quiz
                if each.type == "single"
            ),
            default=None,
        ),
        most=0.33,
    ),
    Floor(
        "track: one: rarest position of the right option",
        lambda quiz: min(
            _shares((each.answers[0] for each in quiz if each.type == "single"), range(4)),
            default=None,
        ),
        0.15,
    ),
    Floor(
        "track: one: most frequent position of the right option",
        lambda quiz: max(
            _shares((each.answers[0] for each in quiz if each.type == "single"), range(4)),
            default=None,
        ),
        most=0.35,
    ),
    Floor(
        "track: questions about numbers of the tutorial",
        lambda quiz: max(_shares(each.needs_tutorial for each in quiz), default=None),
        most=0.15,
    ),
)


def track_faults(course: FinishedRoadmap) -> list[str]:
    """Return what is wrong with all questions of a track, each a sentence without its end."""
    quiz = [each for concept in course.concepts if concept.quiz for each in concept.quiz.questions]
    found = (floor.fault(floor.read(quiz)) for floor in TRACK_FLOORS)
    return [f"{course.name}, {fault}" for fault in found if fault]


def faults(of: ConceptMetrics) -> list[str]:
    """Return the faults of a concept, each a sentence without its end."""
    closer = f"the quiz is closer to the tutorial of {of.closer_to} than to its own"
    return [
        *(f"no {name}" for name in of.missing),
        *(fault for floor in FLOORS if (fault := floor.fault(floor.read(of)))),
        *(f"code does not parse: {broken}" for broken in of.broken_blocks),
        *(f"dead link: {url}" for url in of.dead),
        *([closer] if of.closer_to else []),
        *(f"quiz: {fault}" for fault in of.quiz_faults),
    ]
