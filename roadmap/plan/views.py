"""Roadmaps as clients see them. No database."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from roadmap.plan.outline import (
    CONTENT_KINDS,
    Analysis,
    ContentKind,
    Level,
    Question,
    QuestionType,
    Quiz,
    Resource,
)
from roadmap.plan.statuses import ConceptProgress, ContentStatus, LinkState, Progress, RoadmapStatus


class Owner(BaseModel):
    id: UUID
    email: str = Field(description="Of the account.")


class Writing(BaseModel):
    """A part that a worker is at."""

    concept_id: UUID
    title: str = Field(description="That of the concept.")
    kind: ContentKind = Field(description="Which part of it.")


class Activity(BaseModel):
    """`ahead`: roadmaps, or parts of others, that were accepted before and wait as well; null when nothing waits.
    `seconds_left` is null when nothing was measured that tells. `seq` is the number of the newest event.
    """

    status: RoadmapStatus
    seq: int = Field(description="The number of the newest event.")
    ahead: int | None = Field(
        description="Roadmaps, or parts of others, that wait and are older; null: nothing waits."
    )
    writing: list[Writing] = Field(description="What workers are at.")
    seconds_left: int | None = Field(
        description="Until it is done; null: nothing was measured that tells."
    )


class QuizQuestion(BaseModel):
    """A question as it is asked: without its answers."""

    id: int = Field(description="Its index in the quiz, from 0.")
    type: QuestionType = Field(
        description="How many of the options are right: one, several, or one of true and false."
    )
    prompt: str = Field(description="What is asked.")
    options: list[str] = Field(description="Of which some are right.")


class QuizDetail(BaseModel):
    """`version` goes with the answers: they are graded by the quiz that was shown."""

    version: int = Field(
        description="It goes with the answers: they are graded by the quiz that was shown."
    )
    questions: list[QuizQuestion] = Field(description="In the order in which they are asked.")

    def compared(self) -> str:
        questions = (
            [each.prompt, *(f"- {option}" for option in each.options), ""]
            for each in self.questions
        )
        return "\n".join(line for question in questions for line in question)


def without_answers(quiz: Quiz, version: int) -> QuizDetail:
    return QuizDetail(
        version=version,
        questions=[as_asked(number, question) for number, question in enumerate(quiz.questions)],
    )


def as_asked(number: int, question: Question) -> QuizQuestion:
    return QuizQuestion(
        id=number, type=question.type, prompt=question.prompt, options=list(question.options)
    )


class CheckedResource(Resource):
    """With what is known of its address."""

    level: Level | None = Field(None, description="For whom it is; null: it is not said.")
    state: LinkState = Field(
        LinkState.unchecked, description="Whether its address was found to be alive."
    )
    checked_at: datetime | None = Field(
        None, description="When it was looked at last; null: not yet."
    )
    reason: str = Field(
        "",
        description=(
            "Why it is not alive, as a sentence goes on; empty: it is, or nobody has looked."
        ),
    )


class Estimate(BaseModel):
    """Probable cost of the model calls that are still to come.

    `price` is null when the price of the model is not set. `measured`: from earlier calls of every
    step, not from assumptions.
    """

    calls: int = Field(description="How many are to come.")
    prompt_tokens: int = Field(description="Tokens that will be sent.")
    completion_tokens: int = Field(description="Tokens that will come back.")
    price: Decimal | None = Field(description="Null: nobody has said what the model costs.")
    currency: str = Field(description="A code of three letters.")
    measured: bool = Field(
        description="From earlier calls of every step, and not from assumptions."
    )


class RoadmapFields(BaseModel):
    """Fields for the owner and for operators.

    `spent` is in CURRENCY, including the amount reserved for calls that run.
    """

    id: UUID
    goal: str = Field(description="What the person wants to be able to do, as it was said.")
    title: str = Field(description="What the roadmap is called; empty: it has no plan yet.")
    status: RoadmapStatus
    error: str = Field(description="What went wrong; empty: nothing.")
    generator: str = Field(
        description="Who makes it: the catalogue, or a model; empty: it has no plan yet."
    )
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    progress: Progress = Field(description="How far its making is.")
    spent: Decimal = Field(
        description="What it has cost, in CURRENCY, with what is reserved for calls that run."
    )
    over_budget: bool = Field(
        description="Whether something stays unwritten because a budget was spent."
    )
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(description="When its making ended; null: it has not.")


class RoadmapSummary(RoadmapFields):
    """`revision` 0: there is no outline yet."""

    level: Level = Field(description="What the person knew already.")
    hours_per_week: int = Field(description="Hours for learning, a week.")
    deadline: date | None = Field(description="Day by which it should be reached.")
    begins_on: date = Field(description="From when the plan counts.")
    weeks: int = Field(description="How long it takes with these hours a week.")
    hours: int = Field(description="Hours of all concepts.")
    revision: int = Field(description="The number of the current plan; 0: there is none yet.")


class ContentState(BaseModel):
    """`version` 0: nothing is written yet."""

    status: ContentStatus
    version: int = Field(description="Which is shown; 0: nothing is written yet.")
    error: str = Field(description="What went wrong; empty: nothing.")


class ConceptNode(BaseModel):
    """`key` names it in all revisions and in edits."""

    id: UUID
    key: str = Field(description="Its name in all revisions and in edits.")
    title: str = Field(description="What it is called.")
    description: str = Field(description="What it is about.")
    hours: int = Field(description="Hours that it takes to learn.")
    week: int = Field(description="In which week it is begun, from 1.")
    difficulty: int = Field(description="From 1, easy, to 5, hard.")
    prerequisites: list[UUID] = Field(description="The ids of the concepts that one needs before.")
    outcomes: list[str] = Field(description="What one can do afterwards.")
    progress: ConceptProgress = Field(description="How far the learner is with it.")
    progress_at: datetime | None = Field(description="Since when; null: it is not begun.")
    contents: dict[ContentKind, ContentState] = Field(
        description=f"The state of its parts: {', '.join(ContentKind)}."
    )

    @property
    def written(self) -> list[ContentKind]:
        return [kind for kind, state in self.contents.items() if state.version]


class GroupNode(BaseModel):
    id: UUID
    key: str = Field(description="Its name in all revisions and in edits.")
    title: str = Field(description="What it is called.")
    description: str = Field(description="What it is about.")
    hours: int = Field(description="Hours of its concepts.")


class ModuleNode(GroupNode):
    concepts: list[ConceptNode] = Field(description="In the order in which they are learned.")


class StageNode(GroupNode):
    modules: list[ModuleNode] = Field(description="In the order in which they are learned.")

    @property
    def concepts(self) -> list[ConceptNode]:
        return [concept for module in self.modules for concept in module.concepts]


class Learned(BaseModel):
    """Concepts of the plan by what the learner has said of them, and the hours of those that are done or skipped."""

    done: int = Field(description="Concepts.")
    skipped: int = Field(description="Concepts.")
    learning: int = Field(description="Concepts.")
    total: int = Field(description="All concepts.")
    hours_done: int = Field(description="Hours of those that are done or skipped.")

    @property
    def is_begun(self) -> bool:
        return self.done + self.skipped + self.learning > 0


class RoadmapTree(RoadmapSummary):
    """`remarks`: what should be better with the plan, and had to be accepted. `estimate`: of what is still to be written,
    while the plan waits for review.
    """

    review: bool = Field(
        description="Whether its plan waits for approval before contents are written."
    )
    resource_language: str | None = Field(
        description="A second language in which resources may be."
    )
    analysis: Analysis | None = Field(
        description="What the plan was designed from; null: it is not there yet."
    )
    remarks: list[str] = Field(
        description="What should be better with the plan, and had to be accepted."
    )
    estimate: Estimate | None = Field(
        description="What it will cost to write the rest, while the plan waits for review."
    )
    learned: Learned = Field(description="How far the learner is.")
    stages: list[StageNode] = Field(description="The plan; empty: there is none yet.")


class TutorialDetail(BaseModel):
    markdown: str = Field(description="Markdown without HTML.")
    language: str | None = Field(
        None, description="As a BCP 47 tag, where it is not the language of the roadmap."
    )
    version: int = Field(description="Which one it is.")
    generator: str = Field(description="Who has written it.")


# Contents as they are shown, by kind: a version of them, and with what is known besides.
SHOWN: dict[ContentKind, Any] = {kind: entry.body for kind, entry in CONTENT_KINDS.items()}
SHOWN[ContentKind.quiz] = QuizDetail
DETAILS = {
    **SHOWN,
    ContentKind.tutorial: TutorialDetail,
    ContentKind.resources: list[CheckedResource],
}


def with_kinds(
    base: type[BaseModel], types: Mapping[ContentKind, Any], about: str, default: Any = ...
) -> Any:
    """Return a model with a field for each kind, described by that attribute of its entry."""
    fields: dict[str, Any] = {
        kind: (type_ | None, Field(default, description=getattr(CONTENT_KINDS[kind], about)))
        for kind, type_ in types.items()
    }
    return create_model(base.__name__, __base__=base, **fields)


class OwnConcept(ConceptNode):
    roadmap_id: UUID
    notes: str = Field(description="The learner's own.")
    notes_tag: str = Field(description="Changes with the notes: `base` of a change.")


class ConceptDetail(with_kinds(OwnConcept, DETAILS, "detail")):  # type: ignore[misc]
    """With what is written of its contents so far; null where nothing is."""


def concepts_of(tree: RoadmapTree) -> list[ConceptNode]:
    """Return the concepts of a roadmap in the order of learning."""
    return [concept for stage in tree.stages for concept in stage.concepts]


def learned_of(stages: list[StageNode]) -> Learned:
    """Sum up the learner's progress."""
    concepts = [concept for stage in stages for concept in stage.concepts]
    counts = Counter(concept.progress for concept in concepts)
    behind = (ConceptProgress.done, ConceptProgress.skipped)
    return Learned(
        done=counts[ConceptProgress.done],
        skipped=counts[ConceptProgress.skipped],
        learning=counts[ConceptProgress.learning],
        total=len(concepts),
        hours_done=sum(concept.hours for concept in concepts if concept.progress in behind),
    )
