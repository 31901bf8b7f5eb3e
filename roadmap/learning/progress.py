"""Data of a learner: progress, notes, attempts at quizzes, and a profile.

It needs no worker, appends no event, and survives every change of the plan. What places cards locks
the roadmap's row first, as changes of contents and deletion do: so of a concept that is marked as
done and a quiz that is saved at the same moment, one transaction sees the other. What credits time
locks the account before.

A concept is learned when its quiz was passed and its exercise attempted, or the quiz passed on two
days. A quiz that was not passed is retried with what was missed, after reading again or a pause.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import peewee
from pydantic import Field, model_validator

from core import clock
from core.db import session, transaction
from core.errors import Conflict, FieldError, Invalid, NotFound, required
from core.ids import new_id
from core.json_types import WHOLE, LazyModel, MergePatch, Page, from_row
from models.accounts import Account
from models.roadmaps import Concept, Content, ContentVersion, QuizAttempt, Roadmap
from roadmap.accounts.access import LAST, get_owned, lock_owned
from roadmap.accounts.locks import lock_account
from roadmap.accounts.zones import ZoneName, zone_of
from roadmap.learning import learning_days, reviews
from roadmap.learning.grading import Answer, GradedQuestion, grade_all
from roadmap.learning.parts import LessonPart, cut
from roadmap.learning.schedule import DAYS
from roadmap.plan.outline import ContentKind, Level, Quiz, is_none
from roadmap.plan.schemas import (
    LONGEST_NOTES,
    MOST_ATTEMPTS,
    MOST_EXERCISES,
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
RETRY_AFTER = timedelta(minutes=10)  # without reading again
NO_ATTEMPT = "Write your attempt at the exercise before you check it."
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
    number: Annotated[int, Field(ge=1, le=MOST_EXERCISES)] = Field(
        1, description="Of several exercises the one that it is about."
    )
    checked: bool = Field(
        False,
        description="Whether the learner has checked the attempt, which must have a text, and it "
        "works. The concept is then done, unless it is skipped.",
    )


class LearnerConcept(LazyModel):
    """Progress, notes and exercises of the learner at a concept."""

    concept_id: UUID
    progress: ConceptProgress = Field(description="Progress of the learner.")
    notes: str = Field(description="Notes of the learner.")
    notes_tag: str = Field(description="Tag of the notes; `base` of a change.")
    studied: int = Field(
        description="Minutes of reading up to the end of the last part that is done."
    )
    spent_minutes: int = Field(description="Minutes that the learner has spent on it.")
    exercise_attempt: str = Field(description="What the learner wrote at the exercise.")
    more_attempts: list[str] = Field(description="The same at exercises 2 to 4.")
    learned_at: datetime | None = Field(
        description="When the quiz was passed and the exercise attempted, or the quiz passed on a "
        "second day; null: not yet."
    )


class AttemptRequest(LazyModel, frozen=True, extra="forbid"):
    """The chosen answers of a quiz."""

    version: Number = Field(description="Version of the quiz that was answered.")
    answers: Annotated[
        tuple[Answer, ...],
        Field(min_length=1, max_length=MOST_QUESTIONS),
    ] = Field(
        description="For each question, in order: indexes of the chosen options, of all lines in "
        "order, or a typed text; empty: not answered. A retry leaves out what it does not ask."
    )


class AttemptSummary(LazyModel):
    """An attempt with its score, without its questions."""

    id: UUID
    version: int = Field(description="Version of the quiz.")
    score: int = Field(
        description="Number of correct answers, with those of the attempt before to what a retry "
        "does not ask."
    )
    total: int = Field(description="Number of questions.")
    unanswered: int = Field(description="Number of questions without an answer: not scored.")
    passed: bool = Field(
        description=f"Whether all questions were answered, and {PASSING_PERCENT} % of them "
        "correctly."
    )
    asked: list[int] | None = Field(description="Questions of a retry, by index; null: all.")
    created_at: datetime


class Attempt(AttemptSummary):
    questions: list[GradedQuestion]
    read_again: list[str] = Field(
        description="Titles of the sections of the tutorial that the missed questions are about, "
        "if it was not passed."
    )


class Attempts(Page[AttemptSummary]):
    """A page, newest first. `next_cursor` is null on the last page."""

    asks: list[int] | None = Field(
        None, description="Questions that the next attempt asks, by index; null: all."
    )
    has_passed: bool = Field(False, description="Whether the quiz was passed, and not forgotten.")
    opens_at: datetime | None = Field(
        None,
        description="From when the next attempt is accepted; earlier once the lesson was read "
        "again; null: now.",
    )


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
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    request: ProgressRequest,
    *,
    takes_time: bool = True,
) -> LearnerConcept:
    """Set progress; questions of a done concept come back for review.

    Raises NotFound, and Invalid for more time than is plausible.
    """
    since = None if request.progress == ConceptProgress.todo else clock.now()
    # The same progress again keeps its time.
    is_other = (
        Concept.progress != request.progress,
        peewee.Value(since, Concept.progress_at.db_value),
    )
    before = _locked(owner_id, roadmap_id, concept_id)
    is_new = request.progress != before.progress
    if is_new and request.progress == ConceptProgress.done and takes_time:
        _credit(owner_id, before)
    elif is_new and request.progress in (ConceptProgress.done, ConceptProgress.learning):
        learning_days.note(owner_id)
    if request.spent_minutes is not None:
        _state_time(owner_id, before, request.spent_minutes)
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
    return changed


@transaction()
def finish_part(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: PartRequest
) -> LearnerConcept:
    """Mark a part as done, and those before it; the concept is being learned then.

    Raises NotFound, and Conflict for the last part, which ends with the concept.
    """
    row = _locked(owner_id, roadmap_id, concept_id)
    parts = parts_of(concept_id)
    if request.part >= len(parts):
        raise Conflict(
            f"This concept has {len(parts)} parts. The last one ends with the concept: answer "
            "its quiz, or set its progress."
        )
    if row.progress in (ConceptProgress.done, ConceptProgress.skipped):
        return _learner(row)
    studied = parts[request.part - 1].end
    _credit(owner_id, row, (studied - row.studied) * 60)
    return _change(
        owner_id,
        roadmap_id,
        concept_id,
        progress=ConceptProgress.learning,
        progress_at=clock.now(),
        studied=studied,
    )


@transaction()
def note_reading(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> LearnerConcept:
    """Note that the tutorial is opened: time counts, and a missed quiz may be retried.

    Raises NotFound.
    """
    row = _locked(owner_id, roadmap_id, concept_id)
    learning_days.begin_sitting(owner_id)
    last = _newest(concept_id).limit(1)
    QuizAttempt.update(reread_at=clock.now()).where(
        QuizAttempt.id.in_(last), QuizAttempt.reread_at.is_null()
    ).execute()
    return _learner(row)


def parts_of(concept_id: UUID) -> list[LessonPart]:
    """Return the parts of a concept by its current tutorial. Needs a session."""
    written = reviews.current_version(concept_id, ContentKind.tutorial)
    return cut(written.body["markdown"] if written else "")


def forget(concept_id: UUID) -> None:
    """Take *learned* away; a quiz that was passed before no longer counts.

    Needs a transaction that holds the roadmap's row.
    """
    Concept.update(learned_at=None, forgotten_at=clock.now()).where(
        Concept.id == concept_id
    ).execute()


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


@transaction()
def save_exercise(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: ExerciseRequest
) -> LearnerConcept:
    """Save the attempt at an exercise, and that it was checked. Raises NotFound, Invalid."""
    row, at = _locked(owner_id, roadmap_id, concept_id), request.number - 1
    texts = [row.exercise_attempt, *row.more_attempts]
    if request.exercise_attempt is not None:
        texts += [""] * (request.number - len(texts))
        texts[at] = request.exercise_attempt
        saved = {"exercise_attempt": texts[0], "more_attempts": texts[1:]}
        _change(owner_id, roadmap_id, concept_id, **saved)
    text = "".join(texts[at : request.number]).strip()
    if request.checked or at:
        lesson = _lesson(concept_id)
        if lesson is None or lesson.exercises < request.number:
            raise NotFound("The tutorial of this concept has no such exercise with a solution.")
    if request.checked and not text:
        raise Invalid(NO_ATTEMPT, fields=(FieldError("/exercise_attempt", NO_ATTEMPT),))
    if text:
        _credit(owner_id, row)
        _note_learned(owner_id, roadmap_id, concept_id, is_done=request.checked)
    return read_learner(owner_id, roadmap_id, concept_id)


def attempt(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, request: AttemptRequest) -> Attempt:
    """Grade and save answers; the questions come back for review (`note_answers`).

    If they pass the quiz, the concept is done. Raises NotFound, Conflict when the quiz has another
    version now or may not be retried yet, and Invalid.
    """
    with transaction():
        row = _locked(owner_id, roadmap_id, concept_id)
        quiz = _quiz(owner_id, roadmap_id, concept_id, request.version)
        graded = answered = grade_all(quiz, request.answers)
        before, opens_at = _missed(concept_id, request.version, quiz)
        if opens_at is not None:
            when = f"{opens_at:%Y-%m-%dT%H:%M:%SZ}"
            raise Conflict(
                f"Read the lesson again before you retry its quiz, or wait until {when}."
            )
        asks = [each.id for each in before if not each.is_right]
        if asks:
            graded = [each if each.id in asks else before[each.id] for each in graded]
            only = [each if n in asks else () for n, each in enumerate(request.answers)]
            answered = grade_all(quiz, only)
        made = AttemptSummary(
            id=new_id(),
            version=request.version,
            score=sum(question.is_right for question in graded),
            total=len(graded),
            unanswered=sum(not question.answer for question in graded),
            passed=is_passed(graded),
            asked=asks or None,
            created_at=clock.now(),
        )
        QuizAttempt.insert(
            **made.model_dump(exclude={"unanswered"}),
            roadmap=roadmap_id,
            concept=concept_id,
            answers=[question.answer for question in graded],
        ).execute()
        QuizAttempt.delete().where(
            QuizAttempt.concept == concept_id,
            QuizAttempt.id.not_in(_newest(concept_id).limit(MOST_ATTEMPTS)),
        ).execute()
        reviews.note_answers(
            owner_id, roadmap_id, concept_id, version=request.version, quiz=quiz, graded=answered
        )
        _credit(owner_id, row)
        if made.passed:
            _note_learned(owner_id, roadmap_id, concept_id, is_done=True)
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
        has_passed = bool(_passed_at(_find(owner_id, roadmap_id, concept_id)))
        found = [from_row(AttemptSummary, row, unanswered=_blanks(row)) for row in query]
        current = reviews.current_quiz(concept_id)
        missed, opens_at = _missed(concept_id, *current) if current else ([], None)
    items = found[:limit]
    return Attempts(
        items=items,
        next_cursor=str(items[-1].id) if len(found) > limit else None,
        asks=[each.id for each in missed if not each.is_right] or None,
        has_passed=has_passed,
        opens_at=opens_at,
    )


@session()
def read_learner(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> LearnerConcept:
    """Raises NotFound."""
    return _learner(_find(owner_id, roadmap_id, concept_id))


@session()
def hours_learned(owner_id: UUID, roadmap_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return the hours of what is done and of all, without skipped concepts, of roadmaps."""
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
def dismiss_note(owner_id: UUID) -> None:
    """Explain no longer why hours changed."""
    Account.update(explains_hours=False).where(Account.id == owner_id).execute()


