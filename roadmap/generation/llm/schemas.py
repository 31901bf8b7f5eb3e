"""Forms that a model fills in: JSON schemas whose valid answers become domain types.

They have no defaults and no length limits, which structured output does not allow. The domain types
validate the answers.
"""

import math
import random
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from core.sanitize import one_line, plain
from roadmap.plan.markdown_sanitizer import sanitized
from roadmap.plan.outline import (
    FIRST_ONLY,
    LONGEST_WORDS,
    MOST_ITEMS,
    Analysis,
    Level,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Question,
    Quiz,
    Resource,
    Resources,
    ResourceType,
    Tutorial,
)

Item = TypeVar("Item")


def whole(hours: Any) -> Any:
    """Accept 2.5 and "3 hours", which models write if the schema is not enforced."""
    if isinstance(hours, str) and (found := re.match(r"\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)", hours)):
        hours = float(found[1])
    return math.ceil(hours) if isinstance(hours, float) and 0 < hours < 10_000 else hours


def _short(text: str) -> str:
    if len(text) > LONGEST_WORDS:
        raise ValueError(f"at most {LONGEST_WORDS:,} characters are allowed")
    return text


def _few(items: list[Item]) -> list[Item]:
    if len(items) > MOST_ITEMS:
        raise ValueError(f"at most {MOST_ITEMS:,} are allowed")
    return items


LONGEST_TUTORIAL = 100_000  # characters; checks read each of them many times

Markdown = Annotated[str, AfterValidator(plain), AfterValidator(str.strip)]
Words = Annotated[str, AfterValidator(_short), AfterValidator(plain), AfterValidator(str.strip)]
Line = Annotated[str, AfterValidator(_short), AfterValidator(one_line)]
Several = Annotated[list[Item], FIRST_ONLY, AfterValidator(_few)]


class Draft(BaseModel, extra="ignore", json_schema_extra={"additionalProperties": False}):
    """Form of a model; extra fields are ignored, and the schema that is sent forbids them."""


class AnalysisDraft(Draft):
    aim: Annotated[
        Line, Field(description="what the person will be able to do in the end, one sentence")
    ]
    known: Annotated[
        Several[Line], Field(description="what the person knows already and needs not learn")
    ]
    subjects: Annotated[
        Several[Line], Field(description="what has to be learned, from the ground up")
    ]
    assumptions: Annotated[
        Several[Line], Field(description="what had to be guessed because the person did not say it")
    ]

    def to_analysis(self) -> Analysis:
        return Analysis(**self.model_dump())


class ConceptDraft(Draft):
    key: Annotated[
        Line, Field(description="short name in lower case with hyphens, unique in the roadmap")
    ]
    title: Line
    description: Words
    hours: Annotated[int, BeforeValidator(whole)]
    difficulty: Annotated[int, Field(description="1 easy to 5 hard")]
    prerequisites: Annotated[
        Several[Line],
        Field(description="keys of concepts that come earlier and are needed directly"),
    ]
    outcomes: Annotated[
        Several[Line], Field(description="two to four, each completing 'you will be able to'")
    ]


class ModuleDraft(Draft):
    key: Annotated[
        Line, Field(description="short name in lower case with hyphens, unique among the modules")
    ]
    title: Line
    description: Words
    concepts: Several[ConceptDraft]


class StageDraft(Draft):
    key: Annotated[
        Line, Field(description="short name in lower case with hyphens, unique among the stages")
    ]
    title: Line
    description: Words
    modules: Several[ModuleDraft]


class OutlineDraft(Draft):
    title: Line
    stages: Several[StageDraft]

    def to_outline(self) -> Outline:
        stages = tuple(
            OutlineStage(
                **stage.model_dump(exclude={"modules"}),
                modules=tuple(
                    OutlineModule(
                        **module.model_dump(exclude={"concepts"}),
                        concepts=tuple(
                            OutlineConcept(**concept.model_dump()) for concept in module.concepts
                        ),
                    )
                    for module in stage.modules
                ),
            )
            for stage in self.stages
        )
        return Outline(title=self.title, stages=stages)


class TutorialDraft(Draft):
    markdown: Annotated[
        Markdown,
        Field(description="the whole tutorial in Markdown, without HTML and without images"),
    ]

    def to_content(self) -> Tutorial:
        if len(self.markdown) > LONGEST_TUTORIAL:
            raise ValueError(f"A tutorial has at most {LONGEST_TUTORIAL:,} characters.")
        return Tutorial(markdown=sanitized(self.markdown.strip()))


class ResourceDraft(Draft):
    title: Line
    url: Annotated[Line, Field(description="its address, beginning with https://")]
    type: ResourceType
    level: Level
    language: Line
    why: Line


class ResourcesDraft(Draft):
    items: Several[ResourceDraft]

    def to_content(self) -> Resources:
        return Resources(items=tuple(Resource(**item.model_dump()) for item in self.items))


class QuestionDraft(Draft):
    prompt: Words
    right_options: Annotated[
        Several[Line], Field(description="one, or several when several are right")
    ]
    wrong_options: Annotated[
        Several[Line], Field(description="one to four that a learner could believe")
    ]
    explanation: Annotated[
        Line, Field(description="why the right ones are right and the tempting wrong one is wrong")
    ]

    def to_question(self) -> Question:
        options = [
            *((text, True) for text in self.right_options),
            *((text, False) for text in self.wrong_options),
        ]
        random.Random(self.prompt).shuffle(options)  # the same order each time
        is_statement = len(self.right_options) == len(self.wrong_options) == 1
        return Question(
            type="multiple"
            if len(self.right_options) > 1
            else "true_false"
            if is_statement
            else "single",
            prompt=self.prompt,
            options=tuple(text for text, _ in options),
            answers=tuple(index for index, (_, right) in enumerate(options) if right),
            explanation=self.explanation,
        )


class QuizDraft(Draft):
    questions: Several[QuestionDraft]

    def to_content(self) -> Quiz:
        return Quiz(questions=tuple(question.to_question() for question in self.questions))
