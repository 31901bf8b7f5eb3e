"""Quality floors of a concept. docs/QUALITY.md explains them; a test compares both."""

from collections.abc import Iterator
from dataclasses import dataclass

from quality.measuring import ConceptMetrics


@dataclass(frozen=True, slots=True)
class Floor:
    """Bounds of one metric: values below `least` or above `most` are faults."""

    name: str
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
        is_whole = value == int(value)
        number = f"{int(value):,}" if is_whole else f"{value:.2f}".rstrip("0").rstrip(".")
        return number + self.unit


LENGTH = Floor("length of the tutorial", 400, 1500, " words")
LEVEL_OF_ENGLISH = Floor("reading level of English (ARI)", None, 12)
LEVEL_OF_CHINESE = Floor("reading level of Chinese (characters a sentence)", None, 30)
SECTIONS = Floor("sections", 3, None)
EXERCISE = Floor("exercise", 15, None, " words")
SOLUTION = Floor("solution", 15, None, " words")
RESOURCES = Floor("resources", 3, None)
OFFICIAL = Floor("official links", 0.6, None)  # share
QUESTIONS = Floor("questions", 4, None)
TYPES = Floor("types of questions", 2, None)
# Weighted shares of questions and right answers. Pairs of Chinese characters match more seldom than
# stems of words.
ANSWERABLE = Floor("quiz answerable from the tutorial (mean)", 0.4, None)
WORST_QUESTION = Floor("quiz answerable from the tutorial (worst question)", 0.15, None)
ANSWERABLE_CHINESE = Floor("Chinese quiz answerable from the tutorial (mean)", 0.15, None)
WORST_CHINESE = Floor("Chinese quiz answerable from the tutorial (worst question)", 0.03, None)
OVERLAP = Floor("overlap with another concept", None, 0.04)
FLOORS = (
    LENGTH,
    LEVEL_OF_ENGLISH,
    LEVEL_OF_CHINESE,
    SECTIONS,
    EXERCISE,
    SOLUTION,
    RESOURCES,
    OFFICIAL,
    QUESTIONS,
    TYPES,
    ANSWERABLE,
    WORST_QUESTION,
    ANSWERABLE_CHINESE,
    WORST_CHINESE,
    OVERLAP,
)


def faults(of: ConceptMetrics) -> list[str]:
    """Return the faults of a concept, each a sentence without its end."""
    found = [f"no {name}" for name in of.missing]
    found += [fault for floor, value in _values(of) if (fault := floor.fault(value))]
    found += [f"code does not parse: {broken}" for broken in of.broken_blocks]
    found += [f"dead link: {url}" for url in of.dead]
    if of.closer_to:
        found.append(f"the quiz is closer to the tutorial of {of.closer_to} than to its own")
    return found + [f"quiz: {fault}" for fault in of.quiz_faults]


def _values(of: ConceptMetrics) -> Iterator[tuple[Floor, float | None]]:
    if of.words is not None:
        yield from (
            (LENGTH, of.words),
            (LEVEL_OF_CHINESE if of.is_chinese else LEVEL_OF_ENGLISH, of.level),
            (SECTIONS, of.sections),
            (EXERCISE, of.exercise_words),
            (SOLUTION, of.solution_words),
            (OVERLAP, of.overlap),
        )
    if of.resources:
        yield from ((RESOURCES, of.resources), (OFFICIAL, 1 - len(of.unofficial) / of.resources))
    if of.questions:
        yield from ((QUESTIONS, of.questions), (TYPES, len(of.types)))
    if of.support:
        mean, worst = (
            (ANSWERABLE_CHINESE, WORST_CHINESE) if of.is_chinese else (ANSWERABLE, WORST_QUESTION)
        )
        yield from ((mean, sum(of.support) / len(of.support)), (worst, min(of.support)))
