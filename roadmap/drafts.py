"""The forms that a model fills in: JSON schemas whose every valid answer makes sense, turned into domain types.

No defaults and no length limits here: structured output allows neither. The domain types check what comes out.
"""

import random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from roadmap.markdown import harmless
from roadmap.outline import (
    Analysis,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Question,
    Quiz,
    Resource,
    Resources,
    Tutorial,
)


class Draft(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AnalysisDraft(Draft):
    aim: Annotated[str, Field(description="what the person will be able to do in the end, one sentence")]
    known: Annotated[list[str], Field(description="what the person knows already and needs not learn")]
    subjects: Annotated[list[str], Field(description="what has to be learned, from the ground up")]
    assumptions: Annotated[list[str], Field(description="what had to be guessed because the person did not say it")]

    def to_analysis(self) -> Analysis:
        return Analysis(aim=self.aim, known=tuple(self.known), subjects=tuple(self.subjects), assumptions=tuple(self.assumptions))


class ConceptDraft(Draft):
    key: Annotated[str, Field(description="short name in lower case with hyphens, unique in the roadmap")]
    title: str
    description: str
    hours: int
    difficulty: Annotated[int, Field(description="1 easy to 5 hard")]
    prerequisites: Annotated[list[str], Field(description="keys of concepts that come earlier and are needed directly")]
    outcomes: Annotated[list[str], Field(description="two to four, each completing 'you will be able to'")]


class ModuleDraft(Draft):
    key: Annotated[str, Field(description="short name in lower case with hyphens, unique among the modules")]
    title: str
    description: str
    concepts: list[ConceptDraft]


class StageDraft(Draft):
    key: Annotated[str, Field(description="short name in lower case with hyphens, unique among the stages")]
    title: str
    description: str
    modules: list[ModuleDraft]


class OutlineDraft(Draft):
    title: str
    stages: list[StageDraft]

    def to_outline(self) -> Outline:
        return Outline(title=self.title, stages=tuple(_stage(stage) for stage in self.stages))


class TutorialDraft(Draft):
    markdown: Annotated[str, Field(description="the whole tutorial in Markdown, without HTML and without images")]

    def to_content(self) -> Tutorial:
        return Tutorial(markdown=harmless(self.markdown.strip()))


class ResourceDraft(Draft):
    title: str
    url: Annotated[str, Field(description="its address, beginning with https://")]
    type: Literal["documentation", "tutorial", "reference", "specification", "book", "course", "video", "article", "tool"]
    language: str
    why: str


class ResourcesDraft(Draft):
    items: list[ResourceDraft]

    def to_content(self) -> Resources:
        return Resources(items=tuple(Resource(**item.model_dump()) for item in self.items))


class QuestionDraft(Draft):
    prompt: str
    right_options: Annotated[list[str], Field(description="one, or several when several are right")]
    wrong_options: Annotated[list[str], Field(description="one to four that a learner could believe")]
    explanation: Annotated[str, Field(description="why the right ones are right and the tempting wrong one is wrong")]

    def to_question(self) -> Question:
        options = [(text, True) for text in self.right_options] + [(text, False) for text in self.wrong_options]
        random.Random(self.prompt).shuffle(options)  # an order that tells nothing, and the same each time
        return Question(
            type="single" if len(self.right_options) == 1 else "multiple",
            prompt=self.prompt,
            options=tuple(text for text, _ in options),
            answers=tuple(index for index, (_, right) in enumerate(options) if right),
            explanation=self.explanation,
        )


class QuizDraft(Draft):
    questions: list[QuestionDraft]

    def to_content(self) -> Quiz:
        return Quiz(questions=tuple(question.to_question() for question in self.questions))


def _stage(stage: StageDraft) -> OutlineStage:
    modules = tuple(_module(module) for module in stage.modules)
    return OutlineStage(key=stage.key, title=stage.title, description=stage.description, modules=modules)


def _module(module: ModuleDraft) -> OutlineModule:
    concepts = tuple(OutlineConcept(**concept.model_dump()) for concept in module.concepts)
    return OutlineModule(key=module.key, title=module.title, description=module.description, concepts=concepts)
