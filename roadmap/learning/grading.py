"""Grading of answers to quizzes, always on the server."""

from collections.abc import Sequence

from pydantic import Field

from core.errors import FieldError, Invalid
from core.json_types import LazyModel
from roadmap.plan.outline import Question, Quiz


class GradedQuestion(LazyModel):
    """A graded question. `right` has the indexes of the correct options."""

    id: int = Field(description="Index in the quiz, from 0.")
    is_right: bool = Field(description="Whether exactly the correct options were chosen.")
    chosen: list[int] = Field(description="Indexes of the chosen options.")
    right: list[int] = Field(description="Indexes of the correct options.")
    explanation: str = Field(description="Why.")


def grade_all(quiz: Quiz, answers: Sequence[Sequence[int]]) -> list[GradedQuestion]:
    """Grade the answers to all questions. Raises Invalid with the wrong fields."""
    if len(answers) != len(quiz.questions):
        rule = f"must have {len(quiz.questions)} items, one for each question"
        raise Invalid("Some fields are not valid.", fields=(FieldError("/answers", rule),))
    pairs = list(enumerate(zip(quiz.questions, answers, strict=True)))
    wrong = tuple(
        FieldError(f"/answers/{number}", rule_of(question))
        for number, (question, chosen) in pairs
        if not fits(question, chosen)
    )
    if wrong:
        raise Invalid("Some fields are not valid.", fields=wrong[:20])
    return [grade_one(number, *pair) for number, pair in pairs]


def grade_one(number: int, question: Question, chosen: Sequence[int]) -> GradedQuestion:
    """Grade the answer to one question. Raises Invalid."""
    if not fits(question, chosen):
        raise Invalid(
            "Some fields are not valid.", fields=(FieldError("/chosen", rule_of(question)),)
        )
    return GradedQuestion(
        id=number,
        is_right=is_right(question, chosen),
        chosen=sorted(chosen),
        right=sorted(question.answers),
        explanation=question.explanation,
    )


def is_right(question: Question, chosen: Sequence[int]) -> bool:
    """Return whether exactly the right options are chosen."""
    return set(chosen) == set(question.answers)


def fits(question: Question, chosen: Sequence[int]) -> bool:
    """Return whether these are options of the question, each once."""
    return set(chosen) <= set(range(len(question.options))) and len(set(chosen)) == len(chosen)


def rule_of(question: Question) -> str:
    """Return the rule for answers, as the end of a sentence."""
    return f"must be indexes of its {len(question.options)} options, without duplicates"
