"""What is measured of each concept of a course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.net.link_probe import Visit
from quality import code_blocks, likeness, links, reading_level
from quality.subjects import FinishedRoadmap, Subject
from roadmap.generation import tutorial_lint
from roadmap.generation.tutorial_lint import Lesson
from roadmap.plan.outline import Question, Quiz


@dataclass(frozen=True, slots=True)
class ConceptMetrics:
    """`words` are of the tutorial; `level` is the reading level, in the unit of its language. `support` has, of each question,
    how much of it stands in the tutorial (0 to 1), and `closer_to` the tutorial of the course that has more of all of them.
    `overlap` is the share of eight-word runs in common with the concept that has most. What could not be measured is None, and
    `not_measured` says why.
    """

    key: str
    title: str
    language: str
    words: int | None = None
    level: float | None = None
    blocks: int = 0  # of code
    broken_blocks: tuple[str, ...] = ()
    unread_blocks: int = 0  # in a language that nothing here reads
    sections: int = 0
    exercise_words: int = 0
    solution_words: int = 0
    resources: int = 0
    unofficial: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    alive: int | None = None
    questions: int = 0
    types: frozenset[str] = frozenset()
    quiz_faults: tuple[str, ...] = ()
    support: tuple[float, ...] = ()
    closer_to: str = ""
    overlap: float = 0.0
    overlaps_with: str = ""
    missing: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    tutorial_language: str = "en"

    @property
    def is_chinese(self) -> bool:
        return self.tutorial_language.split("-")[0].lower() == "zh"


class Comparison:
    """What the tutorials of courses have in common: those of one language are compared with each other."""

    def __init__(self, courses: Sequence[FinishedRoadmap]) -> None:
        self._runs: dict[str, dict[str, frozenset[tuple[str, ...]]]] = {}
        self._terms: dict[str, dict[str, frozenset[str]]] = {}
        self._weights: dict[str, Mapping[str, float]] = {}
        for course in courses:
            written = {
                each.key: each.tutorial for each in course.concepts if each.tutorial is not None
            }
            self._terms[course.name] = {
                key: frozenset(likeness.terms(text)) for key, text in written.items()
            }
            self._weights[course.name] = likeness.weights(written.values())
            for each in course.concepts:
                if each.tutorial is not None:
                    self._runs.setdefault(each.tutorial_language, {})[each.key] = likeness.shingles(
                        each.tutorial
                    )

    def overlap(self, concept: Subject) -> tuple[str, float]:
        """The concept, of whatever course, with which its tutorial has most in common, and the share of eight-word runs."""
        its = self._runs[concept.tutorial_language]
        shares = {
            other: likeness.overlap(its[concept.key], runs)
            for other, runs in its.items()
            if other != concept.key
        }
        other = max(shares, key=shares.__getitem__, default="")
        return other, shares.get(other, 0.0)

    def support(self, course: FinishedRoadmap, concept: Subject) -> tuple[tuple[float, ...], str]:
        """Of each question, and which tutorial of the course supports the quiz better than its own; empty: none does."""
        assert concept.quiz is not None
        weight, questions = self._weights[course.name], concept.quiz.questions
        found = {
            key: tuple(likeness.support(question, terms, weight) for question in questions)
            for key, terms in self._terms[course.name].items()
        }
        best = max(found, key=lambda key: (sum(found[key]), key == concept.key))
        return found[concept.key], "" if best == concept.key else best


def measured(
    course: FinishedRoadmap, comparison: Comparison, seen: Mapping[str, Visit] | None = None
) -> list[ConceptMetrics]:
    """`seen` is what was found at the addresses; None: nobody has looked."""
    return [_of(course, concept, comparison, seen) for concept in course.concepts]


def _of(
    course: FinishedRoadmap,
    concept: Subject,
    comparison: Comparison,
    seen: Mapping[str, Visit] | None,
) -> ConceptMetrics:
    parts = {"tutorial": concept.tutorial, "resources": concept.resources, "quiz": concept.quiz}
    facts: dict[str, Any] = {"missing": tuple(name for name, part in parts.items() if part is None)}
    if concept.tutorial is not None:
        facts |= _tutorial(concept.tutorial, concept.tutorial_language)
        facts["overlaps_with"], facts["overlap"] = comparison.overlap(concept)
    if concept.resources is not None:
        facts |= _resources([resource.url for resource in concept.resources], seen)
    if concept.quiz is not None:
        facts |= _quiz(concept.quiz)
    if concept.is_mixed:
        told = f"the quiz is in {concept.language}, its tutorial in {concept.tutorial_language}: not compared"
        facts["not_measured"] = (told,)
    elif concept.quiz is not None and concept.tutorial is not None:
        facts["support"], facts["closer_to"] = comparison.support(course, concept)
    return ConceptMetrics(
        concept.key,
        concept.title,
        concept.language,
        tutorial_language=concept.tutorial_language,
        **facts,
    )


def _resources(urls: Sequence[str], seen: Mapping[str, Visit] | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "resources": len(urls),
        "unofficial": tuple(url for url in urls if not links.is_official(url)),
    }
    if seen is not None:
        found = {url: seen[url] for url in urls if url in seen}
        facts["dead"] = tuple(
            f"{url} ({visit.wrong})" for url, visit in found.items() if visit.is_gone
        )
        facts["alive"] = sum(1 for visit in found.values() if not visit.wrong)
    return facts


def _quiz(quiz: Quiz) -> dict[str, Any]:
    asked = quiz.questions
    faults = [
        f"question {number}: {fault}"
        for number, question in enumerate(asked, start=1)
        for fault in question_faults(question)
    ]
    if len({question.prompt for question in asked}) < len(asked):
        faults.append("a question is asked twice")
    return {
        "questions": len(asked),
        "types": frozenset(question.type for question in asked),
        "quiz_faults": tuple(faults),
    }


def _tutorial(markdown: str, language: str) -> dict[str, Any]:
    read = tutorial_lint.read(markdown)
    code = [block for block in read.blocks if code_blocks.is_code(block)]
    faults = {block: code_blocks.fault(block) for block in code}
    broken = tuple(
        f"line {block.line}, {block.language}: {fault}" for block, fault in faults.items() if fault
    )
    return {
        "words": tutorial_lint.words(markdown),
        "level": reading_level.level(read.prose, language),
        "blocks": len(code),
        "broken_blocks": broken,
        "unread_blocks": sum(1 for fault in faults.values() if fault is None),
        "sections": len(read.sections) - 1,
        **_exercise(read),
    }


def _exercise(read: Lesson) -> dict[str, Any]:
    exercise, solution = read.exercise, read.solution
    return {
        "exercise_words": tutorial_lint.words(exercise.text) if exercise else 0,
        "solution_words": tutorial_lint.words(solution.text) if solution else 0,
    }


def question_faults(question: Question) -> list[str]:
    """What is wrong with a question that its type does not forbid already; a sentence goes on behind its number."""
    found = []
    if len(question.options) == len(question.answers):
        found.append("every option is right")
    if question.type == "true_false" and len(question.options) != 2:
        found.append(f"true or false has {len(question.options)} options")
    if question.type == "single" and len(question.options) < 3:
        found.append("a choice of two is a guess")
    if len({option.strip().casefold() for option in question.options}) < len(question.options):
        found.append("two options are the same")
    if question.explanation.strip() == question.prompt.strip():
        found.append("its explanation is its question")
    return found
