"""Data of a learner: progress, notes, attempts at quizzes, and a profile.

It needs no worker, appends no event, and survives every change of the plan. What places cards locks
the roadmap's row first, as changes of contents and deletion do: so of a concept that is marked as
done and a quiz that is saved at the same moment, one transaction sees the other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import peewee
from pydantic import Field, model_validator

from core import clock
from core.db import session, transaction
from core.errors import Conflict, NotFound, required
from core.ids import new_id
from core.json_types import WHOLE, LazyModel, MergePatch, Page, from_row
from models.accounts import Account
from models.roadmaps import Concept, Content, ContentVersion, QuizAttempt, Roadmap
from roadmap.accounts.access import LAST, get_owned, lock_owned
from roadmap.accounts.locks import lock_account
from roadmap.accounts.zones import ZoneName
from roadmap.learning import learning_days, reviews
from roadmap.learning.grading import Answer, GradedQuestion, grade_all
from roadmap.learning.parts import parts_of
from roadmap.learning.schedule import DAYS
from roadmap.plan.outline import ContentKind, Level, Quiz, is_none
from roadmap.plan.schemas import (
    LONGEST_NOTES,
    MOST_ATTEMPTS,
    MOST_QUESTIONS,
    PRINTABLE,
    LanguageTag,
    Number,
    ProgressRequest,
    notes_tag,
)
from roadmap.plan.statuses import ConceptProgress

if TYPE_CHECKING:
    from roadmap.generation.tutorial_lint import Lesson

PASSING_PERCENT = 80  # of the questions of a quiz
COLUMNS = ("time_zone", "weekly_goal")  # of a profile, in the table of accounts
NO_CONCEPT = "This concept does not exist in this roadmap."


class NotesRequest(LazyModel, frozen=True, extra="forbid"):
    """The new notes."""

    notes: Annotated[str, Field(max_length=LONGEST_NOTES), PRINTABLE] = Field(
        description="The complete notes; empty: none."
    )
    base: Annotated[str, Field(max_length=64)] | None = Field(
        None,
        description=(
            "The `notes_tag` that you read. The change applies only if it is still "
            "current. Null: always."
        ),
    )


class ExerciseRequest(LazyModel, frozen=True, extra="forbid"):
    """An attempt at the exercise, and whether it was checked."""

    exercise_attempt: Annotated[str, Field(max_length=LONGEST_NOTES), PRINTABLE] | None = Field(
        None, description="The complete attempt; empty: none; null: as it is."
    )
    checked: bool = Field(
        False,
        description="Whether the learner has checked the attempt and it works. The concept is then "
        "learned, and done unless it is skipped; this is never taken back.",
    )


class LearnerConcept(LazyModel):
    """Progress, notes and exercise of the learner at a concept."""

    concept_id: UUID
    progress: ConceptProgress = Field(description="Progress of the learner.")
    notes: str = Field(description="Notes of the learner.")
    notes_tag: str = Field(description="Tag of the notes; `base` of a change.")
    studied: int = Field(description="Minutes up to the end of the last part that is done.")
    exercise_attempt: str = Field(description="What the learner wrote at the exercise.")
    learned_at: datetime | None = Field(
        description="When the quiz was passed or the exercise was checked for the first time; "
        "null: not yet."
    )


class AttemptRequest(LazyModel, frozen=True, extra="forbid"):
    """The chosen answers of a quiz."""

    version: Number = Field(description="Version of the quiz that was answered.")
    answers: Annotated[
        tuple[Answer, ...],
        Field(min_length=1, max_length=MOST_QUESTIONS),
    ] = Field(
        description="For each question, in order: indexes of the chosen options, of all lines in "
        "order, or a typed text; empty: not answered."
    )


class AttemptSummary(LazyModel):
    """An attempt with its score, without its questions."""

    id: UUID
    version: int = Field(description="Version of the quiz.")
    score: int = Field(description="Number of correct answers.")
    total: int = Field(description="Number of questions.")
    unanswered: int = Field(description="Number of questions without an answer: not scored.")
    created_at: datetime


class Attempt(AttemptSummary):
    questions: list[GradedQuestion]
    passed: bool = Field(
        description=f"Whether all questions were answered, and {PASSING_PERCENT} % of them "
        "correctly."
    )
    read_again: list[str] = Field(
        description="Titles of the sections of the tutorial that the missed questions are about, "
        "if it was not passed."
    )


class Attempts(Page[AttemptSummary]):
    """A page, newest first. `next_cursor` is null on the last page."""


class WeeklyGoal(LazyModel, frozen=True, extra="forbid"):
    """Hours of learning, or days with learning, per week."""

    amount: Annotated[int, Field(ge=1, le=80), WHOLE] = Field(
        description="Number of hours, or of days, at most 7."
    )
    unit: Literal["hours", "days"] = Field(description="What is counted.")

    @model_validator(mode="after")
    def _has_days(self) -> "WeeklyGoal":
        if self.unit == "days" and self.amount > DAYS:
            raise ValueError("a week has 7 days")
        return self


class Profile(LazyModel, frozen=True, extra="forbid"):
    """Defaults of the form for the next roadmap, time zone and weekly goal; null: not set."""

    level: Level | None = Field(None, description="Prior knowledge.")
    hours_per_week: Annotated[int, Field(ge=1, le=80), WHOLE] | None = Field(
        None, description="Hours for learning per week."
    )
    language: LanguageTag | None = Field(
        None, description="Language of the roadmap, as a BCP 47 tag."
    )
    resource_language: LanguageTag | None = Field(
        None, description="A second language for resources, as a BCP 47 tag."
    )
    time_zone: ZoneName | None = Field(
        None,
        description="Time zone of pages, by its IANA name; left out: UTC.",
        exclude_if=is_none,
    )
    weekly_goal: WeeklyGoal | None = Field(
        None,
        description="Goal of each week; left out: the hours per week of the roadmap.",
        exclude_if=is_none,
    )


DEFAULTS = tuple(name for name in Profile.model_fields if name not in COLUMNS)


class ProfilePatch(Profile, MergePatch):
    """Changes of the profile (RFC 7396): omitted fields stay; null: not set."""


class PartRequest(LazyModel, frozen=True, extra="forbid"):
    """The part that is done."""

    part: Annotated[int, Field(ge=1, le=1000), WHOLE] = Field(description="Number of the part.")


@transaction()
def set_progress(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: ProgressRequest
) -> LearnerConcept:
    """Set progress; questions of a done concept come back for review. Raises NotFound."""
    since = None if request.progress == ConceptProgress.todo else clock.now()
    # The same progress again keeps its time.
    is_other = (
        Concept.progress != request.progress,
        peewee.Value(since, Concept.progress_at.db_value),
    )
    lock_owned(owner_id, roadmap_id)
    before = _find(owner_id, roadmap_id, concept_id)
    changed = _change(
        owner_id,
        roadmap_id,
        concept_id,
        progress=request.progress,
        studied=0 if request.progress == ConceptProgress.todo else Concept.studied,
        progress_at=peewee.Case(None, [is_other], Concept.progress_at),
    )
    if request.progress == ConceptProgress.done:
        reviews.begin(owner_id, roadmap_id, concept_id)
    else:
        reviews.withdraw(concept_id)
    _note_progress(owner_id, before, request.progress)
    return changed


@transaction()
def finish_part(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: PartRequest
) -> LearnerConcept:
    """Mark a part as done, and those before it; the concept is being learned then.

    Raises NotFound, and Conflict for the last part, which ends with the concept.
    """
    lock_owned(owner_id, roadmap_id)
    row = _find(owner_id, roadmap_id, concept_id)
    parts = parts_of(concept_id, row.hours)
    if request.part >= len(parts):
        raise Conflict(
            f"This concept has {len(parts)} parts. The last one ends with the concept: answer "
            "its quiz, or set its progress."
        )
    if row.progress in (ConceptProgress.done, ConceptProgress.skipped):
        return _learner(row)
    studied = parts[request.part - 1].end
    changed = _change(
        owner_id,
        roadmap_id,
        concept_id,
        progress=ConceptProgress.learning,
        progress_at=clock.now(),
        studied=studied,
    )
    learning_days.note(owner_id, max(studied - row.studied, 0) * 60)
    return changed


def set_notes(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: NotesRequest
) -> LearnerConcept:
    """Save notes. Raises NotFound, and Conflict if they were changed since.

    The same notes twice are no conflict.
    """
    if request.base is None:
        return _change(owner_id, roadmap_id, concept_id, notes=request.notes)
    changed = Conflict("The notes have changed since you read them. Read them again.")
    with transaction():
        before = _find(owner_id, roadmap_id, concept_id).notes
        if request.base != notes_tag(before) and request.notes != before:
            raise changed
        # Another request may be changing them.
        return _change(
            owner_id,
            roadmap_id,
            concept_id,
            Concept.notes == before,
            otherwise=changed,
            notes=request.notes,
        )


def forget(concept_id: UUID) -> None:
    """Take *learned* away from a concept. Needs a transaction that holds the roadmap's row."""
    Concept.update(learned_at=None).where(Concept.id == concept_id).execute()


