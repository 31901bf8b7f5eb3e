"""Forms that a model fills in: JSON schemas whose valid answers become domain types.

They have no defaults, which structured output does not allow. Their bounds, which end the answers
of small models, are wide and only in the schema: the domain types validate the answers.
"""

import json
import math
import random
import re
import zlib
from contextlib import suppress
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from core.sanitize import one_line, plain, strip_nul, strip_nul_json
from roadmap.generation.tutorial_lint import sanitized_lesson
from roadmap.plan.markdown_sanitizer import sanitized
from roadmap.plan.outline import (
    FEWEST_CRITERIA,
    FEWEST_HINTS,
    FIRST_ONLY,
    LONGEST_ASKED,
    LONGEST_CRITERION,
    LONGEST_HINT,
    LONGEST_SUGGESTION,
    LONGEST_WORDS,
    MOST_CLARIFYING_QUESTIONS,
    MOST_CRITERIA,
    MOST_HINTS,
    MOST_ITEMS,
    MOST_SUGGESTIONS,
    Analysis,
    AnalysisKind,
    Capstone,
    ClarifyingQuestion,
    Level,
    Mark,
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

HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
# The value as far as it has come, without half an escape. Nothing is kept to go back to: that
# would take 250 MB.
VALUE = re.compile(r'"markdown"\s*:\s*"((?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))*+)')
FENCE, FENCE_END = re.compile(r"\A\s*```(markdown|md)?[ \t]*\n"), re.compile(r"\n```\s*\Z")
OPEN_THOUGHTS = re.compile(r"\A\s*<think>.*?(</think>|\Z)", re.DOTALL)


def plain_markdown(text: str) -> str | None:
    """Return an answer that is Markdown with a heading and no JSON, without a fence around it."""
    if text.lstrip()[:1] == "{" or '"markdown"' in text or not HEADING.search(text):
        return None
    inside = FENCE.sub("", text)
    return text if inside == text else FENCE_END.sub("", inside)


def markdown_so_far(text: str) -> str:
    """Return the Markdown in the first part of an answer; empty when there is none yet."""
    text = OPEN_THOUGHTS.sub("", text)
    if found := VALUE.search(text):
        return strip_nul(json.loads(f'"{found[1]}"', strict=False))
    return plain_markdown(text) or ""


Item = TypeVar("Item")


def whole(hours: Any) -> Any:
    """Accept 2.5 and "3 hours", which models write if the schema is not enforced."""
    if isinstance(hours, str) and (found := re.match(r"\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)", hours)):
        hours = float(found[1])
    return math.ceil(hours) if isinstance(hours, float) and 0 < hours < 10_000 else hours


LONGEST_TUTORIAL = 100_000  # characters; checks read each of them many times


def up_to(characters: int) -> Any:
    return Field(json_schema_extra={"maxLength": characters})


def sized(least: int, most: int, description: str | None = None) -> Any:
    return Field(description=description, json_schema_extra={"minItems": least, "maxItems": most})


Markdown = Annotated[str, AfterValidator(plain), AfterValidator(str.strip), up_to(40_000)]
Short = Annotated[str, Field(max_length=LONGEST_WORDS)]
Words = Annotated[Short, AfterValidator(plain), AfterValidator(str.strip), up_to(2000)]
Line = Annotated[Short, AfterValidator(one_line), up_to(1000)]
Name = Annotated[Line, up_to(200)]
Summary = Annotated[Words, up_to(600)]
Several = Annotated[list[Item], FIRST_ONLY, Field(max_length=MOST_ITEMS)]


def _closed(schema: dict[str, Any]) -> None:
    schema |= {"additionalProperties": False, "required": list(schema["properties"])}
    for field in schema["properties"].values():
        field.pop("default", None)


class Draft(BaseModel, extra="ignore", json_schema_extra=_closed):
    """Form of a model; extra fields are ignored, and the schema that is sent forbids them.

    It also requires all fields, as structured output does. Some may be missing all the same.
    """

    @classmethod
    def read(cls, answer: str) -> Self:
        """Return the form that an answer fills in. Raises ValidationError."""
        return cls.model_validate_json(strip_nul_json(answer))


class AskedDraft(Draft):
    question: Line
    suggestions: Annotated[Several[Name], sized(2, 4, "answers to choose from")]


class AnalysisDraft(Draft):
    kind: Literal["course", "two_courses", "unclear", "not_learning"] = "course"
    remark: Annotated[Line, Field(description="why, in one sentence; empty for a course")] = ""
    courses: Annotated[Several[Name], sized(0, 2, "names of the two courses; empty for one")] = (
        Field(default_factory=list)
    )
    aim: Annotated[
        Line,
        up_to(400),
        Field(description="what the person will be able to do in the end, one sentence"),
    ]
    known: Annotated[
        Several[Name], sized(0, 8, "what the person knows already and needs not learn")
    ]
    subjects: Annotated[Several[Name], sized(0, 15, "what has to be learned, from the ground up")]
    assumptions: Annotated[
        Several[Name], sized(0, 5, "what had to be guessed because the person did not say it")
    ]
    questions: Annotated[
        Several[AskedDraft],
        sized(0, MOST_CLARIFYING_QUESTIONS, "at most `questions_allowed`, else empty"),
    ] = Field(default_factory=list)

    @property
    def asked(self) -> list[ClarifyingQuestion]:
        """Questions with suggestions, cut to their bounds; first which of two courses is meant."""
        asked = [(each.question, each.suggestions) for each in self.questions]
        if self.kind == "two_courses":
            asked.insert(0, (self.remark, self.courses))
        found = []
        for question, texts in asked:
            different = list(dict.fromkeys(text[:LONGEST_SUGGESTION] for text in texts if text))
            if question and len(different) > 1:
                suggestions = tuple(different[:MOST_SUGGESTIONS])
                found.append(
                    ClarifyingQuestion(question=question[:LONGEST_ASKED], suggestions=suggestions)
                )
        return found

    def to_analysis(self) -> Analysis:
        is_one = self.kind in ("course", "not_learning")  # the latter by a mere doubt
        facts = self.model_dump(include={"aim", "known", "subjects", "assumptions"})
        return Analysis(
            **facts,
            kind=AnalysisKind.course if is_one else AnalysisKind(self.kind),
            remark="" if is_one else self.remark[:LONGEST_ASKED],
            questions=tuple(self.asked[:MOST_CLARIFYING_QUESTIONS]),
        )


class ConceptDraft(Draft):
    key: Annotated[
        Name, Field(description="short name in lower case with hyphens, unique in the roadmap")
    ]
    title: Name
    description: Summary
    hours: Annotated[int, BeforeValidator(whole)]
    difficulty: Annotated[int, Field(description="1 easy to 5 hard")]
    prerequisites: Annotated[
        Several[Name],
        sized(0, 20, "keys of concepts that come earlier and are needed directly"),
    ]
    outcomes: Annotated[
        Several[Name], sized(1, 12, "two to four, each completing 'you will be able to'")
    ]


class ModuleDraft(Draft):
    key: Annotated[
        Name, Field(description="short name in lower case with hyphens, unique among the modules")
    ]
    title: Name
    description: Summary
    concepts: Annotated[Several[ConceptDraft], sized(1, 20)]


class CapstoneDraft(Draft):
    title: Name
    brief: Annotated[Markdown, up_to(2500), Field(description="100 to 250 words of Markdown")]
    criteria: Annotated[
        Several[Annotated[Line, up_to(LONGEST_CRITERION)]], sized(FEWEST_CRITERIA, MOST_CRITERIA)
    ]
    hints: Annotated[Several[Annotated[Line, up_to(LONGEST_HINT)]], sized(FEWEST_HINTS, MOST_HINTS)]

    def to_capstone(self) -> Capstone | None:
        """Return the project, or None if it breaks a rule: the plan can do without."""
        facts = self.model_dump()
        with suppress(ValueError):
            return Capstone.model_validate(facts | {"brief": sanitized(self.brief)})
        return None


CapstoneField = Annotated[
    CapstoneDraft | None, Field(description="project at the end of the stage")
]


class StageDraft(Draft):
    key: Annotated[
        Name, Field(description="short name in lower case with hyphens, unique among the stages")
    ]
    title: Name
    description: Summary
    modules: Annotated[Several[ModuleDraft], sized(1, 12)]
    capstone: CapstoneField = None


class OutlineDraft(Draft):
    title: Name
    stages: Annotated[Several[StageDraft], sized(1, 20)]

    def to_outline(self) -> Outline:
        stages = tuple(
            OutlineStage(
                **stage.model_dump(exclude={"modules", "capstone"}),
                capstone=stage.capstone and stage.capstone.to_capstone(),
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


class VerdictDraft(Draft):
    mark: Mark
    comment: Annotated[Line, up_to(300)]


class VerdictsDraft(Draft):
    verdicts: Annotated[
        Several[VerdictDraft],
        sized(FEWEST_CRITERIA, MOST_CRITERIA, "one for each criterion, in order"),
    ]


class TutorialDraft(Draft):
    markdown: Annotated[
        Markdown,
        Field(description="the whole tutorial in Markdown, without HTML and without images"),
    ]

    @classmethod
    def read(cls, answer: str) -> Self:
        """Do the same, also with an answer that is the Markdown alone."""
        markdown = plain_markdown(answer)
        return super().read(answer) if markdown is None else cls(markdown=strip_nul(markdown))

    def to_content(self) -> Tutorial:
        if len(self.markdown) > LONGEST_TUTORIAL:
            raise ValueError(f"A tutorial has at most {LONGEST_TUTORIAL:,} characters.")
        return Tutorial(markdown=sanitized_lesson(self.markdown.strip()))


class ResourceDraft(Draft):
    title: Line
    url: Annotated[Line, Field(description="its address, beginning with https://")]
    type: ResourceType
    level: Level
    language: Line
    why: Line


class ResourcesDraft(Draft):
    items: Annotated[Several[ResourceDraft], sized(3, 20)]

    def to_content(self) -> Resources:
        return Resources(items=tuple(Resource(**item.model_dump()) for item in self.items))


class QuestionDraft(Draft):
    """One flat form for all kinds: the lists that are not of its kind stay empty."""

    kind: Name = Field(default_factory=str, description="choice, typed or order")
    prompt: Words
    right_options: Annotated[
        Several[Line], sized(0, 6, "of a choice: one, or several when several are right")
    ] = Field(default_factory=list)
    wrong_options: Annotated[
        Several[Line], sized(0, 6, "of a choice: one to four that a learner could believe")
    ] = Field(default_factory=list)
    accepted: Annotated[
        Several[Line], sized(0, 10, "of a typed answer: every short text that is right")
    ] = Field(default_factory=list)
    lines: Annotated[
        Several[Line], sized(0, 7, "of an order: three to seven, in the right order")
    ] = Field(default_factory=list)
    explanation: Annotated[
        Line, Field(description="why the right ones are right and the tempting wrong one is wrong")
    ]

    needs_tutorial: bool = Field(
        default_factory=bool,
        description="whether only numbers or names of the tutorial's own example answer it",
    )

    def to_question(self) -> Question:
        facts: dict[str, Any] = {
            "prompt": self.prompt,
            "explanation": self.explanation,
            "seed": zlib.crc32(self.prompt.encode()),
            "needs_tutorial": self.needs_tutorial,
        }
        is_choice = bool(self.right_options and self.wrong_options)
        if self.lines and (self.kind == "order" or not is_choice):
            return Question(type="order", options=tuple(self.lines), **facts)
        if self.accepted and (self.kind == "typed" or not is_choice):
            return Question(type="typed", accepted=tuple(self.accepted), **facts)
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
            options=tuple(text for text, _ in options),
            answers=tuple(index for index, (_, right) in enumerate(options) if right),
            **facts,
        )


class QuizDraft(Draft):
    questions: Annotated[Several[QuestionDraft], sized(4, 20)]

    def to_content(self) -> Quiz:
        return Quiz(questions=tuple(question.to_question() for question in self.questions))
