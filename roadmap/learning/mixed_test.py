"""Mixed tests: questions of many concepts, after a stage and 60 days after the last concept.

The questions are stored as they are drawn, and graded by that. A wrong answer takes *learned* away
from its concept and makes its cards due. Of a stage the newest test is kept; the one of the whole
roadmap is taken once.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import session, transaction
from core.errors import Conflict, required
from core.json_types import LazyModel
from models.roadmaps import Concept, Module, ReviewCard, Stage
from roadmap.accounts.access import get_owned, lock_owned
from roadmap.accounts.locks import lock_account
from roadmap.learning import learning_days, progress, reviews
from roadmap.learning.grading import Answer, GradedQuestion, grade_all
from roadmap.plan.outline import Question, Quiz
from roadmap.plan.views import QuizQuestion, TestState, test_state, without_answers

MOST, MOST_OF_STAGE = 20, 12  # questions


class MixedTestRequest(LazyModel, frozen=True, extra="forbid"):
    """Answers to all questions of the test, or nothing to begin it."""

    answers: Annotated[tuple[Answer, ...], Field(min_length=1, max_length=MOST)] | None = Field(
        None,
        description="For each question, in order: indexes of the chosen options, of all lines in "
        "order, or a typed text; empty: not known. Null: begin the test.",
    )


class MixedTestDetail(TestState):
    """A mixed test: its questions while it is open, and then its result."""

    concept_ids: list[UUID] = Field(
        description="The concept of each question. With a wrong answer it is no longer learned."
    )
    questions: list[QuizQuestion] = Field(description="Questions; empty: it has not begun.")
    graded: list[GradedQuestion] = Field(description="Graded answers; empty: it was not taken.")


@session()
def read(owner_id: UUID, roadmap_id: UUID, scope: UUID) -> MixedTestDetail:
    """Return the test of a stage, or of all concepts if `scope` is the roadmap. Raises NotFound."""
    row, concepts = _find(owner_id, roadmap_id, scope)
    state = test_state(concepts, row.test, is_whole=scope == roadmap_id)
    asked = row.test["questions"] if row.test else []
    answers = [answer for *_, answer in asked]
    return MixedTestDetail(
        **dict(required(state, "There is no test: some of its concepts are not finished.")),
        concept_ids=[concept_id for concept_id, *_ in asked],
        questions=without_answers(_quiz(asked), 0).questions,
        graded=[] if None in answers else grade_all(_quiz(asked), answers),
    )


@transaction()
def begin(owner_id: UUID, roadmap_id: UUID, scope: UUID) -> MixedTestDetail:
    """Draw the questions; an open test stays as it is. Raises NotFound, Conflict."""
    lock_owned(owner_id, roadmap_id)
    found, (row, concepts) = read(owner_id, roadmap_id, scope), _find(owner_id, roadmap_id, scope)
    if not found.questions or found.graded:
        most = MOST if scope == roadmap_id else MOST_OF_STAGE
        drawn = reviews.draw(owner_id, roadmap_id, [each.id for each in concepts], most)
        if not drawn or found.due_at is None or found.due_at > clock.now():
            raise Conflict(
                "This test is not offered now: it was taken, its day has not come, or its "
                "concepts have no questions."
            )
        drawn = [(id_, question.model_dump(mode="json"), None) for id_, question in drawn]
        row.test = {**(row.test or {}), "questions": drawn}
        row.save(only=["test"])
    return read(owner_id, roadmap_id, scope)


@transaction()
def take(
    owner_id: UUID, roadmap_id: UUID, scope: UUID, request: MixedTestRequest
) -> MixedTestDetail:
    """Grade and save the answers to an open test; without answers, begin one.

    Raises NotFound, Conflict, Invalid.
    """
    if request.answers is None:
        return begin(owner_id, roadmap_id, scope)
    lock_account(owner_id)
    lock_owned(owner_id, roadmap_id)
    found, (row, _) = read(owner_id, roadmap_id, scope), _find(owner_id, roadmap_id, scope)
    if not found.questions or found.graded:
        raise Conflict("This test is not open: it has not begun, or was taken. Read it again.")
    asked, now = row.test["questions"], clock.now()
    graded = grade_all(_quiz(asked), request.answers)
    row.test = {
        "questions": [(*each[:2], its.answer) for each, its in zip(asked, graded, strict=True)],
        "score": sum(each.is_right for each in graded),
        "total": len(graded),
        "taken_at": now.isoformat(),
    }
    row.save(only=["test"])
    missed = {id_ for id_, each in zip(found.concept_ids, graded, strict=True) if not each.is_right}
    for concept_id in missed:
        progress.forget(concept_id)
    ReviewCard.update(due_at=now).where(ReviewCard.concept.in_(missed)).execute()
    learning_days.credit(owner_id, len(graded) * reviews.SECONDS_A_REVIEW)
    return read(owner_id, roadmap_id, scope)


def _find(owner_id: UUID, roadmap_id: UUID, scope: UUID) -> tuple[Any, list[Concept]]:
    """Return the row with the test, and the concepts of the stage or roadmap."""
    row: Any = get_owned(owner_id, roadmap_id)
    planned = Concept.select().join(Module).where(Concept.roadmap == roadmap_id, ~Concept.removed)
    if scope == roadmap_id:
        return row, list(planned)
    stage = Stage.get_or_none(Stage.id == scope, Stage.roadmap == roadmap_id, ~Stage.removed)
    found = required(stage, "This stage does not exist in this roadmap.")
    return found, list(planned.where(Module.stage == scope))


def _quiz(asked: list[Any]) -> Quiz:
    return Quiz.model_construct(questions=tuple(Question.model_validate(each[1]) for each in asked))