@transaction()
def save_exercise(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: ExerciseRequest
) -> LearnerConcept:
    """Save the attempt at the exercise, and that it was checked. Raises NotFound."""
    lock_owned(owner_id, roadmap_id)
    if request.exercise_attempt is not None:
        _change(owner_id, roadmap_id, concept_id, exercise_attempt=request.exercise_attempt)
    if request.checked:
        if not ((lesson := _lesson(concept_id)) and lesson.has_solution):
            raise NotFound("The tutorial of this concept has no exercise with a solution.")
        _master(owner_id, roadmap_id, concept_id)
    return read_learner(owner_id, roadmap_id, concept_id)


def attempt(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: AttemptRequest) -> Attempt:
    """Grade and save answers; the questions come back for review (`note_answers`).

    Who passes has learned the concept. Raises NotFound, Conflict when the quiz has another version
    now, and Invalid.
    """
    with transaction():
        lock_owned(owner_id, roadmap_id)
        quiz = _quiz(owner_id, roadmap_id, concept_id, request.version)
        graded = grade_all(quiz, request.answers)
        made = AttemptSummary(
            id=new_id(),
            version=request.version,
            score=sum(question.is_right for question in graded),
            total=len(graded),
            unanswered=sum(not question.answer for question in graded),
            created_at=clock.now(),
        )
        QuizAttempt.insert(
            **made.model_dump(exclude={"unanswered"}),
            roadmap=roadmap_id,
            concept=concept_id,
            answers=[question.answer for question in graded],
        ).execute()
        newest = (
            QuizAttempt.select(QuizAttempt.id)
            .where(QuizAttempt.concept == concept_id)
            .order_by(QuizAttempt.id.desc())
            .limit(MOST_ATTEMPTS)
        )
        QuizAttempt.delete().where(
            QuizAttempt.concept == concept_id, QuizAttempt.id.not_in(newest)
        ).execute()
        reviews.note_answers(
            owner_id, roadmap_id, concept_id, version=request.version, quiz=quiz, graded=graded
        )
        learning_days.note(owner_id)
        if is_passed(graded):
            _master(owner_id, roadmap_id, concept_id)
    return Attempt(**made.model_dump(), **_result(concept_id, quiz, graded))