@transaction()
def change_profile(owner_id: UUID, patch: ProfilePatch) -> Profile:
    """Change named fields; of two requests at once, both count."""
    lock_account(owner_id)
    changes = {name: getattr(patch, name) for name in patch.model_fields_set}
    return save_profile(owner_id, read_profile(owner_id).model_copy(update=changes))


def _result(concept_id: UUID, quiz: Quiz, graded: list[GradedQuestion]) -> dict[str, Any]:
    """Return what an attempt has led to, as fields of it."""
    sections = list[str]()
    with session():
        if not is_passed(graded) and (lesson := _lesson(concept_id)):
            from roadmap.generation.floors import sections_to_reread  # as in _lesson

            missed = [quiz.questions[each.id] for each in graded if not each.is_right]
            sections = sections_to_reread(lesson, missed)
    return {"questions": graded, "read_again": sections}


def _lesson(concept_id: UUID) -> "Lesson | None":
    from roadmap.generation.tutorial_lint import read  # its parser takes memory

    written = reviews.current_version(concept_id, ContentKind.tutorial)
    return written and read(written.body["markdown"])


def _note_learned(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, *, is_done: bool) -> None:
    """Mark a concept as learned if that was shown, and as done unless it is skipped.

    Needs a locked roadmap.
    """
    concept = _find(owner_id, roadmap_id, concept_id)
    days = {at.astimezone(zone_of(owner_id)).date() for at in _passed_at(concept)}
    texts = concept.exercise_attempt, *concept.more_attempts
    is_shown = len(days) > 1 or (days and "".join(texts).strip())
    if is_shown and concept.learned_at is None:
        _change(owner_id, roadmap_id, concept_id, learned_at=clock.now())
    if is_done and concept.progress != ConceptProgress.skipped:
        set_progress(
            owner_id, roadmap_id, concept_id, ProgressRequest(progress=ConceptProgress.done)
        )


