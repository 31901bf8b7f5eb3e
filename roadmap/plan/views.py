"""Roadmaps as clients see them, and the mark of a concept in the map. No database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from core.i18n import gettext_noop
from core.json_types import LazyModel
from roadmap.plan.match import GoalMatch
from roadmap.plan.outline import (
    CONTENT_KINDS,
    QUESTION_TYPES,
    Analysis,
    ClarifyingQuestion,
    ContentKind,
    Judge,
    Level,
    Question,
    QuestionType,
    Quiz,
    Resource,
    is_empty,
    is_none,
    shuffled,
)
from roadmap.plan.statuses import ConceptProgress, ContentStatus, LinkState, Progress, RoadmapStatus

TEST_AFTER = timedelta(days=60)  # from the last concept to the test of all
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # in place of unknown or hidden times


class Owner(LazyModel):
    id: UUID
    email: str = Field(description="Email address of the account.")


class Writing(LazyModel):
    """A part in progress."""

    concept_id: UUID
    title: str = Field(description="Title of the concept.")
    kind: ContentKind = Field(description="Part of the concept.")


class Activity(LazyModel):
    """Current activity of a roadmap.

    `ahead`: waiting roadmaps, or parts of others, that were accepted before; null if nothing waits.
    `seconds_left` is null without measurements. `seq` is the number of the newest event.
    """

    status: RoadmapStatus
    seq: int = Field(description="Number of the newest event.")
    ahead: int | None = Field(
        description="Waiting roadmaps, or parts of others, that are older; null: nothing waits."
    )
    writing: list[Writing] = Field(description="Parts in progress.")
    seconds_left: int | None = Field(description="Estimated seconds left; null: no measurements.")


class QuizQuestion(LazyModel):
    """A question without its answers."""

    id: int = Field(description="Index in the quiz, from 0.")
    type: QuestionType = Field(description=QUESTION_TYPES)
    prompt: str = Field(description="Text of the question.")
    options: list[str] = Field(
        description="Options, or lines to put in order; empty: the answer is typed."
    )
    seed: int | None = Field(
        None,
        description="Shuffle what you show by this and, for example, the number of attempts; null: "
        "show the options as they are. Answers have the indexes in `options`.",
    )
    needs_tutorial: bool = Field(
        False, description="Whether it asks about numbers of the tutorial; never for review."
    )

    def arranged(self, turn: object) -> list[int]:
        """Return the indexes of the options as pages show them, in another order each turn."""
        if self.type == "true_false" or (self.type != "order" and self.seed is None):
            return list(range(len(self.options)))
        return shuffled(self.options, self.seed or 0, str(turn))


class QuizDetail(LazyModel):
    """A quiz without answers. Send `version` with the answers."""

    version: int = Field(description="Version of the quiz. Send it with the answers.")
    questions: list[QuizQuestion] = Field(description="Questions, in order.")

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
        id=number,
        type=question.type,
        prompt=question.prompt,
        options=[question.options[index] for index in question.given],
        seed=question.seed,
        needs_tutorial=question.needs_tutorial,
    )


class CheckedResource(Resource):
    """A resource with the result of its link check."""

    level: Level | None = Field(None, description="Level of the audience; null: unknown.")
    state: LinkState = Field(LinkState.unchecked, description="Result of the link check.")
    unverified: Literal[True] | None = Field(
        None,
        description="A model has named the link, no search has found it, and it was not checked.",
        exclude_if=is_none,
    )
    checked_at: datetime | None = Field(
        None, description="Time of the last link check; null: none."
    )
    reason: str = Field(
        "",
        description=("Why the link does not work; empty: it works, or was not checked."),
    )


class Estimate(LazyModel):
    """Probable cost of the model calls that are still to come.

    `price` is null when the price of the model is not set. `measured`: from earlier calls of every
    step, not from assumptions.
    """

    calls: int = Field(description="Number of remaining calls.")
    prompt_tokens: int = Field(description="Prompt tokens.")
    completion_tokens: int = Field(description="Completion tokens.")
    price: Decimal | None = Field(description="Cost; null: the price of the model is not set.")
    currency: str = Field(description="Currency code of three letters.")
    measured: bool = Field(
        description="Whether it is based on earlier calls of every step instead of assumptions."
    )


class RoadmapFields(LazyModel):
    """Fields for the owner and for operators.

    `spent` is in CURRENCY, including the amount reserved for calls that run.
    """

    id: UUID
    goal: str = Field(description="The goal, as entered.")
    title: str = Field(description="Title of the roadmap; empty: no plan yet.")
    status: RoadmapStatus
    error: str = Field(description="Error; empty: none.")
    generator: str = Field(description="Generator: the catalogue or a model; empty: no plan yet.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    progress: Progress = Field(description="Progress of building.")
    spent: Decimal = Field(
        description="Cost in CURRENCY, including reservations for running calls."
    )
    over_budget: bool = Field(description="Whether parts are unwritten because a budget was spent.")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(description="End of building; null: not finished.")


class RoadmapSummary(RoadmapFields):
    """A roadmap without its plan. `revision` 0: no plan yet."""

    level: Level = Field(description="Prior knowledge.")
    hours_per_week: int = Field(description="Hours for learning per week.")
    deadline: date | None = Field(description="Target date.")
    begins_on: date = Field(description="First day of the schedule.")
    weeks: int = Field(description="Number of weeks at these hours per week.")
    hours: int = Field(description="Hours of all concepts.")
    revision: int = Field(description="Number of the current plan; 0: none yet.")


class ContentState(LazyModel):
    """State of a part. `version` 0: it is not ready yet."""

    status: ContentStatus
    version: int = Field(description="Current version; 0: not ready.")
    error: str = Field(description="Error; empty: none.")


class GroupNode(LazyModel):
    id: UUID
    key: str = Field(description="Key, the same in all revisions and edits.")
    title: str = Field(description="Title.")
    description: str = Field(description="Description.")
    hours: int = Field(description="Hours of its concepts.")


class ConceptNode(GroupNode):
    """A concept of the plan. `key` identifies it in all revisions and edits."""

    hours: int = Field(description="Estimated hours in all: to read and to practise.")
    week: int = Field(description="Week in which it starts, from 1.")
    difficulty: int = Field(description="Difficulty from 1 (easy) to 5 (hard).")
    prerequisites: list[UUID] = Field(description="IDs of the prerequisites.")
    outcomes: list[str] = Field(description="Learning outcomes.")
    progress: ConceptProgress = Field(description="Progress of the learner.")
    progress_at: datetime | None = Field(description="Since when; null: not started.")
    learned_at: datetime | None = Field(
        None,
        description="When its quiz was passed and its exercise attempted, or its quiz passed on a "
        "second day; left out: not yet, also if it is only marked as done.",
        exclude_if=is_none,
    )
    reading_minutes: int = Field(
        0, description="Minutes to read the tutorial, by its words and code; 0: not written."
    )
    practice_minutes: int = Field(
        0, description="Estimated minutes to practise: the rest of the hours."
    )
    studied: int = Field(
        0, description="Minutes of reading up to the end of the last part that is done."
    )
    spent_minutes: int = Field(0, description="Minutes that the learner has spent on it.")
    contents: dict[ContentKind, ContentState] = Field(
        description=f"State of its parts: {', '.join(ContentKind)}; empty: none is to be written."
    )
    yours: Literal[True] | None = Field(
        None,
        description="Its contents are the learner's to write: the catalogue does not have them, "
        "and there is no model; left out: they are not.",
        exclude_if=is_none,
    )

    @property
    def is_learned(self) -> bool:
        return self.progress == ConceptProgress.done and self.learned_at is not None

    @property
    def hours_left(self) -> int:
        """Hours of the plan for what is not done yet."""
        if self.progress in (ConceptProgress.done, ConceptProgress.skipped):
            return 0
        return max(-(-(self.hours * 60 - self.studied) // 60), 1)

    @property
    def written(self) -> list[ContentKind]:
        return [kind for kind, state in self.contents.items() if state.version]


class ModuleNode(GroupNode):
    concepts: list[ConceptNode] = Field(description="In the order of learning.")


class StageProject(LazyModel):
    """Project at the end of a stage."""

    title: str = Field(description="Title.")
    done_at: datetime | None = Field(
        description="Time of the first judgement that found it done; null: none."
    )
    judges: list[Judge] = Field(
        [],
        description="Judges whose newest judgement finds it done; left out: none.",
        exclude_if=is_empty,
    )


class TestState(LazyModel):
    """Offer and last result of the mixed test of a stage, or of the whole roadmap."""

    due_at: datetime | None = Field(
        description="When it is offered, or was; null: not again, or not all concepts are finished."
    )
    taken_at: datetime | None = Field(description="When it was last taken; null: never.")
    score: int = Field(description="Number of correct answers then.")
    total: int = Field(description="Number of questions then.")
    imported: Literal[True] | None = Field(
        None, description="It was taken elsewhere, by an imported file.", exclude_if=is_none
    )


class StageNode(GroupNode):
    modules: list[ModuleNode] = Field(description="In the order of learning.")
    project: StageProject | None = Field(
        None, description="Project at its end; left out: none.", exclude_if=is_none
    )
    test: TestState | None = Field(
        None,
        description="Mixed test of its concepts; left out: not all are finished.",
        exclude_if=is_none,
    )

    @property
    def concepts(self) -> list[ConceptNode]:
        return [concept for module in self.modules for concept in module.concepts]


class Learned(LazyModel):
    """Number of concepts by progress, and hours of those done or skipped."""

    done: int = Field(description="Concepts.")
    skipped: int = Field(description="Concepts.")
    learning: int = Field(description="Concepts.")
    total: int = Field(description="Number of concepts.")
    hours_done: int = Field(description="Hours of concepts that are done or skipped.")
    learned: int = Field(0, description="Concepts that are done and have `learned_at`.")

    @property
    def is_begun(self) -> bool:
        return self.done + self.skipped + self.learning > 0


class RoadmapTree(RoadmapSummary):
    """Roadmap with its stages, modules and concepts."""

    review: bool = Field(description="Whether the plan needs approval before contents are built.")
    resource_language: str | None = Field(description="A second language for resources.")
    analysis: Analysis | None = Field(
        description="Analysis that the plan is based on; null: none yet."
    )
    remarks: list[str] = Field(description="Accepted weaknesses of the plan.")
    estimate: Estimate | None = Field(
        description="Estimated cost of the contents, while the plan waits for review."
    )
    questions: list[ClarifyingQuestion] = Field(
        [], description="Questions that wait for answers; left out: none.", exclude_if=is_empty
    )
    match: GoalMatch | None = Field(
        None,
        description="How goal and catalogue fit; null: not read yet, or any goal fits.",
    )
    learned: Learned = Field(description="Progress of the learner.")
    stages: list[StageNode] = Field(description="The plan; empty: none yet.")
    test: TestState | None = Field(
        None,
        description="Mixed test of all concepts, 60 days after the last one was finished; left "
        "out: not all are finished.",
        exclude_if=is_none,
    )


class TutorialDetail(LazyModel):
    markdown: str = Field(description="Markdown without HTML.")
    language: str | None = Field(
        None, description="Language as a BCP 47 tag, if different from that of the roadmap."
    )
    version: int = Field(description="Version.")
    generator: str = Field(description="Generator: the catalogue or a model.")


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
    notes: str = Field(description="Notes of the learner.")
    notes_tag: str = Field(description="Tag of the notes; `base` of a change.")
    exercise_attempt: str = Field("", description="What the learner wrote at the exercise.")
    more_attempts: list[str] = Field([], description="The same at exercises 2 to 4.")
    remarks: dict[ContentKind, list[str]] = Field(
        {}, description="What parts lack, by kind, in English; without those that lack nothing."
    )


class ConceptDetail(with_kinds(OwnConcept, DETAILS, "detail")):  # type: ignore[misc]
    """A concept with its contents; null for parts that are not ready."""


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
        learned=sum(concept.is_learned for concept in concepts),
    )


def test_state(concepts: Sequence[Any], stored: Any, *, is_whole: bool) -> TestState | None:
    """Return the offer and the last result of a mixed test; None if there is neither.

    `concepts` are those of the stage or roadmap, and `stored` is its column `test`.
    """
    stored, progress = stored or {}, {each.progress for each in concepts}
    taken_at = stored.get("taken_at")
    is_over = ConceptProgress.done in progress and progress <= {"done", "skipped"}
    if not is_over and not taken_at:
        return None
    end = max(each.progress_at or LONG_AGO for each in concepts) if is_over else LONG_AGO
    return TestState(
        due_at=end + TEST_AFTER * is_whole if is_over and not (is_whole and taken_at) else None,
        taken_at=taken_at,
        score=stored.get("score", 0),
        total=stored.get("total", 0),
        imported=True if taken_at and not stored["questions"] else None,
    )


class ConceptMark(StrEnum):
    queued = "queued"
    building = "building"
    failed = "failed"
    cancelled = "cancelled"
    own = "own"
    ready = "ready"
    learning = "learning"
    learned = "learned"
    done = "done"
    skipped = "skipped"


WORDS = {
    ConceptMark.queued: gettext_noop("waiting to be written"),
    ConceptMark.building: gettext_noop("being written"),
    ConceptMark.failed: gettext_noop("failed"),
    ConceptMark.cancelled: gettext_noop("cancelled"),
    ConceptMark.own: gettext_noop("yours to write"),
    ConceptMark.ready: gettext_noop("ready to learn"),
    ConceptMark.learning: gettext_noop("learning"),
    ConceptMark.learned: gettext_noop("learned"),
    ConceptMark.done: gettext_noop("done"),
    ConceptMark.skipped: gettext_noop("skipped"),
}
BEHIND = (ConceptMark.learned, ConceptMark.done, ConceptMark.skipped)


def mark_of(concept: ConceptNode) -> ConceptMark:
    """Return the mark: finished by the learner first, then failed, then in progress."""
    if concept.is_learned:
        return ConceptMark.learned
    if concept.progress in (ConceptProgress.done, ConceptProgress.skipped):
        return ConceptMark(concept.progress.value)
    written = written_of(concept)
    if concept.progress == ConceptProgress.learning and written != ConceptMark.failed:
        return ConceptMark.learning
    return written


def written_of(concept: ConceptNode) -> ConceptMark:
    """Return the mark of the contents, all parts taken together."""
    statuses = {state.status for state in concept.contents.values()}
    if ContentStatus.failed in statuses:
        return ConceptMark.failed
    if (
        ContentStatus.building in statuses
        or {ContentStatus.pending, ContentStatus.ready} <= statuses
    ):
        return ConceptMark.building
    if ContentStatus.pending in statuses or not statuses:
        return ConceptMark.own if concept.yours else ConceptMark.queued
    return ConceptMark.cancelled if ContentStatus.cancelled in statuses else ConceptMark.ready


def next_of(concepts: Sequence[ConceptNode]) -> UUID | None:
    """Return the concept to continue with, or None.

    It is one that is being learned, else the first one with contents and all prerequisites
    finished, else the first one with contents. Without any, it is one to write.
    """
    behind = {concept.id for concept in concepts if mark_of(concept) in BEHIND}
    open_ = [concept for concept in concepts if concept.id not in behind and concept.written] or [
        concept for concept in concepts if concept.id not in behind and concept.yours
    ]
    learning = [concept for concept in open_ if concept.progress == ConceptProgress.learning]
    known = {concept.id for concept in concepts}
    free = [concept for concept in open_ if known & set(concept.prerequisites) <= behind]
    return next((concept.id for concept in (*learning, *free, *open_)), None)
