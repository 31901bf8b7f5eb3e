"""Metrics of each concept of a course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.net.link_probe import Visit
from quality import code_blocks, likeness, links, reading_level
from roadmap.generation import tutorial_lint
from roadmap.plan.outline import Question, Quiz, Resource


@dataclass(frozen=True, slots=True)
class Subject:
    """One concept with its parts; None for a part that is missing."""

    key: str
    title: str
    language: str  # of all parts but the tutorial
    tutorial_language: str
    tutorial: str | None
    resources: tuple[Resource, ...] | None
    quiz: Quiz | None


@dataclass(frozen=True, slots=True)
class FinishedRoadmap:
    name: str
    concepts: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class ConceptMetrics:
    """Metrics of one concept.

    `words` are of the tutorial; `level` is the reading level, in the unit of its language.
    `support` has the share of each question that is in the tutorial (0 to 1), and `closer_to` the
    tutorial of the course that has more of all of them. `overlap` is the share of eight-word runs
    in common with the concept that has most. Unknown values are None, and `not_measured` has the
    reason.
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
    missing: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    tutorial_language: str = "en"

    @property
    def is_chinese(self) -> bool:
        return self.tutorial_language.split("-")[0].lower() == "zh"

    @property
    def parsed_blocks(self) -> int:
        return self.blocks - len(self.broken_blocks) - self.unread_blocks

    @property
    def official(self) -> int:
        return self.resources - len(self.unofficial)

    @property
    def mean_support(self) -> float | None:
        return sum(self.support) / len(self.support) if self.support else None


class Comparison:
    """Similarity of tutorials, each compared with those of its language."""

    def __init__(self, courses: Sequence[FinishedRoadmap]) -> None:
        self._runs: dict[str, dict[str, frozenset[tuple[str, ...]]]] = {}
        self._terms: dict[str, dict[str, frozenset[str]]] = {}
        self._weights: dict[str, Mapping[str, float]] = {}
        for course in courses:
            tutorials = [
                (each, each.tutorial) for each in course.concepts if each.tutorial is not None
            ]
            self._weights[course.name] = likeness.weights(text for _, text in tutorials)
            self._terms[course.name] = {
                each.key: frozenset(likeness.terms(text)) for each, text in tutorials
            }
            for each, text in tutorials:
                runs = self._runs.setdefault(each.tutorial_language, {})
                runs[each.key] = likeness.shingles(text)

    def overlap(self, concept: Subject) -> float:
        """Return the largest overlap with another concept of any course."""
        shingles = self._runs[concept.tutorial_language]
        shares = (
            likeness.overlap(shingles[concept.key], runs)
            for other, runs in shingles.items()
            if other != concept.key
        )
        return max(shares, default=0.0)

    def support(self, course: FinishedRoadmap, concept: Subject) -> tuple[tuple[float, ...], str]:
        """Return the support of each question, and the tutorial that has more.

        Its key is empty when none has more.
        """
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
    """Measure the concepts of a course. `seen` has the results of link visits, if any."""
    concepts = []
    for concept in course.concepts:
        parts = {"tutorial": concept.tutorial, "resources": concept.resources, "quiz": concept.quiz}
        facts: dict[str, Any] = {
            "missing": tuple(name for name, part in parts.items() if part is None),
            "tutorial_language": concept.tutorial_language,
        }
        if concept.tutorial is not None:
            facts |= _tutorial(concept.tutorial, concept.tutorial_language)
            facts["overlap"] = comparison.overlap(concept)
        if concept.resources is not None:
            urls = [resource.url for resource in concept.resources]
            facts["resources"] = len(urls)
            facts["unofficial"] = tuple(url for url in urls if not links.is_official(url))
            if seen is not None:
                visits = {url: seen[url] for url in urls if url in seen}
                facts["alive"] = sum(not visit.wrong for visit in visits.values())
                facts["dead"] = tuple(
                    f"{url} ({visit.wrong})" for url, visit in visits.items() if visit.is_gone
                )
        if concept.quiz is not None:
            facts |= _quiz(concept.quiz)
        if concept.tutorial_language.split("-")[0] != concept.language.split("-")[0]:
            facts["not_measured"] = (
                f"the quiz is in {concept.language}, its tutorial in "
                f"{concept.tutorial_language}: not compared",
            )
        elif concept.quiz is not None and concept.tutorial is not None:
            facts["support"], facts["closer_to"] = comparison.support(course, concept)
        concepts.append(ConceptMetrics(concept.key, concept.title, concept.language, **facts))
    return concepts


def _quiz(quiz: Quiz) -> dict[str, Any]:
    questions = quiz.questions
    faults = [
        f"question {number}: {fault}"
        for number, question in enumerate(questions, start=1)
        for fault in question_faults(question)
    ]
    if len({question.prompt for question in questions}) < len(questions):
        faults.append("a question is asked twice")
    return {
        "questions": len(questions),
        "types": frozenset(question.type for question in questions),
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
        "exercise_words": tutorial_lint.words(read.exercise.text) if read.exercise else 0,
        "solution_words": tutorial_lint.words(read.solution.text) if read.solution else 0,
    }


def question_faults(question: Question) -> list[str]:
    """Return faults of a question, as ends of sentences."""
    options, kind = question.options, question.type
    rules = {
        "every option is right": len(options) == len(question.answers) > 0,
        f"true or false has {len(options)} options": kind == "true_false" and len(options) != 2,
        "a choice of two is a guess": kind == "single" and len(options) < 3,
        "two options are the same": len({each.strip().casefold() for each in options})
        < len(options),
        "its explanation is its question": question.explanation.strip() == question.prompt.strip(),
    }
    return [fault for fault, is_broken in rules.items() if is_broken]