@session()
def check(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: AttemptRequest
) -> list[GradedQuestion]:
    """Grade answers without saving them. Raises what `attempt` does."""
    quiz = _quiz(owner_id, roadmap_id, concept_id, request.version)
    return grade_all(quiz, request.answers)


@session()
def read_attempt(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, attempt_id: UUID) -> Attempt:
    """Return an attempt, graded by its version of the quiz. Raises NotFound."""
    _find(owner_id, roadmap_id, concept_id)
    row = required(
        QuizAttempt.get_or_none(QuizAttempt.id == attempt_id, QuizAttempt.concept == concept_id),
        "This attempt does not exist.",
    )
    body = (
        ContentVersion.select(ContentVersion.body)
        .join(
            Content,
            on=(ContentVersion.content == Content.id) & (ContentVersion.version == row.version),
        )
        .where(Content.concept == concept_id, Content.kind == ContentKind.quiz)
        .scalar()
    )
    quiz = Quiz.model_validate(body)
    result = _result(concept_id, quiz, grade_all(quiz, row.answers))
    return from_row(Attempt, row, unanswered=_blanks(row), **result)


def is_passed(graded: Sequence[GradedQuestion]) -> bool:
    right = sum(question.is_right for question in graded)
    is_complete = all(question.answer for question in graded)
    return is_complete and right * 100 >= len(graded) * PASSING_PERCENT


def list_attempts(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, *, limit: int, before: UUID | None = None
) -> Attempts:
    """Return a page; `before` is the last id of the previous page. Raises NotFound."""
    query = (
        QuizAttempt.select()
        .where(QuizAttempt.concept == concept_id, QuizAttempt.id < (before or LAST))
        .order_by(QuizAttempt.id.desc())
        .limit(limit + 1)
    )
    with session():
        _find(owner_id, roadmap_id, concept_id)
        found = [from_row(AttemptSummary, row, unanswered=_blanks(row)) for row in query]
    items = found[:limit]
    return Attempts(items=items, next_cursor=str(items[-1].id) if len(found) > limit else None)