def _find(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> Concept:
    """Return a concept in the plan. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    row: Concept = required(Concept.get_or_none(_in_plan(roadmap_id, concept_id)), NO_CONCEPT)
    return row


def _locked(owner_id: UUID, roadmap_id: UUID, concept_id: UUID) -> Concept:
    """Lock the account and the roadmap, and return a concept. Raises NotFound."""
    lock_account(owner_id)
    lock_owned(owner_id, roadmap_id)
    return _find(owner_id, roadmap_id, concept_id)


def _credit(owner_id: UUID, row: Concept, most: int | None = None) -> None:
    """Credit the time since the last credit to a concept that is locked, within its hours.

    `most` seconds are those of the plan for what is done.
    """
    rest = row.hours * 3600 - row.spent
    seconds = learning_days.credit(
        owner_id, rest if most is None else min(most, rest), row.roadmap.created_at
    )
    Concept.update(spent=Concept.spent + seconds).where(Concept.id == row.id).execute()


def _state_time(owner_id: UUID, row: Concept, minutes: int) -> None:
    """Set the time of a concept that is locked, as the learner says. Raises Invalid."""
    if minutes > (most := row.hours * 60 * 4):
        rule = f"must be at most {most}: four times the hours of the concept"
        raise Invalid("Some fields are not valid.", fields=(FieldError("/spent_minutes", rule),))
    learning_days.credit(owner_id, 0)  # or the time until now would count as well
    learning_days.note(owner_id, minutes * 60 - row.spent)
    Concept.update(spent=minutes * 60).where(Concept.id == row.id).execute()


def _missed(
    concept_id: UUID, version: int, quiz: Quiz
) -> tuple[list[GradedQuestion], datetime | None]:
    """Return the last attempt, if it was not passed, and from when a retry is open; null: now.

    Needs a session.
    """
    last = _newest(concept_id, QuizAttempt).first()
    if last is None or last.version != version or last.passed:
        return [], None
    at = last.created_at + RETRY_AFTER
    return grade_all(quiz, last.answers), None if last.reread_at or at <= clock.now() else at


def _newest(concept_id: UUID, *columns: Any) -> Any:
    """Select attempts at a quiz, the newest first; only their ids unless columns are named."""
    query = QuizAttempt.select(*(columns or (QuizAttempt.id,)))
    return query.where(QuizAttempt.concept == concept_id).order_by(QuizAttempt.id.desc())


def _passed_at(concept: Concept) -> list[datetime]:
    """Return when its quiz was passed, since it was last forgotten. Needs a session."""
    passed = _newest(concept.id, QuizAttempt).where(QuizAttempt.passed)
    since = concept.forgotten_at
    return [row.created_at for row in passed if since is None or row.created_at > since]


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
    facts = {"concept_id": row.id, "notes_tag": notes_tag(row.notes)}
    return from_row(LearnerConcept, row, **facts, spent_minutes=row.spent // 60)


def _in_plan(roadmap_id: UUID, concept_id: UUID) -> object:
    return (Concept.id == concept_id) & (Concept.roadmap == roadmap_id) & ~Concept.removed
