"""The shape of a roadmap: Stage > Module > Concept, the contents of a concept, and the checks that need no model."""

import math
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_CONCEPTS = 200


class Level(StrEnum):
    beginner = "beginner"
    intermediate = "intermediate"
    advanced = "advanced"


class ContentKind(StrEnum):
    tutorial = "tutorial"
    resources = "resources"
    quiz = "quiz"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Title = Annotated[str, Field(min_length=1, max_length=200)]


class OutlineConcept(Frozen):
    """The smallest thing to learn. `hours` is study time; `prerequisites` are keys of other concepts."""

    key: Title
    title: Title
    description: str
    hours: Annotated[int, Field(ge=1, le=200)]
    difficulty: Annotated[int, Field(ge=1, le=5)]
    prerequisites: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()


class OutlineModule(Frozen):
    title: Title
    description: str
    concepts: tuple[OutlineConcept, ...]


class OutlineStage(Frozen):
    title: Title
    description: str
    modules: tuple[OutlineModule, ...]


class Outline(Frozen):
    title: Title
    stages: tuple[OutlineStage, ...]

    def concepts(self) -> Iterator[OutlineConcept]:
        """All concepts in the order of learning."""
        for stage in self.stages:
            for module in stage.modules:
                yield from module.concepts

    @property
    def hours(self) -> int:
        return sum(concept.hours for concept in self.concepts())


class Tutorial(Frozen):
    markdown: Annotated[str, Field(min_length=1)]


class Resource(Frozen):
    title: str
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
    type: str
    language: str
    why: str


class Resources(Frozen):
    items: Annotated[tuple[Resource, ...], Field(min_length=1)]


class Question(Frozen):
    """`answers` are indexes of the right options."""

    type: Literal["single", "multiple", "true_false"]
    prompt: str
    options: Annotated[tuple[str, ...], Field(min_length=2)]
    answers: Annotated[tuple[int, ...], Field(min_length=1)]
    explanation: str

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if len(set(self.options)) < len(self.options):
            raise ValueError("an option stands there twice")
        if not set(self.answers) <= set(range(len(self.options))) or len(set(self.answers)) < len(self.answers):
            raise ValueError("answers must be indexes of options, each once")
        if (self.type == "multiple") != (len(self.answers) > 1):
            raise ValueError(f"{len(self.answers)} right answers do not fit the type {self.type}")
        return self


class Quiz(Frozen):
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]


Contents = Tutorial | Resources | Quiz


def problems(outline: Outline) -> list[str]:
    """What is wrong with the structure, one sentence each; empty when it can be learned from top to bottom."""
    concepts = list(outline.concepts())
    found = []
    if not concepts:
        found.append("There is no concept.")
    if len(concepts) > MOST_CONCEPTS:
        found.append(f"There are {len(concepts)} concepts; at most {MOST_CONCEPTS} are allowed.")
    for stage in outline.stages:
        if not stage.modules:
            found.append(f"Stage '{stage.title}' has no module.")
        found += [f"Module '{module.title}' has no concept." for module in stage.modules if not module.concepts]
    counts = Counter(concept.key for concept in concepts)
    found += [f"The key '{key}' is used {count} times." for key, count in counts.items() if count > 1]
    return found + list(_prerequisite_problems(concepts))


def _prerequisite_problems(concepts: list[OutlineConcept]) -> Iterator[str]:
    known = {concept.key for concept in concepts}
    earlier: set[str] = set()
    for concept in concepts:
        for key in concept.prerequisites:
            if key not in known:
                yield f"Concept '{concept.key}' needs '{key}', which does not exist."
            elif key not in earlier:
                yield f"Concept '{concept.key}' needs '{key}', which comes later or is itself."
        earlier.add(concept.key)


def weeks(outline: Outline, hours_per_week: int) -> dict[str, int]:
    """The week, from 1, in which each concept starts when the hours are spent in order."""
    spent, week_of = 0, {}
    for concept in outline.concepts():
        week_of[concept.key] = spent // hours_per_week + 1
        spent += concept.hours
    return week_of


def total_weeks(outline: Outline, hours_per_week: int) -> int:
    return math.ceil(outline.hours / hours_per_week)