@session()
def read_learner(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> LearnerConcept:
    """Raises NotFound."""
    return _learner(_find(owner_id, roadmap_id, concept_id))


@session()
def hours_learned(owner_id: UUID, roadmap_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return the learned and all hours of roadmaps with a plan, without skipped concepts."""
    done = peewee.Case(None, [(Concept.progress == ConceptProgress.done, Concept.hours)], 0)
    sums = Concept.select(Concept.roadmap, peewee.fn.SUM(done), peewee.fn.SUM(Concept.hours))
    kept = Roadmap.id.in_(list(roadmap_ids)) & (Roadmap.owner == owner_id) & ~Concept.removed
    query = (
        sums.join(Roadmap)
        .where(kept, Concept.progress != ConceptProgress.skipped)
        .group_by(Concept.roadmap)
    )
    return {id_: (learned, hours) for id_, learned, hours in query.tuples()}


@session()
def read_profile(owner_id: UUID) -> Profile:
    stored = Account.select(Account.profile, *[getattr(Account, name) for name in COLUMNS])
    profile, *others = stored.where(Account.id == owner_id).tuples().get()
    return Profile.model_validate({**(profile or {}), **dict(zip(COLUMNS, others, strict=True))})


@transaction()
def save_profile(owner_id: UUID, profile: Profile) -> Profile:
    values = profile.model_dump(mode="json")
    own = {name: values.pop(name, None) for name in COLUMNS}
    Account.update(profile=values, **own).where(Account.id == owner_id).execute()
    return profile


@transaction()
def change_profile(owner_id: UUID, patch: ProfilePatch) -> Profile:
    """Change named fields; of two requests at once, both count."""
    lock_account(owner_id)
    changes = {name: getattr(patch, name) for name in patch.model_fields_set}
    return save_profile(owner_id, read_profile(owner_id).model_copy(update=changes))


def _result(concept_id: UUID, quiz: Quiz, graded: list[GradedQuestion]) -> dict[str, Any]:
    """Return what an attempt has led to, as fields of it."""
    passed, sections = is_passed(graded), list[str]()
    with session():
        if not passed and (lesson := _lesson(concept_id)):
            from roadmap.generation.floors import sections_to_reread  # as in _lesson

            missed = [quiz.questions[each.id] for each in graded if not each.is_right]
            sections = sections_to_reread(lesson, missed)
    return {"questions": graded, "passed": passed, "read_again": sections}


def _lesson(concept_id: UUID) -> "Lesson | None":
    from roadmap.generation.tutorial_lint import read  # its parser takes memory

    written = reviews.current_version(concept_id, ContentKind.tutorial)
    return written and read(written.body["markdown"])


def _master(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> None:
    """Mark a concept as learned, and as done unless it is skipped. Needs a locked roadmap."""
    concept = _find(owner_id, roadmap_id, concept_id)
    if concept.learned_at is None:
        _change(owner_id, roadmap_id, concept_id, learned_at=clock.now())
    if concept.progress != ConceptProgress.skipped:
        set_progress(
            owner_id, roadmap_id, concept_id, ProgressRequest(progress=ConceptProgress.done)
        )


def _find(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> Concept:
    """Return a concept in the plan. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    row: Concept = required(Concept.get_or_none(_in_plan(roadmap_id, concept_id)), NO_CONCEPT)
    return row


def _note_progress(owner_id: UUID, before: Concept, progress: ConceptProgress) -> None:
    """Note the learning of a changed progress, or take it back. Needs a transaction."""
    rest = max(before.hours * 60 - before.studied, 0) * 60
    if progress == before.progress:
        return
    if before.progress == ConceptProgress.done and before.progress_at is not None:
        learning_days.take_back(owner_id, rest, before.progress_at)
    if progress in (ConceptProgress.done, ConceptProgress.learning):
        learning_days.note(owner_id, rest if progress == ConceptProgress.done else 0)


def _quiz(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, version: int) -> Quiz:
    """Return the current quiz. Raises NotFound, and Conflict when it has another version."""
    _find(owner_id, roadmap_id, concept_id)
    found = required(
        reviews.current_quiz(concept_id),
        "The quiz of this concept is not ready yet. Wait until it is.",
    )
    if found[0] != version:
        raise Conflict(f"The quiz now has version {found[0]}, not {version}. Read it again.")
    return found[1]


def _blanks(row: QuizAttempt) -> int:
    """Return the number of questions without an answer."""
    return sum(not answer for answer in row.answers)


@transaction()
def _change(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    *conditions: object,
    otherwise: Conflict | None = None,
    **changes: object,
) -> LearnerConcept:
    get_owned(owner_id, roadmap_id)
    update = Concept.update(changes).where(_in_plan(roadmap_id, concept_id), *conditions)
    for row in update.returning(Concept).execute():
        return _learner(row)
    raise otherwise or NotFound(NO_CONCEPT)


def _learner(row: Concept) -> LearnerConcept:
    return from_row(LearnerConcept, row, concept_id=row.id, notes_tag=notes_tag(row.notes))


def _in_plan(roadmap_id: UUID, concept_id: UUID) -> object:
    return (Concept.id == concept_id) & (Concept.roadmap == roadmap_id) & ~Concept.removed
